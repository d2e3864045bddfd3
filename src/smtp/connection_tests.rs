//! Whole connections over a stream in memory, while time stands still but for the waits: every span here is
//! exact, and no test takes it.

use super::*;
use crate::clock::tick;
use crate::metrics::Metrics;
use crate::smtp::{Door, Envelope, Inbox, Peer, Security, Settings, Tarpit};
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
const BEGIN: &[u8] = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n";

/// Takes what comes, after a while.
struct Desk {
    takes: Duration,
    taken: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Inbox for Desk {
    fn accepts(&self, _client: IpAddr, recipient: &str) -> bool {
        recipient.ends_with("@example.test")
    }

    async fn deliver(&self, _envelope: Envelope, message: Vec<u8>) -> Receipt {
        sleep(self.takes).await;
        self.taken.lock().unwrap().push(message);
        Receipt::Filed("Filed".to_owned())
    }
}

/// A client on the other end.
struct Client {
    stream: BufReader<DuplexStream>,
    desk: Arc<Desk>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Client {
    /// Connects and reads the greeting.
    async fn new(settings: Settings) -> Self {
        Self::with(settings, Duration::ZERO).await
    }

    async fn with(settings: Settings, takes: Duration) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let desk = Arc::new(Desk {
            takes,
            taken: Mutex::default(),
        });
        let edge = Edge::new(desk.clone(), settings, metrics.clone());
        let peer = Peer {
            client: IpAddr::from([192, 0, 2, 1]),
            door: Arc::new(Door::default()),
            security: Security::default(),
        };
        let session = Session::open(&edge, peer);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move {
            let mut deadlines = Deadlines::new(&edge.settings, tick());
            drop(converse(theirs, session, &edge, &stop, &mut deadlines).await);
        });
        let mut client = Self {
            stream: BufReader::new(ours),
            desk,
            metrics,
            shutdown,
            task,
        };
        assert_eq!(client.line().await, "220 localhost ESMTP");
        client
    }

    async fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).await.unwrap();
    }

    /// The last line of the next reply.
    async fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn expect(&mut self, replies: &[&str]) {
        for want in replies {
            let line = self.line().await;
            assert!(line.starts_with(want), "{line}, not {want}");
        }
    }

    /// Up to the text, in one piece.
    async fn begin(&mut self) {
        self.send(BEGIN).await;
        self.expect(&["250 ", "250 ", "250 "]).await;
    }

    async fn data(&mut self) {
        self.begin().await;
        self.send(b"DATA\r\n").await;
        self.expect(&["354 "]).await;
    }

    /// All until the server closes.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        rest
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        self.desk.taken.lock().unwrap().clone()
    }

    fn refusals(&self, reason: &str) -> u64 {
        let refusals = &self.metrics.smtp_refusals;
        refusals.with_label_values(&[reason]).get()
    }
}

fn dear() -> Settings {
    Settings {
        tarpit: Tarpit {
            after: 0,
            step: 2 * SECOND,
            max: 10 * SECOND,
            recipient: 3 * SECOND,
        },
        ..Settings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn replies_to_errors_are_held_back() {
    let mut client = Client::new(dear()).await;
    let start = tick();
    client.send(b"A\r\n").await;
    client.expect(&["500 "]).await;
    assert_eq!(tick() - start, 2 * SECOND);
    client.send(b"B\r\nNOOP\r\n").await;
    client.expect(&["500 ", "250 "]).await;
    assert_eq!(tick() - start, 6 * SECOND);
    client.send(b"NOOP\r\n").await;
    client.expect(&["250 "]).await;
    assert_eq!(tick() - start, 6 * SECOND);
    assert_eq!(client.metrics.smtp_tarpit.get(), 6.0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_price_of_errors() {
    let mut client = Client::new(dear()).await;
    let start = tick();
    client
        .send(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@elsewhere.test>\r\nA\r\n")
        .await;
    sleep(SECOND).await;
    client.shutdown.cancel();
    let rest = client.rest().await;
    assert!(rest.ends_with(
        "\r\n500 5.5.2 Command not recognised\r\n421 4.3.2 Service is stopping, try again\r\n"
    ));
    assert_eq!(tick() - start, SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_price_of_errors_does_not_outlast_the_session() {
    let mut client = Client::new(Settings {
        session_timeout: SECOND,
        ..dear()
    })
    .await;
    let start = tick();
    client.send(b"A\r\n").await;
    client.expect(&["500 ", "421 4.4.2 Timeout"]).await;
    assert_eq!(tick() - start, SECOND);
}

fn slow() -> Settings {
    Settings {
        min_data_rate: 10,
        data_rate_window: 10 * SECOND,
        command_timeout: 30 * SECOND,
        data_timeout: 200 * SECOND,
        ..Settings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn text_that_trickles_is_cut_off() {
    let mut client = Client::new(slow()).await;
    client.data().await;
    let start = tick();
    client.send(&b"x".repeat(150)).await;
    sleep(12 * SECOND).await;
    client.send(&b"x".repeat(99)).await;
    assert_eq!(
        client.rest().await,
        "421 4.4.2 Text comes in too slowly, closing\r\n"
    );
    assert_eq!(tick() - start, 20 * SECOND);
    assert_eq!(client.refusals("data_rate"), 1);
    assert!(client.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn slow_but_steady_text_is_taken() {
    let mut client = Client::new(slow()).await;
    client.data().await;
    for _ in 0..19 {
        client.send(&b"x\r\n".repeat(34)).await;
        sleep(10 * SECOND).await;
    }
    client.send(b".\r\n").await;
    client.expect(&["250 "]).await;
    assert_eq!(client.taken()[0].len(), 19 * 102);
}

/// Many small messages, each a while after the last, are not one slow text.
#[tokio::test(start_paused = true)]
async fn small_messages_are_never_too_slow() {
    let mut client = Client::new(slow()).await;
    for turn in 0..20 {
        client.send(BEGIN).await;
        client.send(b"DATA\r\n").await;
        client.expect(&["250 ", "250 ", "250 ", "354 "]).await;
        sleep(9 * SECOND).await;
        client.send(b"x\r\n.\r\n").await;
        client.expect(&["250 "]).await;
        sleep(if turn % 2 == 0 {
            25 * SECOND
        } else {
            Duration::ZERO
        })
        .await;
    }
    assert_eq!(client.taken().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_message_has_its_time_however_many_chunks_it_comes_in() {
    let mut client = Client::new(Settings {
        data_timeout: 20 * SECOND,
        ..slow()
    })
    .await;
    client.begin().await;
    let start = tick();
    for _ in 0..4 {
        client.send(b"BDAT 200\r\n").await;
        client.send(&b"x".repeat(200)).await;
        client.expect(&["250 2.0.0 Chunk"]).await;
        sleep(SECOND * 4).await;
    }
    client.send(b"NOOP\r\n").await;
    client.expect(&["250 ", "421 4.4.2 Timeout"]).await;
    assert_eq!(tick() - start, 20 * SECOND);
    assert!(client.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_silent_between_its_chunks_is_cut_off() {
    let mut client = Client::new(slow()).await;
    client.begin().await;
    let start = tick();
    client.send(b"BDAT 20\r\n01234567890123456789").await;
    client
        .expect(&["250 2.0.0 Chunk", "421 4.4.2 Text comes in too slowly"])
        .await;
    assert_eq!(tick() - start, 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_a_message_in_chunks_finish() {
    let mut client = Client::new(Settings::default()).await;
    client.begin().await;
    client.send(b"BDAT 2\r\nab").await;
    client.expect(&["250 2.0.0 Chunk"]).await;
    client.shutdown.cancel();
    sleep(SECOND).await;
    client.send(b"BDAT 2 LAST\r\ncd").await;
    client.expect(&["250 2.0.0 Filed", "421 4.3.2"]).await;
    assert_eq!(client.taken(), [b"abcd"]);
}

#[tokio::test(start_paused = true)]
async fn commands_have_their_deadline_and_trickling_gains_none() {
    let mut client = Client::new(slow()).await;
    let start = tick();
    for octet in b"NOOP" {
        client.send(&[*octet]).await;
        sleep(7 * SECOND).await;
    }
    client.send(b"\r\n").await;
    client.expect(&["250 "]).await;
    assert_eq!(tick() - start, 28 * SECOND);
    // Idle for longer than a session keeps its room; half a command is kept.
    client.send(b"QU").await;
    sleep(20 * SECOND).await;
    client.send(b"I").await;
    assert_eq!(client.rest().await, "421 4.4.2 Timeout, closing\r\n");
    assert_eq!(tick() - start, 58 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn half_a_command_outlasts_a_rest() {
    let mut client = Client::new(Settings::default()).await;
    client.data().await;
    client.send(&b"x\r\n".repeat(9_000)).await;
    client.send(b".\r\nNO").await;
    client.expect(&["250 "]).await;
    sleep(20 * SECOND).await;
    client.send(b"OP\r\nNOOP\r\n").await;
    client.expect(&["250 ", "250 "]).await;
}

#[test]
fn an_idle_session_gives_back_its_room_but_keeps_what_it_holds() {
    let mut input = BytesMut::with_capacity(TEXT_READ);
    input.extend_from_slice(b"half");
    let mut output = Vec::with_capacity(9_000);
    give_back(&mut input, &mut output);
    assert_eq!(&input[..], b"half");
    assert!(input.capacity() < 64 && output.capacity() == 0);
}

/// They end their half of the connection behind the last they have to say: whatever it is, it is answered.
#[tokio::test(start_paused = true)]
async fn who_closes_his_half_is_still_answered() {
    for (last, replies) in [
        (&b"QUIT\r\n"[..], "221 2.0.0 Goodbye\r\n"),
        (b"NOOP\r\n", "250 2.0.0 OK\r\n"),
        (b"BDAT 2 LAST\r\nxx", "250 2.0.0 Filed\r\n"),
        (
            b"BDAT 1\r\nxBDAT 1 LAST\r\nxQUIT\r\n",
            "250 2.0.0 Chunk received\r\n250 2.0.0 Filed\r\n221 2.0.0 Goodbye\r\n",
        ),
        (b"A\r\n", "500 5.5.2 Command not recognised\r\n"),
    ] {
        let mut client = Client::with(dear(), SECOND).await;
        client.begin().await;
        client.send(last).await;
        client.stream.get_mut().shutdown().await.unwrap();
        assert_eq!(client.rest().await, replies);
    }
    let mut client = Client::with(Settings::default(), SECOND).await;
    client.data().await;
    client.send(b"x\r\n.\r\n").await;
    client.stream.get_mut().shutdown().await.unwrap();
    assert_eq!(client.rest().await, "250 2.0.0 Filed\r\n");
}

/// What comes while the inbox works on the message is seen before the reply goes out.
#[tokio::test(start_paused = true)]
async fn a_normalised_client_that_does_not_wait_is_cut_off() {
    for (early, rest) in [
        (
            &b""[..],
            "250 2.0.0 Filed\r\n250 2.0.0 OK\r\n221 2.0.0 Goodbye\r\n",
        ),
        (
            b"MAIL FROM:<evil@x>\r\n",
            "250 2.0.0 Filed\r\n503 5.5.0 Sent before the reply to the message, closing\r\n",
        ),
    ] {
        let settings = Settings {
            normalise: vec!["192.0.2.0/24".parse().unwrap()],
            ..Settings::default()
        };
        let mut client = Client::with(settings, 5 * SECOND).await;
        client.data().await;
        client.send(b"a\n.\nb\r\n.\r\n").await;
        sleep(SECOND).await;
        client.send(early).await;
        sleep(9 * SECOND).await;
        // The server may have closed.
        let _ = client.stream.get_mut().write_all(b"NOOP\r\nQUIT\r\n").await;
        assert_eq!(client.rest().await, rest);
        assert_eq!(client.taken(), [b"a\n.\nb\r\n"]);
        assert_eq!(client.refusals("early"), u64::from(!early.is_empty()));
    }
}

/// The task ends with its session, whichever way that goes.
#[tokio::test(start_paused = true)]
async fn nothing_outlives_its_session() {
    let mut client = Client::new(Settings::default()).await;
    client.send(b"QUIT\r\n").await;
    assert!(client.rest().await.starts_with("221 "));
    drop(client.stream);
    client.task.await.unwrap();
}
