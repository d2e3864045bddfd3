//! Every fixed reply, once: code, enhanced status code (RFC 3463, RFC 2034) and text, and for a refusal the
//! reason it is counted under.

/// A reply of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The basic code.
    pub code: u16,
    /// The enhanced status code; empty where RFC 2034 section 4 wants none.
    pub status: &'static str,
    /// For people.
    pub text: &'static str,
    /// The metric's label of a refusal; empty otherwise.
    pub reason: &'static str,
}

const fn yes(code: u16, status: &'static str, text: &'static str) -> Reply {
    Reply {
        code,
        status,
        text,
        reason: "",
    }
}

const fn no(code: u16, status: &'static str, text: &'static str, reason: &'static str) -> Reply {
    Reply {
        code,
        status,
        text,
        reason,
    }
}

macro_rules! replies {
    ($($name:ident = $make:ident($($part:literal),*);)*) => {
        $(
            #[doc = concat!("`", $(stringify!($part), " ",)* "`")]
            pub const $name: Reply = $make($($part),*);
        )*
        /// All of them.
        pub const ALL: &[Reply] = &[$($name),*];
    };
}

replies! {
    HELP = yes(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
    BYE = yes(221, "2.0.0", "Goodbye");
    READY_FOR_TLS = yes(220, "2.0.0", "Ready to start TLS");
    LOGGED_IN = yes(235, "2.7.0", "Authentication succeeded");
    OK = yes(250, "2.0.0", "OK");
    SENDER_OK = yes(250, "2.1.0", "Sender OK");
    RECIPIENT_OK = yes(250, "2.1.5", "Recipient OK");
    CHUNK_OK = yes(250, "2.0.0", "Chunk received");
    NOT_VERIFIED = yes(252, "2.0.0", "Cannot verify; send mail to try");
    GO_AHEAD = yes(354, "", "End data with <CR><LF>.<CR><LF>");
    STOPPING = no(421, "4.3.2", "Service is stopping, try again", "stopping");
    COMMAND_TIMEOUT = no(421, "4.4.2", "Timeout, closing", "command_timeout");
    DATA_TIMEOUT = no(421, "4.4.2", "Timeout, closing", "data_timeout");
    SESSION_TIMEOUT = no(421, "4.4.2", "Timeout, closing", "session_timeout");
    TOO_SLOW = no(421, "4.4.2", "Text comes in too slowly, closing", "data_rate");
    TOO_MANY_SESSIONS = no(421, "4.7.0", "Too many sessions, try again later", "sessions");
    TOO_MANY_FROM_CLIENT = no(421, "4.7.0", "Too many sessions from your network", "client_sessions");
    TOO_FAST = no(421, "4.7.0", "Too many connections from your network, try again later", "connection_rate");
    TOO_MANY_MESSAGES = no(421, "4.7.0", "Too many messages in this session, connect again", "messages");
    TOO_MANY_ERRORS = no(421, "4.7.0", "Too many errors, closing", "errors");
    TOO_MANY_LOGINS = no(421, "4.7.0", "Too many failed logins, try again later", "logins");
    FAILURE = no(451, "4.3.0", "Local error, try again", "internal");
    NO_ROOM = no(452, "4.3.1", "Too much mail in flight, try again", "bytes_in_flight");
    TOO_MANY_RECIPIENTS = no(452, "4.5.3", "Too many recipients", "recipients");
    LOGIN_BUSY = no(454, "4.7.0", "Temporary authentication failure, try again", "login_busy");
    TEXT_LINE_TOO_LONG = no(500, "5.6.0", "Line of text too long", "line_length");
    AUTH_LINE_TOO_LONG = no(500, "5.5.6", "Authentication exchange line too long", "command_length");
    LINE_TOO_LONG = no(500, "5.5.2", "Command line too long", "command_length");
    UNKNOWN = no(500, "5.5.2", "Command not recognised", "syntax");
    BARE_IN_COMMAND = no(500, "5.5.2", "Bare CR or LF refused, closing (RFC 5321 section 2.3.8)", "bare_line_end");
    NUL_IN_COMMAND = no(500, "5.5.2", "NUL refused, closing", "nul");
    HTTP = no(500, "5.5.1", "This is not HTTP, closing", "http");
    BAD_ARGUMENTS = no(501, "5.5.4", "Syntax error in arguments", "syntax");
    AUTH_CANCELLED = no(501, "5.7.0", "Authentication cancelled", "login");
    BAD_BASE64 = no(501, "5.5.2", "Cannot decode Base64", "syntax");
    BAD_AUTH_MESSAGE = no(501, "5.5.2", "Malformed authentication message", "syntax");
    BAD_CHUNK = no(501, "5.5.4", "Size of the chunk not understood, closing", "chunk");
    BAD_RECIPIENT = no(501, "5.1.3", "Bad recipient address", "syntax");
    PATH_TOO_LONG = no(501, "5.1.3", "Path too long", "path_length");
    BAD_SENDER = no(501, "5.1.7", "Bad sender address", "syntax");
    NOT_IMPLEMENTED = no(502, "5.5.1", "Command not implemented", "not_implemented");
    BAD_SEQUENCE = no(503, "5.5.1", "Bad sequence of commands", "sequence");
    TOO_EARLY = no(503, "5.5.0", "Sent before the reply to the message, closing", "early");
    NO_SUCH_MECHANISM = no(504, "5.5.4", "Authentication mechanism not offered", "not_implemented");
    TLS_FIRST = no(530, "5.7.0", "Must issue a STARTTLS command first", "tls_required");
    WRONG_CREDENTIALS = no(535, "5.7.8", "Authentication credentials invalid", "login");
    TLS_FOR_AUTH = no(538, "5.7.11", "Encryption required for authentication", "tls_required");
    NO_MAILBOX = no(550, "5.1.1", "No such mailbox here", "recipient");
    BARE_IN_TEXT = no(550, "5.6.0", "Bare CR or LF refused, closing (RFC 5321 section 2.3.8)", "bare_line_end");
    NUL_IN_TEXT = no(550, "5.6.0", "NUL refused, closing", "nul");
    TOO_LARGE = no(552, "5.3.4", "Message too large", "size");
    BEHIND_STARTTLS = no(554, "5.5.1", "Nothing may follow STARTTLS before TLS, closing", "behind_starttls");
    NO_RECIPIENTS = no(554, "5.5.1", "No valid recipients", "recipient");
    UNKNOWN_PARAMETER = no(555, "5.5.4", "Parameter not recognised", "parameter");
}

impl Reply {
    /// Appends the line.
    pub fn write(&self, out: &mut Vec<u8>) {
        line(out, self.code, self.status, self.text);
    }

    /// Whether the session ends with it.
    pub fn closes(&self) -> bool {
        matches!(self.code, 221 | 421)
    }
}

/// Appends a last reply line. What could break out of the line is replaced, and a long text cut: RFC 5321
/// section 4.5.3.1.5 allows 512 octets.
pub fn line(out: &mut Vec<u8>, code: u16, status: &str, text: &str) {
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(code / 100), digit(code / 10), digit(code), b' ']);
    if !status.is_empty() {
        out.extend_from_slice(status.as_bytes());
        out.push(b' ');
    }
    let printable = |octet: u8| match octet {
        b' '..=b'~' => octet,
        _ => b'?',
    };
    out.extend(text.bytes().take(480).map(printable));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_has_a_status_of_its_own_class() {
        for reply in ALL {
            let class = (reply.code / 100).to_string();
            match reply.code {
                354 => assert!(reply.status.is_empty()),
                _ => assert!(reply.status.starts_with(&class), "{reply:?}"),
            }
            assert_eq!(reply.code >= 400, !reply.reason.is_empty(), "{reply:?}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_a_line() {
        let mut out = Vec::new();
        line(&mut out, 250, "2.0.0", "a\r\n250 b\0é");
        assert_eq!(out, b"250 2.0.0 a??250 b???\r\n");
        out.clear();
        line(&mut out, 250, "2.0.0", &"x".repeat(2000));
        assert!(out.len() <= 512);
    }
}
