//! Messages through the edge: what is sent is what the inbox gets, to the octet.

use super::*;

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.begin("abuse@example.test").await;
    client.send(b"Subject: x\r\n\r\n..dot\r\n...\r\n").await;
    assert_eq!(client.say("\r\n.").await, "250 2.0.0 Filed 1");
    client.expect(&[("QUIT", "221 2.0.0"), ("", "")]).await;
    assert_eq!(served.messages(), [b"Subject: x\r\n\r\n.dot\r\n..\r\n\r\n"]);
    let taken = served.desk.taken.lock().unwrap();
    let envelope = &taken[0].0;
    assert_eq!(envelope.mail_from, "");
    assert_eq!(envelope.helo, "client.test");
    assert_eq!(envelope.client, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(served.metrics.smtp_bytes.get(), 26);
}

#[tokio::test]
async fn ipv4_clients_of_an_ipv6_socket_are_unmapped() {
    let served = Served::on("[::]:0", Settings::default()).await;
    let address = SocketAddr::from(([127, 0, 0, 1], served.address.port()));
    let mut client = Client::connect(address).await;
    client.line().await;
    client.begin("abuse@example.test").await;
    client.say("x\r\n.").await;
    let taken = served.desk.taken.lock().unwrap();
    assert_eq!(taken[0].0.client, IpAddr::from([127, 0, 0, 1]));
}

#[tokio::test]
async fn pipelining_answers_in_order() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<abuse@example.test>\r\nDATA\r\n";
    client.send(format!("EHLO c\r\n{message}").as_bytes()).await;
    for want in [
        "250-",
        "250-",
        "250-",
        "250-",
        "250-",
        "250-",
        "250 ",
        "250 2.1.0",
        "250 2.1.5",
        "354",
    ] {
        let line = client.line().await;
        assert!(line.starts_with(want), "{line}");
    }
    // The end of one message and the whole envelope of the next in one piece.
    client
        .send(format!("one\r\n.\r\n{message}").as_bytes())
        .await;
    for want in ["250 2.0.0 Filed 1", "250 2.1.0", "250 2.1.5", "354"] {
        let line = client.line().await;
        assert!(line.starts_with(want), "{line}");
    }
    client.send(b"two\r\n.\r\nQUIT\r\n").await;
    let rest = client.rest().await;
    assert_eq!(rest, "250 2.0.0 Filed 2\r\n221 2.0.0 Goodbye\r\n");
    assert_eq!(served.messages(), [b"one\r\n", b"two\r\n"]);
}

#[tokio::test]
async fn no_relay() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client
        .expect(&[
            ("HELO c", "250 "),
            ("MAIL FROM:<a@b>", "250 2.1.0"),
            ("RCPT TO:<x@elsewhere.test>", "550 5.1.1"),
            ("DATA", "554 5.5.1"),
            ("QUIT", "221 2.0.0"),
        ])
        .await;
    assert_eq!(served.refusals("recipient"), 2);
}

#[tokio::test]
async fn a_failing_inbox_is_451_and_the_session_goes_on() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.begin("full@example.test").await;
    assert_eq!(client.say("x\r\n.").await, "451 4.3.0 No room");
    client.begin("abuse@example.test").await;
    assert_eq!(client.say("x\r\n.").await, "250 2.0.0 Filed 1");
    let reply = |label| served.metrics.smtp_messages.with_label_values(&[label]);
    assert_eq!(reply("deferred").get(), 1);
    assert_eq!(reply("accepted").get(), 1);
}

#[tokio::test]
async fn an_inbox_that_never_answers_is_451() {
    let served = Served::start(Settings {
        delivery_timeout: Duration::from_millis(20),
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    client.begin("never@example.test").await;
    assert!(client.say("x\r\n.").await.starts_with("451 4.3.0"));
    client.begin("abuse@example.test").await;
    assert!(client.say("x\r\n.").await.starts_with("250 2.0.0"));
}

#[tokio::test]
async fn smuggling_is_refused_and_the_connection_closed() {
    for attack in [
        "a\n.\nMAIL FROM:<evil@x>\r\n",
        "a\n.\r\nMAIL FROM:<evil@x>\r\n",
        "a\r\n.\nMAIL FROM:<evil@x>\r\n",
        "a\r.\rMAIL FROM:<evil@x>\r\n",
        "a\r\n.\rMAIL FROM:<evil@x>\r\n",
        "a\r\r\n.\r\nMAIL FROM:<evil@x>\r\n",
    ] {
        let served = Served::start(Settings::default()).await;
        let mut client = served.client().await;
        client.begin("abuse@example.test").await;
        // Much more behind it must not cost the client our reply.
        let more = "RCPT TO:<abuse@example.test>\r\nDATA\r\nx\r\n.\r\n".repeat(5_000);
        client.send(format!("{attack}{more}").as_bytes()).await;
        let rest = client.rest().await;
        assert!(rest.starts_with("550 5.6.0 "), "{attack:?}: {rest}");
        assert_eq!(rest.lines().count(), 1);
        assert!(served.messages().is_empty());
        assert_eq!(served.refusals("bare_line_end"), 1);
    }
}

#[tokio::test]
async fn a_bare_lf_among_commands_closes() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    client.send(b"EHLO c\nMAIL FROM:<>\r\n").await;
    let rest = client.rest().await;
    assert!(rest.starts_with("500 5.5.2 "), "{rest}");
    assert_eq!(rest.lines().count(), 1);
}

#[tokio::test]
async fn a_large_message_in_and_one_too_large_discarded_in_step() {
    let served = Served::start(Settings {
        max_message_size: 1_000_000,
        ..Settings::default()
    })
    .await;
    let mut client = served.client().await;
    let line = [b'x'; 98];
    let mut text = Vec::new();
    for _ in 0..10_000 {
        text.extend_from_slice(&line);
        text.extend_from_slice(b"\r\n");
    }
    client.begin("abuse@example.test").await;
    client.send(&text).await;
    assert_eq!(client.say(".").await, "250 2.0.0 Filed 1");
    assert!(served.messages()[0] == text);
    client.begin("abuse@example.test").await;
    client.send(&text).await;
    assert_eq!(client.say("\r\n.").await, "552 5.3.4 Message too large");
    client
        .expect(&[
            ("MAIL FROM:<> SIZE=1000001", "552 5.3.4"),
            ("MAIL FROM:<> SIZE=1000000", "250 2.1.0"),
        ])
        .await;
}

#[tokio::test]
async fn a_message_in_chunks_arrives_as_it_was_sent() {
    let served = Served::start(Settings::default()).await;
    let mut client = served.client().await;
    let envelope = &b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<abuse@example.test>\r\n"[..];
    // Everything that ends text or a line elsewhere, and more than one read holds.
    let text = b"a\n.\r\n.\r\n\r.\r\0\xff".repeat(30_000);
    let (one, two) = text.split_at(100_001);
    let first = format!("BDAT {}\r\n", one.len());
    let last = format!("BDAT {} LAST\r\n", two.len());
    for piece in [
        envelope,
        first.as_bytes(),
        one,
        last.as_bytes(),
        two,
        b"QUIT\r\n",
    ] {
        client.send(piece).await;
    }
    let rest = client.rest().await;
    let replies = "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.0.0 Chunk received\r\n\
                   250 2.0.0 Filed 1\r\n221 2.0.0 Goodbye\r\n";
    assert!(rest.ends_with(replies), "{rest}");
    assert!(served.messages()[0] == text);
    assert_eq!(served.metrics.smtp_bytes.get(), text.len() as u64);
}
