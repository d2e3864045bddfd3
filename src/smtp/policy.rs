//! What is allowed, as a handler of mailin: the engine decides whether a command may come now, this decides
//! whether it is granted. The engine cannot carry a null sender, quoted spaces or enhanced status codes, and
//! keeps its handler to itself; so the transaction is shared with the session, which puts the true
//! arguments in and takes the true reply out, while the engine is told stand-ins.

use super::Edge;
use super::reply::{self, Reply};
use mailin_embedded::{Handler, Response, response};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// A mail transaction (RFC 5321 section 3.3) as far as it has come.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The path in the command under way.
    pub offered: String,
    /// The size that the MAIL command under way declares, or 0.
    pub offered_size: u64,
    /// Why the command under way is refused.
    pub refusal: Option<Reply>,
    /// The sender granted; empty for the null sender.
    pub sender: String,
    /// The size that was declared with it, or 0.
    pub size: u64,
    /// The recipients granted.
    pub recipients: Vec<String>,
    /// Whether a recipient was refused.
    pub some_refused: bool,
    /// Messages begun in this session.
    pub messages: u64,
    /// Whether a sender is granted and the message not yet begun.
    pub open: bool,
}

impl Transaction {
    /// The sender and the recipients; the rest is forgotten.
    pub fn take(&mut self) -> (String, Vec<String>) {
        let sender = std::mem::take(&mut self.sender);
        let recipients = std::mem::take(&mut self.recipients);
        self.reset();
        (sender, recipients)
    }

    /// Forgets the message, not the session.
    pub fn reset(&mut self) {
        *self = Self {
            messages: self.messages,
            ..Self::default()
        };
    }
}

/// A transaction that session and policy share. It is never locked for long nor by two at once.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Transaction>>);

impl Shared {
    /// The transaction.
    pub fn lock(&self) -> MutexGuard<'_, Transaction> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The policy of one session.
pub struct Policy {
    edge: Arc<Edge>,
    client: IpAddr,
    tls: bool,
    shared: Shared,
}

impl Policy {
    /// The policy towards this client.
    pub fn new(edge: Arc<Edge>, client: IpAddr, tls: bool, shared: Shared) -> Self {
        Self {
            edge,
            client,
            tls,
            shared,
        }
    }
}

fn answer(transaction: &mut Transaction, refusal: Option<Reply>) -> Response {
    transaction.refusal = refusal;
    match refusal {
        None => response::OK,
        Some(refusal) => Response::custom(refusal.code, String::new()),
    }
}

impl Handler for Policy {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, _from: &str) -> Response {
        let settings = &self.edge.settings;
        let mut transaction = self.shared.lock();
        let size = usize::try_from(transaction.offered_size).unwrap_or(usize::MAX);
        let refusal = if transaction.messages >= settings.max_messages {
            Some(reply::TOO_MANY_MESSAGES)
        } else if size > settings.max_message_size {
            Some(reply::TOO_LARGE)
        } else if !self.edge.budget.has_room(size) {
            Some(reply::NO_ROOM)
        } else {
            transaction.sender = std::mem::take(&mut transaction.offered);
            transaction.size = transaction.offered_size;
            transaction.messages += 1;
            transaction.open = true;
            None
        };
        answer(&mut transaction, refusal)
    }

    fn rcpt(&mut self, _to: &str) -> Response {
        let mut transaction = self.shared.lock();
        let refusal = if transaction.recipients.len() >= self.edge.settings.max_recipients {
            Some(reply::TOO_MANY_RECIPIENTS)
        } else if !self.edge.inbox.accepts(self.client, &transaction.offered) {
            transaction.some_refused = true;
            Some(reply::NO_MAILBOX)
        } else if !self.tls && self.edge.inbox.wants_tls(&transaction.offered) {
            transaction.some_refused = true;
            Some(reply::TLS_FIRST)
        } else {
            let recipient = std::mem::take(&mut transaction.offered);
            transaction.recipients.push(recipient);
            None
        };
        answer(&mut transaction, refusal)
    }

    fn data_start(&mut self, _domain: &str, _from: &str, _8bit: bool, _to: &[String]) -> Response {
        let mut transaction = self.shared.lock();
        let size = usize::try_from(transaction.size).unwrap_or(usize::MAX);
        let refusal = (!self.edge.budget.has_room(size.max(1))).then_some(reply::NO_ROOM);
        answer(&mut transaction, refusal)
    }
}
