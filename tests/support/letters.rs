//! Reports in the manner of three houses (the outgoing filter, Yahoo, Microsoft) about one enclosed message that is
//! whatever its sender wrote. The adversary suite and the month of a hoster are made of them.

/// The enclosed message, and what its reporter says of it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Makes the envelope id, the boundary and whatever must differ between reports.
    pub n: usize,
    /// Envelope sender and From.
    pub from: String,
    /// The recipient, who is the complainant.
    pub to: String,
    /// The outgoing user as the filter knows it (`smtp.auth`).
    pub user: String,
    /// Enclosed headers on top: those that the hoster's server adds, whole lines.
    pub headers: String,
    /// Enclosed headers at the end, whole lines.
    pub more_headers: String,
    /// More of the feedback part, whole lines.
    pub fields: String,
    /// The feedback type.
    pub kind: &'static str,
    /// The filter's class.
    pub class: &'static str,
    /// The enclosed Message-ID, without brackets.
    pub message_id: String,
    /// The enclosed text, without its last line end.
    pub body: String,
}

impl Letter {
    /// Message `n` of one mailbox behind an outgoing user, with the identification header of its server.
    pub fn new(n: usize, mailbox: &str, user: &str) -> Self {
        let domain = mailbox.rsplit('@').next().unwrap_or(mailbox);
        Self {
            n,
            from: mailbox.to_owned(),
            to: format!("kim{n}@elsewhere.example"),
            user: user.to_owned(),
            headers: format!("X-AuthUser: {mailbox}\r\n"),
            more_headers: String::new(),
            fields: String::new(),
            kind: "abuse",
            class: "spam",
            message_id: format!("M{n}@{domain}"),
            body: format!("Buy number {n}, now."),
        }
    }

    /// The filter refused it and says so: no envelope sender, no signature, no empty line before the boundary.
    pub fn by_filter(&self, to: &str) -> Vec<u8> {
        let Self {
            n,
            from,
            fields,
            kind,
            ..
        } = self;
        let boundary = format!("===============44112233{n:011}==");
        let (username, domain) = self.user.rsplit_once('@').unwrap_or(("", &self.user));
        format!(
            "Content-Type: multipart/report; report-type=\"feedback-report\";\r\n boundary=\"{boundary}\"\r\n\
             MIME-Version: 1.0\r\nSubject: offer {n}\r\nFrom: admin@out1.filter.example\r\nTo: {to}\r\n\
             Date: Tue, 03 Mar 2026 09:12:44 +0000\r\nMessage-Id: <E{n}@out1.filter.example>\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
             A message of one of your users looks like spam.\r\n\r\n\
             --{boundary}\r\nContent-Type: message/feedback-report\r\nMIME-Version: 1.0\r\n\r\n\
             User-Agent: Spampanel/104512\r\nVersion: 1\r\nOriginal-Envelope-Id: 1tPqA9-{n}\r\n\
             Original-Mail-From: {from}\r\nArrival-Date: Tue, 03 Mar 2026 09:12:43 -0000\r\n\
             Source-IP: 192.0.2.7\r\nOriginal-Rcpt-To: <{}>\r\n\
             Authentication-Results: filter.example; auth=pass smtp.auth={}\r\n{fields}Feedback-Type: {kind}\r\n\
             --{boundary}\r\nContent-Type: message/rfc822\r\nMIME-Version: 1.0\r\n\r\n\
             Received: from web1.hoster.example ([192.0.2.7])\r\n by out1.filter.example with esmtpsa (Exim 4.97)\r\n \
             id 1tPqA9-{n}; Tue, 03 Mar 2026 09:12:43 +0000\r\n\
             X-Filter-ID: Pt3MvcO5N4iKaDQ5O6lk\r\nX-Spampanel-Domain: {domain}\r\nX-Spampanel-Username: {username}\r\n\
             X-Spampanel-Outgoing-Class: {}\r\n{}\r\n--{boundary}--\r\n",
            self.to, self.user, self.class, self.enclosed()
        )
        .into_bytes()
    }

    /// Somebody at Yahoo pressed "spam".
    pub fn by_yahoo(&self, to: &str) -> Vec<u8> {
        let Self {
            n,
            from,
            fields,
            kind,
            ..
        } = self;
        let domain = from.rsplit('@').next().unwrap_or(from);
        format!(
            "Date: Tue, 03 Mar 2026 09:00:05 +0000\r\nFrom: Yahoo! Mail AntiSpam Feedback <feedback@arf.mail.yahoo.example>\r\n\
             To: {to}\r\nSubject: FW: offer {n}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; boundary=\"_----------=_{n}\"; report-type=\"feedback-report\"\r\n\r\n\
             --_----------=_{n}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This is an email abuse report.\r\n\r\n\
             --_----------=_{n}\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: Yahoo!-Mail-Feedback/2.0\r\nVersion: 0.1\r\n\
             Original-Mail-From: <{from}>\r\nOriginal-Rcpt-To: {}\r\nReceived-Date: Tue, 03 Mar 2026 00:59:58 PST\r\n\
             Reported-Domain: {domain}\r\n{fields}\r\n\
             --_----------=_{n}\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n\
             >From {from} Tue Mar 03 08:59:58 2026\r\n\
             X-Apparently-To: {}; Tue, 03 Mar 2026 08:59:58 +0000\r\nReturn-Path: <{from}>\r\n\
             X-Originating-IP: [198.51.100.7]\r\n\
             Received: from 127.0.0.1 (EHLO out1.filter.example) (198.51.100.7)\r\n by mta1.mail.yahoo.example with \
             SMTPS; Tue, 03 Mar 2026 08:59:58 +0000\r\n\
             Received: from web1.hoster.example ([192.0.2.7])\r\n by out1.filter.example with esmtpsa (Exim 4.97); \
             Tue, 03 Mar 2026 08:59:57 +0000\r\n{}\r\n--_----------=_{n}--\r\n",
            self.to, self.to, self.enclosed()
        )
        .into_bytes()
    }

    /// Somebody at Outlook pressed "junk": the feedback part says next to nothing.
    pub fn by_jmrp(&self, to: &str) -> Vec<u8> {
        let Self {
            n,
            from,
            fields,
            kind,
            ..
        } = self;
        let (username, domain) = self.user.rsplit_once('@').unwrap_or(("", &self.user));
        format!(
            "From: <staff@hotmail.example>\r\nTo: {to}\r\nSubject: complaint about message from 198.51.100.7\r\n\
             Date: Tue, 03 Mar 2026 09:00:05 +0000\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"j{n}\"\r\n\r\n\
             --j{n}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nA complaint.\r\n\r\n\
             --j{n}\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: JMRP/1.0\r\nVersion: 1\r\n{fields}\r\n\
             --j{n}\r\nContent-Type: message/rfc822\r\n\r\n\
             X-HmXmrOriginalRecipient: {}\r\nReturn-Path: {from}\r\n\
             Received: from out1.filter.example (198.51.100.7) by mx1.hotmail.example (10.152.20.4) with Microsoft \
             SMTP Server; Tue, 3 Mar 2026 08:59:58 +0000\r\n\
             Received: from web1.hoster.example ([192.0.2.7])\r\n by out1.filter.example with esmtpsa (Exim 4.97); \
             Tue, 03 Mar 2026 08:59:57 +0000\r\n\
             X-Spampanel-Domain: {domain}\r\nX-Spampanel-Username: {username}\r\n{}\r\n--j{n}--\r\n",
            self.to, self.enclosed()
        )
        .into_bytes()
    }

    /// What the sender's own server handed over.
    fn enclosed(&self) -> String {
        let Self {
            n,
            from,
            to,
            headers,
            more_headers,
            message_id,
            body,
            ..
        } = self;
        format!(
            "{headers}From: {from}\r\nTo: {to}\r\nSubject: offer {n}\r\nDate: Tue, 03 Mar 2026 09:12:40 +0000\r\n\
             Message-ID: <{message_id}>\r\n{more_headers}\r\n{body}\r\n"
        )
    }
}
