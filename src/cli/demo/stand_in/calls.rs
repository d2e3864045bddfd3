//! What the stand-in does with a call: who may call, what each call changes, and how the answer is written
//! or spoiled. An empty argument equals an omitted one, as with the real filter, and widens the scope.

use super::line::Line;
use axum::extract::{ConnectInfo, Query, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Semaphore, watch};

/// What stands for "every one" in an entry.
const ANY: &str = "*";

/// One locked identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The domain; `*` when the call named none.
    pub domain: String,
    /// The outgoing user; `*` when the call named none, or all.
    pub username: String,
    /// The identity.
    pub identity: String,
}

impl Entry {
    fn covers(&self, other: &Entry) -> bool {
        let fits = |a: &str, b: &str| a == ANY || b == ANY || a == b;
        fits(&self.domain, &other.domain)
            && fits(&self.username, &other.username)
            && fits(&self.identity, &other.identity)
    }
}

/// One call as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The query as sent, percent-encoded.
    pub query: String,
    /// The decoded parameters in order, `call` included.
    pub parameters: Vec<(String, String)>,
    /// Whether login and password were right.
    pub authorised: bool,
}

impl Call {
    /// The first value of a parameter, where it was sent at all.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The name of the API call.
    pub fn name(&self) -> &str {
        self.get("call").unwrap_or_default()
    }

    fn scope(&self, name: &str) -> String {
        match self.get(name) {
            None | Some("") => ANY.to_owned(),
            Some(value) => value.to_owned(),
        }
    }
}

/// How one call is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// As it should be.
    Ok,
    /// Carried out, but the connection drops before the answer.
    ReplyLost,
    /// Not carried out; status 500.
    Error500,
    /// Not carried out; an HTML page with status 200.
    Html200,
    /// Held until [`super::StandIn::release`], then carried out.
    Slow,
    /// Answered like a success, but not carried out.
    NotActed,
    /// Not carried out; this status and text.
    Answer(u16, String),
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One line of text; listings one identity a line.
    Plain,
    /// `{"messages": .., "result": ..}`.
    Json,
    /// Nothing at all for changes; listings one identity a line.
    Empty,
}

/// What the stand-in remembers.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) calls: Vec<Call>,
    pub(super) locked: BTreeSet<Entry>,
    pub(super) effective_locks: usize,
    /// Blacklisted senders, with their domain.
    pub(super) senders: Vec<(String, String)>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) style: Style,
}

#[derive(Debug)]
pub(super) struct Shared {
    authorization: String,
    book: Mutex<Book>,
    pub(super) held: Semaphore,
    pub(super) arrived: watch::Sender<usize>,
}

impl Shared {
    pub(super) fn new(login: &str, password: &str) -> Self {
        Self {
            authorization: format!("Basic {}", STANDARD.encode(format!("{login}:{password}"))),
            book: Mutex::new(Book {
                calls: Vec::new(),
                locked: BTreeSet::new(),
                effective_locks: 0,
                senders: Vec::new(),
                faults: VecDeque::new(),
                style: Style::Plain,
            }),
            held: Semaphore::new(0),
            arrived: watch::Sender::new(0),
        }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Calls as `/api/NAME/domain/../identity/..`.
pub(super) async fn answer_path(
    state: State<Arc<Shared>>,
    line: ConnectInfo<Line>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let path = uri.path().trim_start_matches("/api/");
    let segments: Vec<String> = path.split('/').map(unescape).collect();
    let mut parameters = vec![("call".to_owned(), segments[0].clone())];
    for pair in segments[1..].chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_default();
        parameters.push((pair[0].clone(), value));
    }
    let query = RawQuery(Some(path.to_owned()));
    answer(state, line, method, headers, query, Query(parameters)).await
}

/// The text without its percent escapes.
fn unescape(segment: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) if *first == b'%' => {
                octets.push(octet);
                rest = &after[2..];
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// Calls as `/cgi-bin/api?call=NAME&domain=..`.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let call = Call {
        method: method.to_string(),
        query: query.unwrap_or_default(),
        parameters,
        authorised: given == Some(shared.authorization.as_bytes()),
    };
    let fault = {
        let mut book = shared.book();
        book.calls.push(call.clone());
        match call.authorised && method == Method::GET {
            true => book.faults.pop_front().unwrap_or(Fault::Ok),
            false => Fault::Ok,
        }
    };
    shared.arrived.send_modify(|n| *n += 1);
    if method != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "Only GET is accepted");
    }
    if !call.authorised {
        return text(StatusCode::UNAUTHORIZED, "Supplied credential is invalid.");
    }
    match fault {
        Fault::Ok => shared.book().act(&call, true),
        Fault::NotActed => shared.book().act(&call, false),
        Fault::Error500 => text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Fault::Html200 => html(),
        Fault::Answer(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            text(status, &body)
        }
        Fault::ReplyLost => {
            let lost = shared.book().act(&call, true);
            line.cut();
            lost
        }
        Fault::Slow => {
            if let Ok(permit) = shared.held.acquire().await {
                permit.forget();
            }
            shared.book().act(&call, true)
        }
    }
}

impl Book {
    fn act(&mut self, call: &Call, really: bool) -> Response {
        let entry = Entry {
            domain: call.scope("domain"),
            username: call.scope("username"),
            identity: call.scope("identity"),
        };
        match call.name() {
            "api_lock_outgoing_identity" if entry.identity != ANY => {
                if self.locked.iter().any(|known| known.covers(&entry)) {
                    return self.say(false, "The identity is already locked");
                }
                if really {
                    self.locked.insert(entry);
                    self.effective_locks += 1;
                }
                self.say(true, "The identity has been locked")
            }
            "api_unlock_outgoing_identity" if entry.identity != ANY => {
                if really {
                    self.locked.retain(|known| !entry.covers(known));
                }
                self.say(true, "The identity has been unlocked")
            }
            "api_blacklist_outgoing_sender"
                if call.get("sender").is_some_and(|s| !s.is_empty()) =>
            {
                let sender = (entry.domain, call.scope("sender"));
                if !self.senders.contains(&sender) && really {
                    self.senders.push(sender);
                }
                self.say(true, "The sender has been blacklisted")
            }
            "api_list_locked_identities" => {
                let found = self.locked.iter().filter(|known| entry.covers(known));
                let found: BTreeSet<&str> = found.map(|known| known.identity.as_str()).collect();
                let found: Vec<&str> = found.into_iter().collect();
                match self.style {
                    Style::Json => envelope(json!([]), json!(found)),
                    Style::Plain | Style::Empty => text(StatusCode::OK, &found.join("\n")),
                }
            }
            _ => self.say(false, "Incorrect usage of API"),
        }
    }

    fn say(&self, success: bool, message: &str) -> Response {
        match (self.style, success) {
            (Style::Json, true) => envelope(json!({"success": [message]}), json!(true)),
            (Style::Json, false) => envelope(json!({"error": [message]}), json!(null)),
            (Style::Empty, true) => text(StatusCode::OK, ""),
            (Style::Plain, _) | (Style::Empty, false) => text(StatusCode::OK, message),
        }
    }
}

fn envelope(messages: serde_json::Value, result: serde_json::Value) -> Response {
    axum::Json(json!({"messages": messages, "result": result})).into_response()
}

fn text(status: StatusCode, body: &str) -> Response {
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, body.to_owned()).into_response()
}

fn html() -> Response {
    let page = "<html><head><title>Success</title></head><body>The login page</body></html>";
    ([(CONTENT_TYPE, "text/html")], page.to_owned()).into_response()
}
