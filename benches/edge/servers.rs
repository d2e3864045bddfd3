//! The servers that are compared: smtp-sink, the edge alone, the whole daemon.

use crate::shared::daemon;
use crate::shared::process::{Process, free_port};
use arfd::metrics::Metrics;
use arfd::smtp::{self, Envelope, Inbox, Receipt, Settings};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Sink,
    Edge,
    Durable,
}

impl Server {
    pub const ALL: [Self; 3] = [Self::Sink, Self::Edge, Self::Durable];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sink => "smtp-sink",
            Self::Edge => "edge, discarding",
            Self::Durable => "arfd serve, SQLite",
        }
    }

    /// A fresh one; None (said) where its program is missing.
    pub fn start(self, folder: &Path) -> Option<Process> {
        let address = free_port();
        let mut command = match self {
            Self::Sink => {
                let mut sink = postfix("smtp-sink")?;
                // As root it asks whom to be instead.
                if std::fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) {
                    sink.args(["-u", "nobody"]);
                }
                sink.arg(address.to_string()).arg("1000");
                sink
            }
            Self::Edge => {
                let mut own = Command::new(std::env::current_exe().expect("this program"));
                own.arg("--discard").arg(address.to_string());
                own
            }
            Self::Durable => return Some(daemon::start(folder, None).0),
        };
        Some(Process::start(&mut command, address))
    }
}

fn is_root(own: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}

/// One of Postfix's test programs, installed or unpacked by `tests/run`.
pub fn postfix(name: &str) -> Option<Command> {
    let installed = Path::new("/usr/sbin").join(name);
    if installed.exists() {
        return Some(Command::new(installed));
    }
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/postfix/usr");
    let program = unpacked.join("sbin").join(name);
    if !program.exists() {
        println!("left out for want of {name}: tests/run --tools-only gets it");
        return None;
    }
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", unpacked.join("lib/postfix"));
    Some(command)
}

struct Discard;

#[async_trait::async_trait]
impl Inbox for Discard {
    fn accepts(&self, _: IpAddr, _: &str) -> bool {
        true
    }

    async fn deliver(&self, _: Envelope, _: Vec<u8>) -> Receipt {
        Receipt::Filed("thrown away".to_owned())
    }
}

/// The edge with an inbox that throws away, for ever.
pub fn discard(address: &str) {
    let settings = Settings {
        max_messages: u64::MAX,
        max_sessions_per_client: 1_000,
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .expect("listens");
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let never = CancellationToken::new();
        smtp::Edge::new(Arc::new(Discard), settings, metrics)
            .serve(listener, Arc::default(), never)
            .await;
    });
}
