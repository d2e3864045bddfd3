//! How a session begins, and what is offered in it.

use super::Session;
use crate::smtp::Protocol;
use crate::smtp::reply;
use std::io::Write;

impl Session {
    /// Answers HELO, EHLO and LHLO.
    pub(super) fn hello(&mut self, name: &str, extended: bool, protocol: Protocol) {
        if protocol != self.peer.door.protocol {
            return self.say(&reply::UNKNOWN);
        }
        self.drop_chunks();
        let reply = self.ask(b"EHLO name\r\n", reply::OK);
        if reply.code != 250 {
            return self.say(&reply);
        }
        self.shared.lock().reset();
        name.clone_into(&mut self.helo);
        let (tls, auth) = (self.offers_tls(), self.offers_auth());
        let settings = &self.edge.settings;
        if extended {
            // Writing to a Vec cannot fail.
            let _ = write!(
                self.out,
                "250-{}\r\n250-SIZE {}\r\n{}250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n{}{}\
                 250 ENHANCEDSTATUSCODES\r\n",
                settings.hostname,
                settings.max_message_size,
                // Who sends bare line ends waits for each reply.
                if self.lenient {
                    ""
                } else {
                    "250-PIPELINING\r\n"
                },
                if tls { "250-STARTTLS\r\n" } else { "" },
                if auth { "250-AUTH PLAIN LOGIN\r\n" } else { "" },
            );
        } else {
            reply::line(&mut self.out, 250, "", &settings.hostname);
        }
    }
}
