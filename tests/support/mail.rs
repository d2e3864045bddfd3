//! Reports in the filter's manner, and a small blocking SMTP client that knows what it was told.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Who is complained about.
pub fn identity(n: usize) -> String {
    format!("user{n}@customer{n}.example")
}

/// The filter's report of message `n`, refused by it, sent by identity number `who`. Some lines begin with a dot.
pub fn report(n: usize, who: usize) -> Vec<u8> {
    typed_report(n, who, "abuse")
}

/// The same, of any feedback type.
pub fn typed_report(n: usize, who: usize, kind: &str) -> Vec<u8> {
    let sender = identity(who);
    format!(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=\"=={n}==\"\r\n\
         MIME-Version: 1.0\r\nSubject: offer {n}\r\nFrom: admin@filter.example\r\n\
         Date: Tue, 24 Nov 2026 02:51:18 -0600\r\nMessage-Id: <R{n}@filter.example>\r\n\r\n\
         --=={n}==\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
         About a message of one of your users.\r\n\
         --=={n}==\r\nContent-Type: message/feedback-report\r\n\r\n\
         User-Agent: SpamExperts/1\r\nVersion: 1\r\nOriginal-Envelope-Id: 1abc-{n}\r\n\
         Original-Mail-From: {sender}\r\nArrival-Date: Tue, 24 Nov 2026 08:51:18 -0000\r\n\
         Source-IP: 192.0.2.7\r\nOriginal-Rcpt-To: <r{n}@elsewhere.example>\r\n\
         Authentication-Results: filter.example; auth=pass smtp.auth=server{who}@customer{who}.example\r\n\
         Feedback-Type: {kind}\r\n--=={n}==\r\nContent-Type: message/rfc822\r\n\r\n\
         Received: from server1.customer.example ([192.0.2.7])\r\n by filter.example with esmtpa (Exim 4.96)\r\n \
         id 1abc-{n}; Tue, 24 Nov 2026 02:51:18 -0600\r\n\
         X-AuthUser: {sender}\r\nMessage-ID: <M{n}@customer.example>\r\n\
         From: {sender}\r\nTo: r{n}@elsewhere.example\r\nSubject: offer {n}\r\n\
         Date: Tue, 24 Nov 2026 10:50:41 +0200\r\nX-Spampanel-Domain: customer{who}.example\r\n\
         X-Spampanel-Username: server{who}\r\n\r\n\
         .\r\n..buy number {n}\r\n.now\r\n--=={n}==--\r\n"
    )
    .into_bytes()
}

/// A message as SMTP carries it: dots doubled, and the one that ends it.
pub fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b".") {
            text.push(b'.');
        }
        text.extend(line);
    }
    text.extend(b".\r\n");
    text
}

/// Why a message is not known to be filed.
#[derive(Debug)]
pub enum Unsent {
    /// The server said so, in these words.
    Refused(String),
    /// The connection ended before the server was ready for the text.
    Cut,
    /// The connection ended after that, without a word.
    Unanswered,
}

/// One SMTP session.
pub struct Smtp {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects and says EHLO.
    pub fn connect(server: SocketAddr) -> io::Result<Self> {
        Self::open(server, b"")
    }

    /// The same, through a proxy that says who the client is.
    pub fn connect_as(server: SocketAddr, client: &str) -> io::Result<Self> {
        Self::open(
            server,
            format!("PROXY TCP4 {client} 192.0.2.1 4711 25\r\n").as_bytes(),
        )
    }

    fn open(server: SocketAddr, first: &[u8]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(first)?;
        let replies = BufReader::new(stream.try_clone()?);
        let mut client = Self { stream, replies };
        let greeting = client.reply()?;
        if !greeting.starts_with("220") {
            return Err(io::Error::other(greeting));
        }
        match client.say("EHLO client.example")? {
            reply if reply.starts_with("250") => Ok(client),
            reply => Err(io::Error::other(reply)),
        }
    }

    /// Sends octets as they are.
    pub fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Sends a command; gives the last line of the reply.
    pub fn say(&mut self, command: &str) -> io::Result<String> {
        self.raw(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.replies.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Says everything up to DATA; text may follow when this is `Ok`.
    pub fn begin(&mut self, recipient: &str) -> Result<(), Unsent> {
        for command in ["MAIL FROM:<>", &format!("RCPT TO:<{recipient}>"), "DATA"] {
            match self.say(command) {
                Ok(reply) if reply.starts_with(['2', '3']) => {}
                Ok(reply) => return Err(Unsent::Refused(reply)),
                Err(_) => return Err(Unsent::Cut),
            }
        }
        Ok(())
    }

    /// Sends one message whose lines end in CRLF. Gives the report's identifier from the 250.
    pub fn send(&mut self, recipient: &str, message: &[u8]) -> Result<String, Unsent> {
        self.begin(recipient)?;
        let text = on_the_wire(message);
        self.raw(&text).map_err(|_| Unsent::Unanswered)?;
        let reply = self.reply().map_err(|_| Unsent::Unanswered)?;
        match reply.split_once("filed as ") {
            Some((code, id)) if code.starts_with("250 2.") => Ok(id.to_owned()),
            _ => Err(Unsent::Refused(reply)),
        }
    }
}
