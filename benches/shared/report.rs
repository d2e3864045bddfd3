//! The filter's report as it comes off the wire.

use std::io::Write;

/// Text of the enclosed message that makes the whole report about `size` octets, different in each line so
/// that it does not compress to nothing.
pub fn filler(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(5965);
    let mut text = String::new();
    while text.len() + 1_500 < size {
        let line: String = (0..70).map(|_| random.alphanumeric()).collect();
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text
}

/// A filter's report as it comes off the wire, dot at the end.
pub fn report(out: &mut Vec<u8>, n: usize, identity: usize, filler: &str) {
    write!(
        out,
        "Content-Type: multipart/report; report-type=\"feedback-report\"; boundary=\"=={n}==\"\r\n\
         MIME-Version: 1.0\r\nSubject: offer {n}\r\nFrom: admin@filter.example\r\nTo: arf@abuse.example\r\n\
         Date: Tue, 24 Nov 2026 02:51:18 -0600\r\nMessage-Id: <R{n}@filter.example>\r\n\r\n\
         --=={n}==\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
         An abuse report (RFC 5965) about a message of one of your users.\r\n\r\n\
         --=={n}==\r\nContent-Type: message/feedback-report\r\nMIME-Version: 1.0\r\n\r\n\
         User-Agent: SpamExperts/1\r\nVersion: 1\r\nOriginal-Envelope-Id: 1abc-{n}\r\n\
         Original-Mail-From: user{identity}@customer.example\r\n\
         Arrival-Date: Tue, 24 Nov 2026 08:51:18 -0000\r\nSource-IP: 192.0.2.7\r\n\
         Original-Rcpt-To: <r{n}@elsewhere.example>\r\n\
         Authentication-Results: filter.example; auth=pass smtp.auth=server1@customer.example\r\n\
         Feedback-Type: abuse\r\n--=={n}==\r\nContent-Type: message/rfc822\r\n\r\n\
         Received: from server1.customer.example ([192.0.2.7])\r\n by filter.example with esmtpa (Exim 4.96)\r\n \
         id 1abc-{n}; Tue, 24 Nov 2026 02:51:18 -0600\r\n\
         X-AuthUser: user{identity}@customer.example\r\nMessage-ID: <M{n}@customer.example>\r\n\
         From: user{identity}@customer.example\r\nTo: r{n}@elsewhere.example\r\nSubject: offer {n}\r\n\
         Date: Tue, 24 Nov 2026 10:50:41 +0200\r\nX-Spampanel-Domain: customer.example\r\n\
         X-Spampanel-Username: server1\r\nX-Spampanel-Outgoing-Class: spam\r\n\r\n\
         {filler}\r\n--=={n}==--\r\n.\r\n"
    )
    .expect("to memory");
}
