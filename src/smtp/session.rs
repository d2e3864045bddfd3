//! One SMTP session without its socket: octets go in, replies and finished messages come out, and waiting is
//! left to the caller. mailin's engine keeps the order of commands; framing, parameters, limits and the last
//! word on a message are ours.

mod chunks;
mod hello;
mod security;

use super::auth::{Credentials, Exchange};
use super::body::Body;
use super::command::{self, Command};
use super::framing::{Fault, Line, Lines, Progress, Text};
use super::policy::{Policy, Shared};
use super::reply::{self, Reply};
use super::step::{Awaits, Delivery, Step};
use super::{Edge, Envelope, Peer, Protocol, Receipt};
use bytes::{Buf, BytesMut};
use chunks::{Chunk, Chunks};
use mailin::SessionBuilder;
use std::sync::Arc;
use std::time::Duration;

/// Refusals of one session that are logged; there is no end to those that are no error of the client's.
const TOLD: u32 = 50;
/// Replies are handed out from this many octets on, even with commands still waiting.
const ENOUGH: usize = 16 * 1024;

enum Mode {
    Commands,
    Text(Text, Body),
    Chunk(Chunk),
    Delivering,
    /// STARTTLS was granted, and the client is not yet told.
    StartTls,
    /// The handshake is the caller's.
    Handshake,
    /// The next line belongs to AUTH.
    Auth(Exchange),
    /// A password is being tried.
    Verifying,
    Closed,
}

/// A session.
pub struct Session {
    edge: Arc<Edge>,
    id: u64,
    peer: Peer,
    helo: String,
    engine: mailin::Session<Policy>,
    shared: Shared,
    lines: Lines,
    mode: Mode,
    /// Commands so far.
    turn: u64,
    errors: u32,
    /// Refusals so far.
    refusals: u32,
    /// Replies that the text at its end gets.
    due: usize,
    /// Logins that failed.
    denied: u32,
    /// The message that comes in chunks, until the last of them.
    chunks: Option<Chunks>,
    /// Whether the command before was a chunk that was refused.
    chunk_refused: bool,
    /// Whether bare CR or LF and NUL are taken for text from this client.
    lenient: bool,
    /// Nothing may have come in yet beyond what was taken.
    quiet: bool,
    /// How long the replies that wait are held back.
    pause: Duration,
    out: Vec<u8>,
}

impl Session {
    /// Opens a session; the greeting waits in the output.
    pub fn open(edge: &Arc<Edge>, peer: Peer) -> Self {
        let shared = Shared::default();
        let name = edge.settings.hostname.as_str();
        let lenient = edge.settings.is_normalised(peer.client);
        let mut out = Vec::with_capacity(256);
        let speaks = match peer.door.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        reply::line(&mut out, 220, "", &format!("{name} {speaks}"));
        Self {
            id: edge.next_id(),
            helo: String::new(),
            engine: engine(edge, &peer, &shared),
            peer,
            shared,
            lines: Lines::new(edge.settings.max_command_line),
            mode: Mode::Commands,
            turn: 0,
            errors: 0,
            refusals: 0,
            due: 1,
            denied: 0,
            chunks: None,
            chunk_refused: false,
            lenient,
            quiet: false,
            pause: Duration::ZERO,
            out,
            edge: Arc::clone(edge),
        }
    }

    /// Its number, for logs.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replies to be written; the caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What it waits for.
    pub fn awaits(&self) -> Awaits {
        match (&self.mode, &self.chunks) {
            (Mode::Text(..), _) => Awaits::Text(self.turn),
            (Mode::Chunk(chunk), _) => Awaits::Text(chunk.message),
            (_, Some(chunks)) => Awaits::Chunk {
                message: chunks.begun,
                command: self.turn,
            },
            _ => Awaits::Command(self.turn),
        }
    }

    /// Whether whatever the client has sent by now must be shown to [`Session::advance`] before the message
    /// handed out last is answered.
    pub fn listens(&self) -> bool {
        self.quiet
    }

    /// Goes on with what came in, as far as that leads.
    pub fn advance(&mut self, input: &mut BytesMut) -> Step {
        loop {
            if !self.pause.is_zero() {
                let pause = std::mem::take(&mut self.pause);
                self.edge.count.tarpit(pause);
                return Step::Pause(pause);
            }
            if self.out.len() >= ENOUGH {
                return Step::Write;
            }
            if self.quiet && !matches!(self.mode, Mode::Delivering) {
                self.quiet = false;
                if !input.is_empty() {
                    self.break_off(&reply::TOO_EARLY);
                }
            }
            match &mut self.mode {
                Mode::Closed => return Step::Close,
                // Not before the answer: the caller has nothing to do here but to bring it.
                Mode::Delivering | Mode::Verifying => return Step::Write,
                Mode::StartTls => return self.ready_for_tls(input),
                Mode::Handshake => return Step::Close,
                Mode::Commands | Mode::Auth(_) => match self.lines.next(input) {
                    Line::More { skip } => {
                        input.advance(skip);
                        return Step::Read;
                    }
                    Line::Command { len } => {
                        self.turn += 1;
                        let line = &input[..len];
                        let too_long = self.edge.settings.is_too_long(line);
                        let credentials = match &self.mode {
                            Mode::Auth(_) => self.auth_line(line),
                            _ if too_long => {
                                self.too_long();
                                None
                            }
                            _ => self.command(line),
                        };
                        input.advance(len + 2);
                        if let Some(credentials) = credentials {
                            return Step::Authenticate(credentials);
                        }
                    }
                    Line::TooLong { used } => {
                        self.turn += 1;
                        self.too_long();
                        input.advance(used);
                    }
                    Line::Broken(fault) => self.break_off(match fault {
                        Fault::BareLineEnd => &reply::BARE_IN_COMMAND,
                        Fault::Nul => &reply::NUL_IN_COMMAND,
                    }),
                },
                Mode::Text(text, body) => {
                    let (used, progress) = text.feed(input, |run| body.push(run));
                    input.advance(used);
                    if text.longest() > self.edge.settings.longest_line() {
                        body.refuse(reply::TEXT_LINE_TOO_LONG);
                    }
                    match progress {
                        Progress::More => return Step::Read,
                        Progress::End => {
                            self.quiet = self.lenient;
                            if let Some(delivery) = self.end_of_text() {
                                return Step::Deliver(Box::new(delivery));
                            }
                        }
                        Progress::Broken(fault) => {
                            self.edge.count.rejected.inc();
                            let refusal = match fault {
                                Fault::BareLineEnd => &reply::BARE_IN_TEXT,
                                Fault::Nul => &reply::NUL_IN_TEXT,
                            };
                            let recipients = self.shared.lock().recipients.len();
                            self.owe(recipients);
                            self.settle(refusal);
                            self.mode = Mode::Closed;
                        }
                    }
                }
                Mode::Chunk(_) => {
                    if !self.take_chunk(input) {
                        return Step::Read;
                    }
                    if let Some(delivery) = self.end_of_chunk() {
                        return Step::Deliver(Box::new(delivery));
                    }
                }
            }
        }
    }

    /// The inbox's word on the message handed out last.
    pub fn answer(&mut self, receipt: &Receipt) {
        match receipt {
            Receipt::Filed(text) => {
                self.edge.count.accepted.inc();
                for _ in 0..self.due {
                    reply::line(&mut self.out, 250, "2.0.0", text);
                }
            }
            Receipt::TryLater(text) => {
                self.edge.count.deferred.inc();
                self.edge.count.refusal("inbox");
                tracing::info!(text, "message put off by the inbox");
                for _ in 0..self.due {
                    reply::line(&mut self.out, 451, "4.3.0", text);
                }
            }
        }
        if let Mode::Delivering = self.mode {
            self.mode = Mode::Commands;
        }
    }

    /// Ends the session with a reply, whatever it is doing.
    pub fn break_off(&mut self, reply: &Reply) {
        if let Mode::Closed = self.mode {
            return;
        }
        self.say(reply);
        self.close();
        self.pause = Duration::ZERO;
    }

    /// Nothing more is taken; what was held of a message is given back at once.
    fn close(&mut self) {
        self.mode = Mode::Closed;
        self.chunks = None;
    }

    /// Credentials are to be tried before all else.
    fn command(&mut self, line: &[u8]) -> Option<Credentials> {
        let command = command::parse(line);
        self.chunk_refused &= matches!(command, Ok(Command::Bdat { .. }));
        match command {
            Err(fatal @ (reply::BAD_CHUNK | reply::HTTP)) => self.break_off(&fatal),
            Err(refusal) => self.say(&refusal),
            Ok(command) if self.chunks.is_some() && breaks_in(&command) => {
                self.say(&reply::BAD_SEQUENCE);
            }
            Ok(command) if self.lacks_tls(&command) => self.say(&reply::TLS_FIRST),
            Ok(Command::StartTls) => self.start_tls(),
            Ok(Command::Auth { mechanism, initial }) => return self.auth(mechanism, initial),
            Ok(Command::Ehlo(name)) => self.hello(name, true, Protocol::Smtp),
            Ok(Command::Helo(name)) => self.hello(name, false, Protocol::Smtp),
            Ok(Command::Lhlo(name)) => self.hello(name, true, Protocol::Lmtp),
            Ok(Command::Mail { sender, size }) => {
                {
                    let mut transaction = self.shared.lock();
                    transaction.offered_size = size;
                    sender.clone_into(&mut transaction.offered);
                }
                let reply = self.ask(b"MAIL FROM:<path>\r\n", reply::SENDER_OK);
                self.say(&reply);
            }
            Ok(Command::Rcpt(recipient)) => {
                recipient.clone_into(&mut self.shared.lock().offered);
                let reply = self.ask(b"RCPT TO:<path>\r\n", reply::RECIPIENT_OK);
                self.say(&reply);
            }
            Ok(Command::Data) => self.data(),
            Ok(Command::Bdat { size, last }) => self.bdat(size, last),
            Ok(Command::Rset) => {
                self.drop_chunks();
                let reply = self.ask(b"RSET\r\n", reply::OK);
                self.shared.lock().reset();
                self.say(&reply);
            }
            Ok(Command::Noop) => self.say(&reply::OK),
            Ok(Command::Vrfy) => self.say(&reply::NOT_VERIFIED),
            Ok(Command::Help) => self.say(&reply::HELP),
            Ok(Command::Quit) => self.say(&reply::BYE),
        }
        None
    }

    fn data(&mut self) {
        let reply = self.begin();
        if reply == reply::GO_AHEAD {
            let text = match self.lenient {
                true => Text::lenient(),
                false => Text::default(),
            };
            self.mode = Mode::Text(text, self.new_body());
            self.quiet = self.lenient;
        }
        self.say(&reply);
    }

    /// Whether the text of a message may begin: [`reply::GO_AHEAD`] or a refusal.
    fn begin(&mut self) -> Reply {
        let reply = self.ask(b"DATA\r\n", reply::GO_AHEAD);
        // RFC 2033 section 4.2 leaves LMTP no choice of code.
        let smtp = self.peer.door.protocol == Protocol::Smtp;
        match reply {
            reply::BAD_SEQUENCE if smtp && self.shared.lock().some_refused => reply::NO_RECIPIENTS,
            reply => reply,
        }
    }

    fn new_body(&self) -> Body {
        Body::new(
            &self.edge.budget,
            self.edge.settings.max_message_size,
            self.shared.lock().size,
        )
    }

    /// The engine leaves its data state only on a success, so it is told that all is well in any case.
    fn end_of_text(&mut self) -> Option<Delivery> {
        self.ask(b".\r\n", reply::OK);
        let body = match std::mem::replace(&mut self.mode, Mode::Commands) {
            Mode::Text(_, body) => body,
            _ => self.chunks.take()?.body,
        };
        let (mail_from, rcpt_to) = self.shared.lock().take();
        self.owe(rcpt_to.len());
        self.edge.count.bytes.inc_by(body.received());
        match body.finish() {
            Ok((message, hold)) => {
                self.mode = Mode::Delivering;
                let envelope = Envelope {
                    session: self.id,
                    client: self.peer.client,
                    helo: self.helo.clone(),
                    mail_from,
                    rcpt_to,
                    security: self.peer.security.clone(),
                };
                Some(Delivery {
                    envelope,
                    message,
                    hold,
                })
            }
            Err(refusal) => {
                match refusal.code {
                    ..500 => self.edge.count.deferred.inc(),
                    _ => self.edge.count.rejected.inc(),
                }
                self.settle(&refusal);
                None
            }
        }
    }

    /// In LMTP the text gets a reply for each recipient (RFC 2033 section 4.2). It is filed once, so all are the same.
    fn owe(&mut self, recipients: usize) {
        self.due = match self.peer.door.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
    }

    /// Refuses the text under way. It is one refusal, however many replies it takes.
    fn settle(&mut self, refusal: &Reply) {
        for _ in 1..self.due {
            refusal.write(&mut self.out);
        }
        self.say(refusal);
    }

    /// Asks the engine whether this may come now and the policy whether it is granted.
    fn ask(&mut self, line: &[u8], granted: Reply) -> Reply {
        self.shared.lock().refusal = None;
        let response = self.engine.process(line);
        match (self.shared.lock().refusal.take(), response.code) {
            (Some(refusal), _) => refusal,
            (None, 503) => reply::BAD_SEQUENCE,
            (None, 200..400) => granted,
            (None, _) => reply::FAILURE,
        }
    }

    /// Writes a reply, and counts it if it refuses.
    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.out);
        if reply.closes() {
            self.close();
        }
        if reply.code < 400 {
            return;
        }
        self.edge.count.refusal(reply.reason);
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals <= TOLD {
            let last = self.refusals == TOLD;
            tracing::info!(code = reply.code, reason = reply.reason, last, "refused");
        }
        if reply.code >= 500 {
            self.errors += 1;
            // Not while text is held: it is not to be held any longer than it must.
            if self.chunks.is_none() {
                let price = self.edge.settings.tarpit.price(self.errors, reply);
                self.pause = self.pause.max(price);
            }
            if self.errors == self.edge.settings.max_errors {
                self.say(&reply::TOO_MANY_ERRORS);
            }
        }
    }
}

/// Whether a command may not come between the chunks of a message.
fn breaks_in(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Mail { .. }
            | Command::Rcpt(_)
            | Command::Data
            | Command::StartTls
            | Command::Auth { .. }
    )
}

fn engine(edge: &Arc<Edge>, peer: &Peer, shared: &Shared) -> mailin::Session<Policy> {
    let edge = Arc::clone(edge);
    let name = edge.settings.hostname.clone();
    let policy = Policy::new(edge, peer.client, peer.security.tls, shared.clone());
    SessionBuilder::new(name).build(peer.client, policy)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
