//! Doors: PROXY, LMTP, Unix sockets, IPv6, several of them at once, and how often one network may come in.

use super::*;
use arfd::smtp::Protocol;
use std::net::Ipv4Addr;
use tokio::net::UnixStream;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A door that hears proxies on loopback.
fn proxied() -> Door {
    Door {
        name: "proxied".into(),
        proxy: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        ..Door::default()
    }
}

/// Version 1, for this client.
fn v1(client: &str) -> String {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let ours = if client.contains(':') {
        "2001:db8::25"
    } else {
        "192.0.2.25"
    };
    format!("PROXY {family} {client} {ours} 4660 25\r\n")
}

/// Version 2, for this client.
fn v2(client: [u8; 4]) -> Vec<u8> {
    let extras = [4, 0, 3, 1, 2, 3];
    let addresses = [&client[..], &[192, 0, 2, 25, 0x12, 0x34, 0, 25]].concat();
    [V2, &[0x21, 0x11, 0, 18], &addresses, &extras].concat()
}

impl Served {
    /// A client that a proxy speaks for; it has not read the greeting.
    async fn via_proxy(&self, header: impl AsRef<[u8]>) -> Client {
        let mut client = Client::connect(self.address).await;
        client.send(header.as_ref()).await;
        client
    }

    fn outcomes(&self, listener: &str, outcome: &str) -> u64 {
        let connections = &self.metrics.smtp_connections;
        connections.with_label_values(&[listener, outcome]).get()
    }

    fn clients(&self) -> Vec<String> {
        let taken = self.desk.taken.lock().unwrap();
        let clients = taken
            .iter()
            .map(|(envelope, _)| envelope.client.to_string());
        clients.collect()
    }
}

#[tokio::test]
async fn a_proxy_names_the_client_and_nothing_behind_the_header_is_lost() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let served = Served::by(address, proxied(), Settings::default()).await;
        let dialogue = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<abuse@example.test>\r\nDATA\r\n";
        let headers = [
            v1("198.51.100.7").into_bytes(),
            v1("2001:db8::7").into_bytes(),
            v1("::ffff:198.51.100.8").into_bytes(),
            v2([198, 51, 100, 9]),
            [V2, &[0x20, 0, 0, 0]].concat(),
            b"PROXY UNKNOWN\r\n".to_vec(),
        ];
        for header in &headers {
            // The dialogue comes in one piece with the header.
            let mut client = served.via_proxy([&header[..], dialogue].concat()).await;
            while !client.line().await.starts_with("354 ") {}
            assert!(client.say("x\r\n.").await.starts_with("250 2.0.0 Filed"));
        }
        let own = served.address.ip().to_string();
        let want = [
            "198.51.100.7",
            "2001:db8::7",
            "198.51.100.8",
            "198.51.100.9",
            &own,
            &own,
        ];
        assert_eq!(served.clients(), want);
        assert_eq!(served.outcomes("proxied", "session"), 6);
    }
}

/// An IPv4 proxy at a socket for IPv6 and IPv4 is one of its IPv4 network.
#[tokio::test]
async fn proxies_are_unmapped_before_they_are_looked_for() {
    let served = Served::by("[::]:0", proxied(), Settings::default()).await;
    let address = (Ipv4Addr::LOCALHOST, served.address.port()).into();
    let mut client = Client::connect(address).await;
    client.send(v1("198.51.100.7").as_bytes()).await;
    assert_eq!(client.line().await, "220 localhost ESMTP");
    client.begin("abuse@example.test").await;
    client.say("x\r\n.").await;
    assert_eq!(served.clients(), ["198.51.100.7"]);
}

#[tokio::test]
async fn without_a_good_header_a_proxy_is_shut_out_at_once() {
    let settings = Settings {
        // The timeout is not what closes.
        proxy_timeout: PATIENCE * 10,
        ..Settings::default()
    };
    let served = Served::by("127.0.0.1:0", proxied(), settings).await;
    let too_long = [V2, &[0x21, 0x11, 0xff, 0xff]].concat();
    let unreadable = [V2, &[0x21, 0x11, 0, 3, 1, 2, 3]].concat();
    let wrong = [
        &b"EHLO client.test\r\n"[..],
        b"E",
        b"PROXY TCP4 x\r\n",
        &too_long,
        &unreadable,
    ];
    for header in wrong {
        served.via_proxy(header).await.is_shut_out().await;
    }
    let mut half = served.via_proxy(&v2([198, 51, 100, 9])[..20]).await;
    half.0.get_mut().shutdown().await.unwrap();
    half.is_shut_out().await;
    assert_eq!(served.refusals("proxy_header"), 6);
    assert_eq!(served.outcomes("proxied", "proxy_header"), 6);
    assert_eq!(served.metrics.smtp_sessions_total.get(), 0);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_given_up() {
    let settings = Settings {
        proxy_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let served = Served::by("127.0.0.1:0", proxied(), settings).await;
    let mut silent = served.via_proxy("PROXY TCP4 198").await;
    silent.is_shut_out().await;
    assert_eq!(served.refusals("proxy_header"), 1);
}

#[tokio::test]
async fn a_proxy_that_is_waited_for_holds_a_place() {
    let settings = Settings {
        max_sessions: 1,
        proxy_timeout: PATIENCE * 10,
        ..Settings::default()
    };
    let served = Served::by("127.0.0.1:0", proxied(), settings).await;
    let mut silent = served.via_proxy("PROXY TCP4 198").await;
    let mut second = served.via_proxy("").await;
    assert!(second.rest().await.starts_with("421 4.7.0 "));
    silent.send(b"X\n").await;
    silent.is_shut_out().await;
    // It is free again.
    let mut client = served.via_proxy(v1("198.51.100.7")).await;
    assert_eq!(client.line().await, "220 localhost ESMTP");
}

/// The header that nobody will read must not cost the client the reply.
#[tokio::test]
async fn who_is_turned_away_behind_a_proxy_hears_why() {
    let settings = Settings {
        max_sessions: 1,
        ..Settings::default()
    };
    let served = Served::by("127.0.0.1:0", proxied(), settings).await;
    let mut held = served.via_proxy(v1("198.51.100.7")).await;
    held.line().await;
    for _ in 0..20 {
        // Without a pause between, so that the header is there before the connection is accepted.
        let mut stream = std::net::TcpStream::connect(served.address).unwrap();
        std::io::Write::write_all(&mut stream, &v2([198, 51, 100, 9])).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut over = Client::over(TcpStream::from_std(stream).unwrap());
        assert!(over.rest().await.starts_with("421 4.7.0 "));
    }
}

#[tokio::test]
async fn who_is_no_proxy_is_shut_out_whatever_it_says() {
    let door = Door {
        proxy: vec!["192.0.2.0/24".parse().unwrap()],
        ..proxied()
    };
    let served = Served::by("127.0.0.1:0", door, Settings::default()).await;
    served.via_proxy(v1("192.0.2.7")).await.is_shut_out().await;
    served.via_proxy("").await.is_shut_out().await;
    assert_eq!(served.outcomes("proxied", "not_a_proxy"), 2);
    // And a door without proxies takes no header for one.
    let plain = Served::start(Settings::default()).await;
    let mut client = plain.client().await;
    assert!(
        client
            .say(v1("192.0.2.7").trim_end())
            .await
            .starts_with("500 ")
    );
}

#[tokio::test]
async fn limits_hold_for_the_client_behind_the_proxy() {
    let settings = Settings {
        max_sessions_per_client: 1,
        max_connections_per_minute: 2,
        ..Settings::default()
    };
    let served = Served::by("127.0.0.1:0", proxied(), settings).await;
    let mut one = served.via_proxy(v1("2001:db8::1")).await;
    one.line().await;
    let mut neighbour = served.via_proxy(v1("2001:db8::2")).await;
    assert!(
        neighbour
            .line()
            .await
            .starts_with("421 4.7.0 Too many sessions")
    );
    let mut other = served.via_proxy(v1("2001:db8:0:1::1")).await;
    assert_eq!(other.line().await, "220 localhost ESMTP");
    let mut third = served.via_proxy(v1("2001:db8::3")).await;
    assert!(
        third
            .line()
            .await
            .starts_with("421 4.7.0 Too many connections")
    );
    assert_eq!(served.refusals("client_sessions"), 1);
    assert_eq!(served.refusals("connection_rate"), 1);
    assert_eq!(served.outcomes("proxied", "connection_rate"), 1);
}

#[tokio::test]
async fn a_client_that_connects_too_often_is_turned_away_at_once() {
    let settings = |exempt: &[&str]| Settings {
        max_connections_per_minute: 3,
        rate_exempt: exempt.iter().map(|net| net.parse().unwrap()).collect(),
        ..Settings::default()
    };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let served = Served::on(address, settings(&["192.0.2.0/24"])).await;
        for _ in 0..3 {
            served.client().await.expect(&[("QUIT", "221 ")]).await;
        }
        let mut over = Client::connect(served.address).await;
        assert!(over.rest().await.starts_with("421 4.7.0 "));
        assert_eq!(served.refusals("connection_rate"), 1);
    }
    let served = Served::start(settings(&["127.0.0.0/8"])).await;
    for _ in 0..20 {
        served.client().await;
    }
}

#[tokio::test]
async fn a_stop_tells_those_who_wait() {
    let served = Served::by("127.0.0.1:0", proxied(), Settings::default()).await;
    // One is in front of its header; its place shows that it was accepted.
    let mut waiting = served.via_proxy("").await;
    while served.metrics.smtp_sessions.get() == 0 {
        tokio::task::yield_now().await;
    }
    served.shutdown.cancel();
    assert!(waiting.rest().await.starts_with("421 4.3.2 "));
    // Others are connected, but nobody has accepted them yet.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::connect(address).await);
    }
    served.also(listener, Door::default()).await.unwrap();
    for mut client in clients {
        assert!(client.rest().await.starts_with("421 4.3.2 "));
    }
    assert_eq!(served.outcomes("smtp", "stopping"), 20);
    assert!(TcpStream::connect(address).await.is_err());
    served.stopped().await;
}

#[tokio::test]
async fn what_waits_in_a_passed_socket_is_left_for_the_successor() {
    let served = Served::start(Settings::default()).await;
    served.shutdown.cancel();
    let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let managers = ours.try_clone().unwrap();
    let mut client = Client::connect(ours.local_addr().unwrap()).await;
    let passed = Listener::from(TcpListener::from_std(ours).unwrap()).inherited();
    served.also(passed, Door::default()).await.unwrap();
    let successor = Served::start(Settings::default()).await;
    let task = successor.also(TcpListener::from_std(managers).unwrap(), Door::default());
    assert_eq!(client.line().await, "220 localhost ESMTP");
    successor.shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn lmtp_over_a_unix_socket_answers_for_each_recipient() {
    let served = Served::start(Settings::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let door = Door {
        name: "lmtp".into(),
        protocol: Protocol::Lmtp,
        ..Door::default()
    };
    let listener = Listener::at_path(&path, 0o600, None).unwrap();
    let task = served.also(listener, door);
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap());
    assert_eq!(client.line().await, "220 localhost LMTP");
    client
        .expect(&[
            ("EHLO mta", "500 "),
            ("LHLO mta", "250 "),
            ("MAIL FROM:<>", "250 2.1.0"),
            ("DATA", "503 "),
            ("RCPT TO:<a@example.test>", "250 2.1.5"),
            ("RCPT TO:<b@elsewhere.test>", "550 5.1.1"),
            ("RCPT TO:<c@example.test>", "250 2.1.5"),
            ("DATA", "354 "),
        ])
        .await;
    client.send(b"x\r\n.\r\n").await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(client.rest().await, "250 2.0.0 Filed 1\r\n".repeat(2));
    {
        let taken = served.desk.taken.lock().unwrap();
        assert_eq!(taken.len(), 1, "filed once");
        assert_eq!(taken[0].0.rcpt_to, ["a@example.test", "c@example.test"]);
        assert!(taken[0].0.client.is_loopback());
    }
    // A store that cannot takes none of them.
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap());
    client.line().await;
    client
        .expect(&[
            ("LHLO mta", "250 "),
            ("MAIL FROM:<>", "250 "),
            ("RCPT TO:<full@example.test>", "250 "),
            ("RCPT TO:<c@example.test>", "250 "),
            ("DATA", "354 "),
        ])
        .await;
    client.send(b"x\r\n.\r\nQUIT\r\n").await;
    let rest = client.rest().await;
    assert_eq!(rest.matches("451 4.3.0 No room\r\n").count(), 2, "{rest}");
    assert!(rest.ends_with("221 2.0.0 Goodbye\r\n"));
    served.shutdown.cancel();
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn doors_share_their_limits_and_stop_together() {
    let served = Served::start(Settings {
        max_sessions: 2,
        ..Settings::default()
    })
    .await;
    let six = TcpListener::bind("[::1]:0").await.unwrap();
    let address = six.local_addr().unwrap();
    let named = |name: &str| Door {
        name: name.into(),
        ..Door::default()
    };
    let task = served.also(six, named("six"));
    let mut one = served.client().await;
    let mut two = Client::connect(address).await;
    two.line().await;
    for address in [address, served.address] {
        assert!(
            Client::connect(address)
                .await
                .rest()
                .await
                .starts_with("421 4.7.0 ")
        );
    }
    assert_eq!(served.outcomes("six", "session"), 1);
    assert_eq!(served.outcomes("six", "sessions"), 1);
    assert_eq!(served.outcomes("smtp", "sessions"), 1);
    two.begin("abuse@example.test").await;
    two.say("x\r\n.").await;
    assert_eq!(served.clients(), ["::1"]);
    served.shutdown.cancel();
    assert!(one.rest().await.starts_with("421 4.3.2 "));
    assert!(two.rest().await.starts_with("421 4.3.2 "));
    timeout(PATIENCE, task).await.unwrap().unwrap();
    served.stopped().await;
}

#[tokio::test]
async fn loops_answer_their_calls() {
    let served = Served::start(Settings::default()).await;
    let _held = served.client().await;
    served.edge.pulse().call();
    // The next call finds all answers, unless the loop had no turn yet.
    let answered = async {
        while !served.edge.pulse().call().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, answered).await.unwrap();
}
