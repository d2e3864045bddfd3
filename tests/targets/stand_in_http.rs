//! A small HTTP server that does what a stand-in tells it, and what no good server would: it cuts connections,
//! answers late, with nonsense, or with too much.

use super::suite::Fault;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    target: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path, as sent.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The query's parameters, undone of their escapes.
    pub fn query(&self) -> Vec<(String, String)> {
        let url = reqwest::Url::parse(&format!("http://h{}", self.target)).unwrap();
        url.query_pairs().into_owned().collect()
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        let found = self.query().into_iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: serde_json::Value) -> Self {
        let mut reply = Self::new(status, body.to_string());
        reply
            .headers
            .push(("content-type".into(), "application/json".into()));
        reply
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What stands behind the server.
pub trait Logic: Send + 'static {
    fn answer(&mut self, request: &Request) -> Reply;
}

/// What befalls a request.
enum Fate {
    Fault(Fault),
    /// This answer, and nothing done.
    Answer(Reply),
}

struct Shared<L> {
    logic: Mutex<L>,
    fates: Mutex<VecDeque<Fate>>,
    requests: Mutex<Vec<Request>>,
}

/// The server.
pub struct HttpStandIn<L> {
    shared: Arc<Shared<L>>,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl<L: Logic> HttpStandIn<L> {
    pub async fn start(logic: L) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            logic: Mutex::new(logic),
            fates: Mutex::default(),
            requests: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, shared.clone(), stop.clone()));
        Self {
            shared,
            address,
            stop,
            server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn logic(&self) -> MutexGuard<'_, L> {
        self.shared.logic.lock().unwrap()
    }

    pub fn plan(&self, fault: Fault) -> bool {
        self.shared
            .fates
            .lock()
            .unwrap()
            .push_back(Fate::Fault(fault));
        true
    }

    pub fn answer_next(&self, reply: Reply) {
        self.shared
            .fates
            .lock()
            .unwrap()
            .push_back(Fate::Answer(reply));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub async fn down(&mut self) {
        self.stop.cancel();
        (&mut self.server).await.unwrap();
    }

    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.stop = CancellationToken::new();
        self.server = tokio::spawn(serve(listener, self.shared.clone(), self.stop.clone()));
    }
}

impl<L> Drop for HttpStandIn<L> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve<L: Logic>(listener: TcpListener, shared: Arc<Shared<L>>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok((stream, _)) = listener.accept() => {
                let (shared, stop) = (shared.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = one(stream, &shared) => {}
                    }
                });
            }
        }
    }
}

async fn one<L: Logic>(mut stream: TcpStream, shared: &Shared<L>) -> std::io::Result<()> {
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    shared.requests.lock().unwrap().push(request.clone());
    let fate = shared.fates.lock().unwrap().pop_front();
    let act = || shared.logic.lock().unwrap().answer(&request);
    let reply = match fate {
        None => act(),
        Some(Fate::Answer(reply)) => reply,
        Some(Fate::Fault(Fault::ReplyLost)) => {
            act();
            return Ok(());
        }
        Some(Fate::Fault(Fault::Slow)) => {
            act();
            return std::future::pending().await;
        }
        Some(Fate::Fault(Fault::Garbage)) => Reply::new(200, "\u{1}{{ok: succe\u{0}ss"),
        Some(Fate::Fault(Fault::Html)) => Reply::new(200, "<html><body>Success</body></html>"),
        Some(Fate::Fault(Fault::Error500)) => Reply::new(500, "Internal Server Error"),
        Some(Fate::Fault(Fault::Huge)) => Reply::new(200, " ".repeat(3 << 20)),
    };
    let mut head = format!(
        "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).await?;
    stream.write_all(&reply.body).await?;
    stream.shutdown().await
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: bytes[end..].to_vec(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}
