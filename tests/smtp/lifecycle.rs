//! How sessions end: at a stop, by a panic, by clients that leave.

use super::*;

#[tokio::test]
async fn a_stop_lets_the_message_in_flight_finish() {
    let served = Served::start(Settings::default()).await;
    let mut idle = served.client().await;
    let mut envelope = served.client().await;
    envelope
        .expect(&[("EHLO c", "250 "), ("MAIL FROM:<>", "250 2.1.0")])
        .await;
    let mut in_text = served.client().await;
    in_text.begin("abuse@example.test").await;
    in_text.send(b"half\r\n").await;
    let mut waiting = served.client().await;
    waiting.begin("slow@example.test").await;
    waiting.send(b"whole\r\n.\r\n").await;
    served.desk.begun.acquire().await.unwrap().forget();

    served.shutdown.cancel();
    assert!(idle.rest().await.starts_with("421 4.3.2 "));
    assert!(envelope.rest().await.starts_with("421 4.3.2 "));
    in_text.send(b"rest\r\n.\r\n").await;
    let rest = in_text.rest().await;
    assert!(
        rest.starts_with("250 2.0.0 Filed 1\r\n421 4.3.2 "),
        "{rest}"
    );
    assert!(!served.task.is_finished());
    served.desk.leave.add_permits(1);
    let rest = waiting.rest().await;
    assert!(
        rest.starts_with("250 2.0.0 Filed 2\r\n421 4.3.2 "),
        "{rest}"
    );
    assert_eq!(served.messages(), [&b"half\r\nrest\r\n"[..], b"whole\r\n"]);
    drop((idle, envelope, in_text, waiting));
    assert!(TcpStream::connect(served.address).await.is_err());
    served.stopped().await;
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_it_may() {
    let served = Served::start(Settings {
        drain_timeout: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    served.shutdown.cancel();
    assert_eq!(client.rest().await, "");
    assert_eq!(served.metrics.smtp_sessions.get(), 0);
    served.stopped().await;
}

#[tokio::test]
async fn a_panic_ends_one_session_only() {
    let served = Served::start(Settings::default()).await;
    let mut other = served.client().await;
    let mut client = served.client().await;
    client.begin("panic@example.test").await;
    client.send(b"x\r\n.\r\n").await;
    assert_eq!(client.rest().await, "");
    other.begin("abuse@example.test").await;
    assert_eq!(other.say("x\r\n.").await, "250 2.0.0 Filed 1");
    other.expect(&[("QUIT", "221 2.0.0")]).await;
    drop(other);
    served.shutdown.cancel();
    let metrics = served.metrics.clone();
    served.stopped().await;
    assert_eq!(metrics.panics.get(), 1);
    assert_eq!(metrics.smtp_sessions.get(), 0);
    assert_eq!(metrics.smtp_sessions_total.get(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_text_sent_nothing() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    client.send(b"half a message\r\n").await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(client.rest().await, "");
    assert!(served.messages().is_empty());
}

#[tokio::test]
async fn a_client_that_half_closes_still_gets_its_reply() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    client.send(b"x\r\n.\r\n").await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(client.rest().await, "250 2.0.0 Filed 1\r\n");
}

#[tokio::test]
async fn a_client_that_vanishes_after_the_dot_is_filed_once() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.begin("slow@example.test").await;
    client.send(b"x\r\n.\r\n").await;
    served.desk.begun.acquire().await.unwrap().forget();
    drop(client);
    served.desk.leave.add_permits(1);
    served.shutdown.cancel();
    let desk = served.desk.clone();
    served.stopped().await;
    assert_eq!(desk.taken.lock().unwrap().len(), 1);
}
