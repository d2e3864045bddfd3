//! What secures a session: STARTTLS and AUTH, as far as they go without a socket.

use super::super::auth::{self, Credentials, Progress, Verdict};
use super::super::command::Command;
use super::super::door::TlsMode;
use super::super::framing::Lines;
use super::super::reply;
use super::super::step::Step;
use super::super::{Peer, Security};
use super::{Mode, Session, engine};
use bytes::BytesMut;

impl Session {
    /// Who the client is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The handshake is done. All that was said before it is forgotten (RFC 3207 section 4.2), but not what
    /// was done wrong.
    pub fn secured(&mut self, security: Security) {
        self.peer.security = security;
        self.helo.clear();
        self.shared.lock().reset();
        self.engine = engine(&self.edge, &self.peer, &self.shared);
        self.lines = Lines::new(self.edge.settings.max_command_line);
        self.mode = Mode::Commands;
    }

    /// What came of the credentials handed out last.
    pub fn authenticated(&mut self, verdict: Verdict) {
        self.mode = Mode::Commands;
        match verdict {
            Verdict::Granted(name) => {
                tracing::info!(login = name, "logged in");
                self.peer.security.login = Some(name);
                self.say(&reply::LOGGED_IN);
            }
            Verdict::Denied => {
                self.denied += 1;
                self.say(&reply::WRONG_CREDENTIALS);
                let users = self.edge.keys.users.as_ref();
                let spent = users.is_none_or(|users| self.denied >= users.settings.max_failures);
                if spent && !matches!(self.mode, Mode::Closed) {
                    self.break_off(&reply::TOO_MANY_LOGINS);
                }
            }
            Verdict::Throttled => self.break_off(&reply::TOO_MANY_LOGINS),
            Verdict::Busy => self.say(&reply::LOGIN_BUSY),
        }
    }

    pub(super) fn offers_tls(&self) -> bool {
        let wanted = matches!(self.peer.door.tls, TlsMode::Offered | TlsMode::Required);
        wanted && !self.peer.security.tls && self.edge.keys.tls.is_some()
    }

    /// Passwords never cross the network in the clear.
    pub(super) fn offers_auth(&self) -> bool {
        self.peer.security.tls && self.has_auth()
    }

    fn has_auth(&self) -> bool {
        self.peer.door.auth && self.edge.keys.users.is_some()
    }

    /// Whether the command must wait for TLS, as all but those before it must (RFC 3207 section 4). AUTH has a refusal
    /// of its own, and so has BDAT, whose chunk comes all the same.
    pub(super) fn lacks_tls(&self, command: &Command<'_>) -> bool {
        let waits = matches!(
            command,
            Command::Mail { .. } | Command::Rcpt(_) | Command::Data | Command::Rset | Command::Vrfy
        );
        waits && self.must_secure()
    }

    /// Whether nothing is taken before TLS, and there is none yet.
    pub(super) fn must_secure(&self) -> bool {
        self.peer.door.tls == TlsMode::Required && !self.peer.security.tls
    }

    pub(super) fn start_tls(&mut self) {
        if self.offers_tls() {
            self.mode = Mode::StartTls;
        } else if self.peer.security.tls {
            self.say(&reply::BAD_SEQUENCE);
        } else {
            self.say(&reply::NOT_IMPLEMENTED);
        }
    }

    /// What stands behind STARTTLS came in the clear, from whomever: it must never be taken for what is said
    /// under TLS. Honest clients wait for the reply, so the rest are sent away.
    pub(super) fn ready_for_tls(&mut self, input: &mut BytesMut) -> Step {
        if !input.is_empty() {
            input.clear();
            self.break_off(&reply::BEHIND_STARTTLS);
            return Step::Close;
        }
        self.say(&reply::READY_FOR_TLS);
        self.mode = Mode::Handshake;
        Step::StartTls
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Credentials> {
        if !self.has_auth() {
            self.say(&reply::NOT_IMPLEMENTED);
        } else if !self.peer.security.tls {
            self.say(&reply::TLS_FOR_AUTH);
        } else if self.helo.is_empty()
            || self.peer.security.login.is_some()
            || self.shared.lock().open
        {
            self.say(&reply::BAD_SEQUENCE);
        } else {
            return self.progress(auth::begin(mechanism, initial));
        }
        None
    }

    pub(super) fn auth_line(&mut self, line: &[u8]) -> Option<Credentials> {
        match std::mem::replace(&mut self.mode, Mode::Commands) {
            Mode::Auth(exchange) => self.progress(exchange.answer(line)),
            other => {
                self.mode = other;
                None
            }
        }
    }

    fn progress(&mut self, progress: Progress) -> Option<Credentials> {
        match progress {
            Progress::Challenge(prompt, exchange) => {
                self.out.extend_from_slice(b"334 ");
                self.out.extend_from_slice(prompt.as_bytes());
                self.out.extend_from_slice(b"\r\n");
                self.mode = Mode::Auth(exchange);
                None
            }
            Progress::Done(credentials) => {
                self.mode = Mode::Verifying;
                Some(credentials)
            }
            Progress::Refused(refusal) => {
                self.say(&refusal);
                None
            }
        }
    }

    /// A line that was too long; it ends an exchange (RFC 4954 section 4).
    pub(super) fn too_long(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Commands) {
            Mode::Auth(_) => self.say(&reply::AUTH_LINE_TOO_LONG),
            _ => self.say(&reply::LINE_TOO_LONG),
        }
    }
}
