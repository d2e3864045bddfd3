//! The edge beside Postfix's `smtp-sink`, in one run on one machine: messages a second and the server's CPU time
//! a message, for accept-and-discard (the edge with an inbox that throws away) and for the durable path
//! (`arfd serve` with SQLite). Servers take turns under each client, fresh for each turn; medians are printed.
//!
//! `cargo bench --bench edge -- --messages 40000 --rounds 5`. `tests/run --tools-only` gets Postfix's programs.

mod clients;
mod servers;
#[path = "../shared/mod.rs"]
mod shared;

use clients::Client;
use servers::Server;
use shared::process::clock;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is asked for.
pub struct Plan {
    messages: usize,
    rounds: usize,
    sessions: usize,
    size: usize,
}

fn main() {
    let mut plan = Plan {
        messages: 40_000,
        rounds: 5,
        sessions: 20,
        size: 6_500,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            words
                .next()
                .and_then(|w| w.parse().ok())
                .expect("a number follows")
        };
        match word.as_str() {
            "--messages" => plan.messages = number(),
            "--rounds" => plan.rounds = number(),
            "--sessions" => plan.sessions = number(),
            "--size" => plan.size = number(),
            // This program itself as the server that discards.
            "--discard" => return servers::discard(&words.next().expect("an address follows")),
            // Cargo adds this one.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    run(&plan);
}

/// Messages a second and CPU microseconds a message, of each round.
type Measured = BTreeMap<(Client, Server), Vec<(f64, f64)>>;

fn run(plan: &Plan) {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("edge-{}", std::process::id()));
    println!(
        "{} messages of about {} octets over {} sessions, {} rounds",
        plan.messages, plan.size, plan.sessions, plan.rounds
    );
    let mut measured = Measured::new();
    for round in 0..plan.rounds {
        for client in Client::ALL {
            for server in Server::ALL {
                let turn = folder.join(format!("{round}-{client:?}-{server:?}"));
                let Some(process) = server.start(&turn) else {
                    continue;
                };
                let before = process.cpu();
                let begun = clock();
                let Some(sent) = client.send(process.smtp, plan) else {
                    continue;
                };
                let took = begun.elapsed();
                let cpu = process.cpu() - before;
                let row = (
                    sent as f64 / took.as_secs_f64(),
                    cpu.as_secs_f64() * 1e6 / sent as f64,
                );
                measured.entry((client, server)).or_default().push(row);
                drop(process);
                let _ = std::fs::remove_dir_all(&turn);
            }
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    print(&measured);
}

fn print(measured: &Measured) {
    println!(
        "{:<34} {:<22} {:>10} {:>15} {:>18}",
        "client", "server", "messages/s", "CPU µs/message", "of smtp-sink's CPU"
    );
    for ((client, server), rows) in measured {
        let speed = median(rows.iter().map(|row| row.0));
        let cpu = median(rows.iter().map(|row| row.1));
        let sink = measured
            .get(&(*client, Server::Sink))
            .map(|rows| median(rows.iter().map(|row| row.1)));
        let share = sink.map_or_else(String::new, |sink| format!("{:.2}", cpu / sink));
        println!(
            "{:<34} {:<22} {speed:>10.0} {cpu:>15.1} {share:>18}",
            client.name(),
            server.name(),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
