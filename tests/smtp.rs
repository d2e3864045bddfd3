//! The SMTP edge over real sockets: a server on a port of its own, clients that speak by hand, and an inbox
//! that does as the test says.

use arfd::metrics::Metrics;
use arfd::smtp::{Door, Edge, Envelope, Inbox, Keys, Listener, Receipt, Settings};
use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

mod daemon;
mod doors;
mod lifecycle;
mod limits;
mod messages;
mod renewal;
mod tls;

/// Far more than anything here takes; a test that waits longer fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes mail for `@example.test`. What it does with a message, the first recipient says.
struct Desk {
    taken: Mutex<Vec<(Envelope, Vec<u8>)>>,
    /// Deliveries to `slow@` begun, and the leave to end them.
    begun: Semaphore,
    leave: Semaphore,
}

#[async_trait]
impl Inbox for Desk {
    fn accepts(&self, _client: IpAddr, recipient: &str) -> bool {
        recipient.ends_with("@example.test")
    }

    async fn deliver(&self, envelope: Envelope, message: Vec<u8>) -> Receipt {
        match envelope.rcpt_to[0].as_str() {
            "full@example.test" => return Receipt::TryLater("No room".to_owned()),
            "panic@example.test" => panic!("as the test asked"),
            "slow@example.test" => {
                self.begun.add_permits(1);
                self.leave.acquire().await.unwrap().forget();
            }
            "never@example.test" => std::future::pending().await,
            _ => {}
        }
        let mut taken = self.taken.lock().unwrap();
        taken.push((envelope, message));
        Receipt::Filed(format!("Filed {}", taken.len()))
    }
}

/// A running edge.
struct Served {
    address: SocketAddr,
    edge: Arc<Edge>,
    desk: Arc<Desk>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(settings: Settings) -> Self {
        Self::on("127.0.0.1:0", settings).await
    }

    async fn on(address: &str, settings: Settings) -> Self {
        Self::by(address, Door::default(), settings).await
    }

    async fn by(address: &str, door: Door, settings: Settings) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        Self::with(address, settings, door, Keys::default(), metrics).await
    }

    async fn secured(door: Door, keys: Keys, metrics: Arc<Metrics>) -> Self {
        Self::with("127.0.0.1:0", Settings::default(), door, keys, metrics).await
    }

    async fn with(
        address: &str,
        settings: Settings,
        door: Door,
        keys: Keys,
        metrics: Arc<Metrics>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let desk = Arc::new(Desk {
            taken: Mutex::default(),
            begun: Semaphore::new(0),
            leave: Semaphore::new(0),
        });
        let shutdown = CancellationToken::new();
        let edge = Edge::with_keys(desk.clone(), settings, metrics.clone(), keys);
        Self {
            address: listener.local_addr().unwrap(),
            desk,
            metrics,
            task: tokio::spawn(Arc::clone(&edge).serve(listener, Arc::new(door), shutdown.clone())),
            edge,
            shutdown,
        }
    }

    /// Opens one more door of the same edge.
    fn also(&self, listener: impl Into<Listener>, door: Door) -> JoinHandle<()> {
        let edge = Arc::clone(&self.edge);
        tokio::spawn(edge.serve(listener.into(), Arc::new(door), self.shutdown.clone()))
    }

    /// A client that has read the greeting.
    async fn client(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        assert_eq!(client.line().await, "220 localhost ESMTP");
        client
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        let taken = self.desk.taken.lock().unwrap();
        taken.iter().map(|(_, message)| message.clone()).collect()
    }

    fn refusals(&self, reason: &str) -> u64 {
        self.metrics
            .smtp_refusals
            .with_label_values(&[reason])
            .get()
    }

    /// Ends as soon as its last session is gone.
    async fn stopped(self) {
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// A client that says what it is told.
struct Client<S = TcpStream>(BufReader<S>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, octets: &[u8]) {
        let sent = timeout(PATIENCE, self.0.get_mut().write_all(octets)).await;
        sent.unwrap().unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
        read.unwrap().unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Sends a line and gives the last line of the reply.
    async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    async fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (line, want) in dialogue {
            let got = self.say(line).await;
            assert!(got.starts_with(want), "{line}: {got}");
        }
    }

    /// Up to DATA's 354, for one recipient.
    async fn begin(&mut self, recipient: &str) {
        self.expect(&[
            ("EHLO client.test", "250 "),
            ("MAIL FROM:<>", "250 2.1.0"),
            (&format!("RCPT TO:<{recipient}>"), "250 2.1.5"),
            ("DATA", "354 "),
        ])
        .await;
    }

    /// Holds that the server closes without a word. What we sent may lie unread, then it is a reset.
    async fn is_shut_out(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest))
            .await
            .unwrap();
        assert_eq!(rest, b"");
    }

    /// All that still comes until the server closes.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = timeout(PATIENCE, self.0.read_to_string(&mut rest)).await;
        read.unwrap().unwrap();
        rest
    }
}
