//! Limits that only a real connection shows: sessions, deadlines and slow clients.

use super::*;

#[tokio::test]
async fn too_many_sessions_are_turned_away_at_once() {
    let served = Served::start(Settings {
        max_sessions: 2,
        ..Settings::default()
    })
    .await;
    let mut one = served.client().await;
    let _two = served.client().await;
    let mut three = Client::connect(served.address).await;
    assert!(three.rest().await.starts_with("421 4.7.0 "));
    assert_eq!(served.refusals("sessions"), 1);
    assert_eq!(served.metrics.smtp_sessions.get(), 2);

    // A place that is left is free again: the server closes only when the session is gone.
    one.expect(&[("QUIT", "221 2.0.0")]).await;
    drop(one);
    loop {
        let mut client = Client::connect(served.address).await;
        match client.line().await {
            line if line.starts_with("220 ") => break,
            line => assert!(line.starts_with("421 4.7.0 ")),
        }
    }
}

#[tokio::test]
async fn too_many_sessions_of_one_client() {
    let served = Served::start(Settings {
        max_sessions_per_client: 1,
        ..Settings::default()
    })
    .await;
    let _one = served.client().await;
    let mut two = Client::connect(served.address).await;
    assert!(two.rest().await.starts_with("421 4.7.0 "));
    assert_eq!(served.refusals("client_sessions"), 1);
}

#[tokio::test]
async fn a_client_that_trickles_a_command_is_timed_out() {
    let served = Served::start(Settings {
        command_timeout: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    client.send(b"EHL").await;
    assert!(client.rest().await.starts_with("421 4.4.2 "));
    assert_eq!(served.refusals("command_timeout"), 1);
}

#[tokio::test]
async fn a_client_that_trickles_text_is_timed_out() {
    let served = Served::start(Settings {
        data_timeout: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    client.send(b"a\r\nb").await;
    assert!(client.rest().await.starts_with("421 4.4.2 "));
    assert!(served.messages().is_empty());
    assert_eq!(served.refusals("data_timeout"), 1);
}

#[tokio::test]
async fn a_client_that_floods_text_is_timed_out() {
    let served = Served::start(Settings {
        data_timeout: Duration::from_millis(50),
        max_message_size: 1_000,
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    let text = b"text\r\n".repeat(10_000);
    let flood = async { while client.0.get_mut().write_all(&text).await.is_ok() {} };
    timeout(PATIENCE, flood).await.unwrap();
    assert_eq!(served.refusals("data_timeout"), 1);
}

#[tokio::test]
async fn a_session_ends_however_busy() {
    let served = Served::start(Settings {
        session_timeout: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    loop {
        match client.say("NOOP").await {
            line if line.starts_with("421 4.4.2 ") => break,
            line => assert_eq!(line, "250 2.0.0 OK"),
        }
    }
    assert_eq!(served.refusals("session_timeout"), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let served = Served::start(Settings {
        write_timeout: Duration::from_millis(50),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    let helps = b"HELP\r\n".repeat(10_000);
    // Replies pile up until the server stops taking commands, then until it closes.
    let sending = async { while client.0.get_mut().write_all(&helps).await.is_ok() {} };
    timeout(PATIENCE, sending).await.unwrap();
    assert_eq!(served.refusals("slow_reader"), 1);
}

#[tokio::test]
async fn a_flood_without_line_ends_is_refused_without_being_kept() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.send(&b"x".repeat(3_000_000)).await;
    assert!(client.say("").await.starts_with("500 5.5.2 "));
    client.expect(&[("NOOP", "250 2.0.0")]).await;
}
