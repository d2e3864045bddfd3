//! A server as a process of its own, killed when dropped, and the kernel's account of it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running server.
pub struct Process {
    child: Child,
    pub smtp: SocketAddr,
}

impl Process {
    /// Starts it and waits until it takes connections at `smtp`.
    pub fn start(command: &mut Command, smtp: SocketAddr) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let begun = clock();
        while TcpStream::connect(smtp).is_err() {
            let late = begun.elapsed() > Duration::from_secs(20);
            if late || child.try_wait().expect("its state").is_some() {
                let _ = child.kill();
                panic!("{command:?} does not listen");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, smtp }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// User and system time so far, from the kernel's own account (hundredths of a second).
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|f| f.parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens at just now.
pub fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("address")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub fn clock() -> Instant {
    Instant::now()
}
