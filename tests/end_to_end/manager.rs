//! The daemon and its service manager: passed sockets, being ready, stopping, the watchdog, a second signal. The
//! manager is played by the test.

use crate::support::daemon::{FILTER, Place, until};
use crate::support::mail::{Smtp, report};
use sqlx::{Connection, SqliteConnection};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Far more than the daemon takes for a ping.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the daemon speaks to.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next word, or None when none comes in that time.
    fn heard_within(&self, patience: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut word = [0; 256];
        match self.0.recv(&mut word) {
            Ok(len) => Some(String::from_utf8_lossy(&word[..len]).trim().to_owned()),
            Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()) => None,
            Err(e) => panic!("{e}"),
        }
    }

    /// Reads on until this word comes.
    fn hears(&self, wanted: &str) {
        loop {
            let word = self.heard_within(PATIENCE);
            match word.unwrap_or_else(|| panic!("{wanted} does not come")) {
                word if word == wanted => return,
                word => assert_eq!(word, "WATCHDOG=1", "before {wanted}"),
            }
        }
    }

    fn told_by(&self, command: &mut Command, path: &Path, watchdog: Duration) {
        command.env("NOTIFY_SOCKET", path);
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_hears_ready_pings_and_stopping() {
    let place = Place::sqlite();
    let path = place.path("notify");
    let manager = Manager::at(&path);
    let dog = Duration::from_millis(200);
    let daemon = place.start_by(&[], |command| manager.told_by(command, &path, dog));
    assert_eq!(manager.heard_within(PATIENCE).as_deref(), Some("READY=1"));
    for _ in 0..3 {
        assert_eq!(
            manager.heard_within(PATIENCE).as_deref(),
            Some("WATCHDOG=1")
        );
    }
    daemon.terminate();
    manager.hears("STOPPING=1");
    assert!(daemon.ended().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_hangs_starves_the_watchdog() {
    let mut place = Place::sqlite();
    place.store_timeout = "1h";
    let path = place.path("notify");
    let manager = Manager::at(&path);
    let dog = Duration::from_millis(400);
    let daemon = place.start_by(&[], |command| manager.told_by(command, &path, dog));
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    sqlx::raw_sql("begin exclusive")
        .execute(&mut other)
        .await
        .unwrap();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    smtp.begin(FILTER).unwrap();
    smtp.raw(&crate::support::mail::on_the_wire(&report(1, 1)))
        .unwrap();
    // Two pings may be under way; then nothing for longer than the manager would wait.
    until("the pings end", || {
        manager.heard_within(dog * 2).is_none().then_some(())
    });
    other.close().await.unwrap();
    manager.hears("WATCHDOG=1");
    let reply = smtp.reply().unwrap();
    assert!(
        reply.starts_with("250 ") || reply.starts_with("451 "),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passed_sockets_are_served() {
    let mut place = Place::sqlite();
    place.smtp = "max_errors = 7".into();
    let text = std::fs::read_to_string(place.configuration()).unwrap();
    assert!(text.contains("listen = \"127.0.0.1:0\""));
    let unix = place.path("passed");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let local = UnixListener::bind(&unix).unwrap();
    place.more = "[[smtp.listeners]]\nname = \"mx\"\naddress = \"systemd:arfd-mx\"\n\
                  [[smtp.listeners]]\nname = \"lmtp\"\naddress = \"systemd:arfd-lmtp\"\nprotocol = \"lmtp\"\n"
        .into();
    let as_passed = "exec 3<&0 4<&1 </dev/null >/dev/null; \
                     LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=arfd-lmtp:arfd-mx exec \"$@\"";
    let start = |tcp: &TcpListener, local: &UnixListener| {
        let fds: [OwnedFd; 2] = [
            local.try_clone().unwrap().into(),
            tcp.try_clone().unwrap().into(),
        ];
        place.start_by(&["sh", "-c", as_passed, "sh"], |command| {
            let [local, tcp] = fds;
            command.stdin(Stdio::from(local)).stdout(Stdio::from(tcp));
        })
    };
    let daemon = start(&tcp, &local);
    assert_eq!(daemon.door("mx"), address.to_string());
    let mut smtp = Smtp::connect(address).unwrap();
    smtp.send(FILTER, &report(1, 1)).unwrap();
    let stream = std::os::unix::net::UnixStream::connect(&unix).unwrap();
    let mut greeting = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut greeting).unwrap();
    assert_eq!(greeting, "220 localhost LMTP\r\n");
    daemon.terminate();
    assert!(daemon.ended().success());
    assert!(unix.exists(), "it is the manager's");
    // While no daemon runs, clients wait; the next one serves them.
    let waiting =
        std::thread::spawn(move || Smtp::connect(address).unwrap().send(FILTER, &report(2, 1)));
    let daemon = start(&tcp, &local);
    waiting.join().unwrap().unwrap();
    assert_eq!(place.list("reports").len(), 2);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    let mut place = Place::sqlite();
    place.smtp = "drain_timeout = \"1h\"".into();
    let daemon = place.start();
    let mut done = Smtp::connect(daemon.smtp).unwrap();
    let id = done.send(FILTER, &report(1, 1)).unwrap();
    // In the midst of its text, it may take as long as the drain lasts.
    let mut slow = Smtp::connect(daemon.smtp).unwrap();
    slow.begin(FILTER).unwrap();
    slow.raw(b"Subject: half\r\n").unwrap();
    daemon.terminate();
    until("it drains", || {
        let log = daemon.log();
        log.iter()
            .any(|line| line["message"] == "draining")
            .then_some(())
    });
    daemon.terminate();
    assert!(daemon.ended().success());
    assert!(slow.reply().is_err());
    let listed = place.list("reports");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], id.as_str());
}
