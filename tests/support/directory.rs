//! A look-up service of aliases on a loopback port: it answers what it is told to, has trouble when it is told to, and
//! remembers what it was asked.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How it behaves.
#[derive(Clone, Debug)]
pub enum Mood {
    /// As it should.
    Well,
    /// It answers with that status.
    Status(u16),
    /// It answers that, whatever is asked.
    Says(String),
    /// It does not answer before it is let.
    Hangs(Arc<Notify>),
}

#[derive(Debug)]
struct Inner {
    mood: Mutex<Mood>,
    answers: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<(String, String)>>,
}

/// The service.
#[derive(Clone, Debug)]
pub struct Directory {
    pub url: String,
    inner: Arc<Inner>,
}

impl Directory {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            mood: Mutex::new(Mood::Well),
            answers: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/aliases?v=1", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/aliases", get(answer))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner }
    }

    /// What it says of an identity, as JSON.
    pub fn knows(&self, identity: &str, answer: &str) {
        let mut answers = self.inner.answers.lock().unwrap();
        answers.insert(identity.to_owned(), answer.to_owned());
    }

    pub fn mood(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    /// Queries and authorisations so far.
    pub fn asked(&self) -> Vec<(String, String)> {
        self.inner.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let query = query.unwrap_or_default();
    let token = headers.get("authorization");
    let token = token.map_or("", |value| value.to_str().unwrap());
    let asked = (query.clone(), token.to_owned());
    inner.asked.lock().unwrap().push(asked);
    let mood = inner.mood.lock().unwrap().clone();
    match mood {
        Mood::Status(code) => return (StatusCode::from_u16(code).unwrap(), "no".to_owned()),
        Mood::Says(text) => return (StatusCode::OK, text),
        Mood::Hangs(until) => until.notified().await,
        Mood::Well => {}
    }
    let identity = query
        .split('&')
        .find_map(|part| part.strip_prefix("identity="))
        .unwrap_or_default()
        .replace("%40", "@");
    match inner.answers.lock().unwrap().get(&identity) {
        Some(answer) => (StatusCode::OK, answer.clone()),
        None => (StatusCode::NOT_FOUND, String::new()),
    }
}
