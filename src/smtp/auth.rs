//! AUTH PLAIN (RFC 4616) and LOGIN as exchanges of lines (RFC 4954 section 4), without a socket: what the
//! client sends goes in, the next challenge or the credentials come out.

mod throttle;
mod users;

pub(super) use users::Verdict;
pub use users::{AuthSettings, HashError, PasswordHash, User, Users, hash_password};

use super::reply::{self, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretSlice;

/// What the prompts of LOGIN have always been: "Username:" and "Password:".
const NAME_PROMPT: &str = "VXNlcm5hbWU6";
const PASSWORD_PROMPT: &str = "UGFzc3dvcmQ6";

/// A name and a password that is never shown.
#[derive(Debug)]
pub struct Credentials {
    /// Who it claims to be.
    pub name: String,
    /// The octets of the password.
    pub password: SecretSlice<u8>,
}

/// An exchange under way: what the client's next line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The message of PLAIN.
    Plain,
    /// The name of LOGIN.
    Name,
    /// The password of LOGIN, of whom.
    Password(String),
}

/// How far it has come.
#[derive(Debug)]
pub enum Progress {
    /// The client is to answer this, in Base64 already.
    Challenge(&'static str, Exchange),
    /// It said all.
    Done(Credentials),
    /// It ends here.
    Refused(Reply),
}

/// Begins an exchange with the arguments of AUTH.
pub fn begin(mechanism: &str, initial: Option<&str>) -> Progress {
    let (exchange, prompt) = if mechanism.eq_ignore_ascii_case("PLAIN") {
        (Exchange::Plain, "")
    } else if mechanism.eq_ignore_ascii_case("LOGIN") {
        (Exchange::Name, NAME_PROMPT)
    } else {
        return Progress::Refused(reply::NO_SUCH_MECHANISM);
    };
    match initial {
        None => Progress::Challenge(prompt, exchange),
        // An empty initial response is written so, RFC 4954 section 4.
        Some("=") => exchange.go_on(Vec::new()),
        Some(initial) => exchange.answer(initial.as_bytes()),
    }
}

impl Exchange {
    /// Goes on with the client's line.
    pub fn answer(self, line: &[u8]) -> Progress {
        if line == b"*" {
            return Progress::Refused(reply::AUTH_CANCELLED);
        }
        match STANDARD.decode(line) {
            Ok(octets) => self.go_on(octets),
            Err(_) => Progress::Refused(reply::BAD_BASE64),
        }
    }

    fn go_on(self, octets: Vec<u8>) -> Progress {
        match self {
            Self::Plain => plain(&octets),
            Self::Name => match String::from_utf8(octets) {
                Ok(name) => Progress::Challenge(PASSWORD_PROMPT, Self::Password(name)),
                Err(_) => Progress::Refused(reply::BAD_AUTH_MESSAGE),
            },
            Self::Password(name) => Progress::Done(Credentials {
                name,
                password: octets.into(),
            }),
        }
    }
}

/// `[whose rights] NUL name NUL password`. Nobody may act for another.
fn plain(message: &[u8]) -> Progress {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(rights), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Progress::Refused(reply::BAD_AUTH_MESSAGE);
    };
    let Ok(text) = std::str::from_utf8(name) else {
        return Progress::Refused(reply::BAD_AUTH_MESSAGE);
    };
    if !rights.is_empty() && rights != name {
        return Progress::Refused(reply::WRONG_CREDENTIALS);
    }
    Progress::Done(Credentials {
        name: text.to_owned(),
        password: password.to_vec().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn b64(text: &str) -> String {
        STANDARD.encode(text)
    }

    fn done(progress: Progress) -> (String, Vec<u8>) {
        match progress {
            Progress::Done(c) => (c.name, c.password.expose_secret().to_vec()),
            other => panic!("{other:?}"),
        }
    }

    fn refused(progress: Progress) -> Reply {
        match progress {
            Progress::Refused(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_with_and_without_initial_response() {
        let message = b64("\0filter\0se cret");
        let want = ("filter".to_owned(), b"se cret".to_vec());
        assert_eq!(done(begin("plain", Some(&message))), want);
        let Progress::Challenge("", exchange) = begin("PLAIN", None) else {
            panic!("no empty challenge");
        };
        assert_eq!(done(exchange.answer(message.as_bytes())), want);
        assert_eq!(
            done(begin("PLAIN", Some(&b64("filter\0filter\0se cret")))),
            want
        );
    }

    #[test]
    fn login_by_two_lines() {
        let Progress::Challenge(prompt, exchange) = begin("LOGIN", None) else {
            panic!("no challenge");
        };
        assert_eq!(STANDARD.decode(prompt).unwrap(), b"Username:");
        let Progress::Challenge(prompt, exchange) = exchange.answer(b64("filter").as_bytes())
        else {
            panic!("no second challenge");
        };
        assert_eq!(STANDARD.decode(prompt).unwrap(), b"Password:");
        let want = ("filter".to_owned(), b"x\0y".to_vec());
        assert_eq!(done(exchange.answer(b64("x\0y").as_bytes())), want);
        let Progress::Challenge(_, Exchange::Password(name)) = begin("LOGIN", Some(&b64("filter")))
        else {
            panic!("no challenge for the password");
        };
        assert_eq!(name, "filter");
    }

    #[test]
    fn what_is_refused() {
        for (mechanism, initial, want) in [
            ("CRAM-MD5", None, reply::NO_SUCH_MECHANISM),
            ("PLAIN", Some("*"), reply::AUTH_CANCELLED),
            ("PLAIN", Some("=="), reply::BAD_BASE64),
            ("PLAIN", Some("AGE"), reply::BAD_BASE64),
            ("PLAIN", Some("AG E="), reply::BAD_BASE64),
            ("LOGIN", Some("%"), reply::BAD_BASE64),
            ("PLAIN", Some("="), reply::BAD_AUTH_MESSAGE),
        ] {
            assert_eq!(refused(begin(mechanism, initial)), want, "{initial:?}");
        }
        for (message, want) in [
            ("no separators", reply::BAD_AUTH_MESSAGE),
            ("\0name", reply::BAD_AUTH_MESSAGE),
            ("\0name\0a\0b", reply::BAD_AUTH_MESSAGE),
            ("admin\0name\0password", reply::WRONG_CREDENTIALS),
        ] {
            assert_eq!(refused(begin("PLAIN", Some(&b64(message)))), want);
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let progress = begin("PLAIN", Some(&b64("\0filter\0hunter2")));
        let shown = format!("{progress:?}");
        let octets = format!("{:?}", b"hunter2");
        assert!(shown.contains("filter") && !shown.contains("hunter2"));
        assert!(!shown.contains(octets.trim_matches(['[', ']'])), "{shown}");
    }
}
