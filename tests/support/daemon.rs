//! `arfd serve` as a process of its own: on free loopback ports, with a folder of its own, killed when
//! dropped. Where it listens is read from its log, so no port is ever raced for.

use super::postgres;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// An address that proves nothing.
pub const ABUSE: &str = "abuse@hoster.example";
/// The address that proves the feed `filter`.
pub const FILTER: &str = "arf-secret@hoster.example";
/// The lock API's login and password.
pub const LOGIN: &str = "arfd-test";
pub const PASSWORD: &str = "hush-9f2c61";
/// What may change something by HTTP.
pub const TOKEN: &str = "c4f8-hush-token-71e2";
/// Complaints that cross the only rule, of this many distinct messages.
pub const THRESHOLD: usize = 8;

/// Waits until `found` finds something. The one place where a test lets time pass: what it waits for is
/// done by another process.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3_000 {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

/// Runs `arfd` to its end.
pub fn arfd(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What a command printed, both streams.
pub fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn command(arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_arfd"), arguments)
}

fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARFD_") {
            command.env_remove(name);
        }
    }
    command
}

/// A store and a folder for one test, and what its daemons are configured with.
pub struct Place {
    folder: TempDir,
    /// The store's address.
    pub store: String,
    /// How long a report may wait for its transaction.
    pub store_timeout: &'static str,
    /// The lock API; without it orders are only observed.
    pub filter: Option<String>,
    /// More of the section `[smtp]`, and what stands at the end of the configuration.
    pub smtp: String,
    pub more: String,
    /// Another configuration altogether, in which STORE stands for the store's address.
    pub whole: Option<String>,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}/arfd.db", folder.path().display());
        Self {
            folder,
            store,
            store_timeout: "30s",
            filter: None,
            smtp: String::new(),
            more: String::new(),
            whole: None,
        }
    }

    /// None (said loudly) where there is no PostgreSQL.
    pub async fn postgres() -> Option<Self> {
        let store = postgres::fresh_url().await?;
        Some(Self {
            store,
            ..Self::sqlite()
        })
    }

    /// The same, with orders that go to this lock API.
    pub fn locking_at(mut self, url: String) -> Self {
        self.filter = Some(url);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// The configuration for this place, written to a file.
    pub fn configuration(&self) -> String {
        if let Some(whole) = &self.whole {
            return self.write("arfd.toml", whole.replace("STORE", &self.store));
        }
        let lock = self.filter.as_ref().map_or_else(String::new, |url| {
            format!(
                "[restraint]\ntrial = \"0s\"\n[lock]\ntarget = \"spamexperts\"\n[lock.spamexperts]\nurl = \"{url}\"\n\
                 login = \"{LOGIN}\"\npassword = \"{PASSWORD}\"\ntimeout = \"600ms\"\nconnect_timeout = \"300ms\"\n"
            )
        });
        let text = format!(
            "[log]\nformat = \"json\"\n[smtp]\nlisten = \"127.0.0.1:0\"\nrecipients = [\"{ABUSE}\", \"{FILTER}\"]\n{}\n\
             [http]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[store]\nurl = \"{}\"\ntimeout = \"{}\"\n\
             [[identification.headers]]\nname = \"X-AuthUser\"\n\
             [[feeds]]\nname = \"filter\"\nnetworks = [\"127.0.0.0/8\"]\nrecipients = [\"{FILTER}\"]\n\
             [[rules]]\nname = \"test\"\nwindow = \"24h\"\nmin_weight = {THRESHOLD}\nmin_messages = {THRESHOLD}\n\
             [outbox]\nlease = \"3s\"\nfirst_retry = \"50ms\"\nmax_retry = \"500ms\"\npoll = \"100ms\"\n\
             breaker_pause = \"200ms\"\n{lock}\n{}",
            self.smtp, self.store, self.store_timeout, self.more
        );
        self.write("arfd.toml", text)
    }

    /// Runs `arfd` with this place's configuration.
    pub fn arfd(&self, arguments: &[&str]) -> Output {
        let file = self.configuration();
        arfd(&[arguments, &["-c", &file]].concat(), b"")
    }

    /// What `arfd list WHAT --json` shows.
    pub fn list(&self, what: &str) -> Vec<Value> {
        let output = self.arfd(&["list", what, "--json", "-n", "1000000"]);
        assert!(output.status.success(), "{}", said(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Starts a daemon and waits until it takes reports.
    pub fn start(&self) -> Daemon {
        self.start_by(&[], |_| {})
    }

    /// The same, by another program that becomes the daemon in the end, and with its process prepared.
    pub fn start_by(&self, by: &[&str], prepare: impl FnOnce(&mut Command)) -> Daemon {
        let configuration = self.configuration();
        let (log, file) = (0..)
            .map(|n| self.path(&format!("{n}.log")))
            .find_map(|path| File::create_new(&path).ok().map(|file| (path, file)))
            .unwrap();
        let serve = [env!("CARGO_BIN_EXE_arfd"), "serve", "-c", &configuration];
        let words = [by, &serve].concat();
        let mut command = program(words[0], &words[1..]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        prepare(&mut command);
        let mut child = command.stderr(file).spawn().unwrap();
        let line = until("arfd takes reports", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{status}: {}", fs::read_to_string(&log).unwrap());
            }
            log_lines(&log)
                .into_iter()
                .find(|line| line["message"] == "arfd takes reports")
        });
        let address = |key: &str| line[key].as_str().unwrap().parse();
        Daemon {
            child,
            // A door without a port is reached otherwise.
            smtp: address("smtp").unwrap_or(SocketAddr::from(([0; 4], 0))),
            http: address("http").unwrap(),
            log,
        }
    }
}

fn log_lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// A running `arfd serve`.
pub struct Daemon {
    child: Child,
    pub smtp: SocketAddr,
    pub http: SocketAddr,
    log: PathBuf,
}

impl Daemon {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself: {status}");
    }

    /// Sends SIGTERM, without waiting.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends SIGHUP, without waiting.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let done = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status();
        assert!(done.unwrap().success());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where a listener is, by its name.
    pub fn door(&self, name: &str) -> String {
        let log = self.log();
        let line = log
            .iter()
            .find(|line| line["message"] == "listening" && line["listener"] == name);
        line.unwrap()["address"].as_str().unwrap().to_owned()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        until("arfd ends", || self.child.try_wait().unwrap())
    }

    /// Its log so far, one value a line.
    pub fn log(&self) -> Vec<Value> {
        log_lines(&self.log)
    }

    /// Its log so far, as it stands in the file.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Status, head and body of an answer over HTTP.
    pub fn get(&self, path: &str) -> (u16, String, String) {
        self.call("GET", path, "", "")
    }

    /// The same, with a bearer token where it is not empty, and a body in JSON.
    pub fn call(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        let token = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: arfd\r\nConnection: close\r\n{token}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    /// The value of one series; None when it is not there.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (_, _, text) = self.get("/metrics");
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(name, _)| *name == series)
            .map(|(_, value)| value.parse().unwrap())
    }

    /// Waits until a series has a value.
    pub fn shows(&self, series: &str, value: f64) {
        until(&format!("{series} {value}"), || {
            (self.metric(series) == Some(value)).then_some(())
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
