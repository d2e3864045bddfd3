//! What runs out: descriptors, and room on the disk. And a client that is gone before it hears of its report.

use crate::support::daemon::{Daemon, FILTER, Place, until};
use crate::support::mail::{Smtp, Unsent, on_the_wire, report};
use crate::support::skipped;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::process::Command;

/// Ticks of CPU time that the daemon has used, of which a second has 100 (proc_pid_stat(5)).
fn ticks(daemon: &Daemon) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_descriptors_it_waits_and_goes_on_and_recovers() {
    let mut place = Place::sqlite();
    place.more = "[[smtp.listeners]]\nname = \"second\"\naddress = \"127.0.0.1:0\"\n".into();
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    let daemon = place.start_by(&limited, |_| {});
    let mut session = Smtp::connect(daemon.smtp).unwrap();
    session.send(FILTER, &report(0, 1)).unwrap();
    // Figures are not to be had meanwhile, so the log is asked: how long each loop pauses.
    let pauses = |listener: &str, pause: &str| {
        let mut log = daemon.log().into_iter();
        log.any(|line| {
            line["listener"] == listener
                && line["message"] == "cannot accept a connection"
                && line["pause"] == pause
        })
    };
    let second = daemon.door("second");
    // More than there are descriptors for.
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        crowd.push(TcpStream::connect(daemon.smtp).unwrap());
        crowd.push(TcpStream::connect(&second).unwrap());
    }
    let both = |pause| (pauses("smtp", pause) && pauses("second", pause)).then_some(());
    until("both run out", || both("10ms"));
    let before = ticks(&daemon);
    // Sessions in being go on.
    for n in 1..20 {
        session.send(FILTER, &report(n, 1)).unwrap();
    }
    // It does not spin: the pauses grow to a second. By then they sum up to more than one.
    until("they wait longer and longer", || both("1s"));
    let used = ticks(&daemon) - before;
    assert!(
        used < 50,
        "{used} hundredths of a second of CPU time in more than one second"
    );
    drop(crowd);
    for (n, address) in [(100, daemon.smtp.to_string()), (101, second)] {
        until("new sessions come in", || {
            let mut smtp = Smtp::connect(address.parse().unwrap()).ok()?;
            smtp.send(FILTER, &report(n, 1)).ok()
        });
    }
    session.send(FILTER, &report(102, 1)).unwrap();
    assert_eq!(place.list("reports").len(), 23);
    let series = "arfd_smtp_accept_failures_total{listener=\"second\"}";
    assert!(daemon.metric(series).unwrap() >= 8.0);
}

/// The store is on a file system of 4 MiB in a mount namespace of the daemon's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_451_until_there_is_room() {
    let mut place = Place::sqlite();
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    place.store = format!("sqlite://{}/arfd.db", disk.display());
    let may = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(&disk)
        .output();
    if !may.is_ok_and(|output| output.status.success()) {
        return skipped("the right to mount (util-linux, user namespaces): a full disk");
    }
    let mount = format!(
        "mount -t tmpfs -o size=4m tmpfs {} && exec \"$@\"",
        disk.display()
    );
    let daemon = place.start_by(&["unshare", "-rm", "sh", "-c", &mount, "sh"], |_| {});
    let inside = |name: &str| format!("/proc/{}/root{}/{name}", daemon.id(), disk.display());
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let mut filed = BTreeSet::new();
    filed.insert(smtp.send(FILTER, &report(0, 1)).unwrap());
    // Somebody else fills the disk to the brim.
    let mut filler = fs::File::create(inside("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
    let mut waiting = Vec::new();
    for n in 1..200 {
        match smtp.send(FILTER, &report(n, n)) {
            Ok(id) => drop(filed.insert(id)),
            Err(Unsent::Refused(reply)) => {
                assert!(reply.starts_with("451 4.3.0 "), "{reply}");
                waiting.push(n);
            }
            Err(other) => panic!("message {n}: {other:?}"),
        }
        if waiting.len() == 5 {
            break;
        }
    }
    assert_eq!(waiting.len(), 5, "the disk did not fill");
    assert!(daemon.metric("arfd_commit_failures_total").unwrap() >= 5.0);
    fs::remove_file(inside("filler")).unwrap();
    drop(filler);
    // The same session, without a restart.
    for n in waiting {
        filed.insert(until("there is room", || {
            smtp.send(FILTER, &report(n, n)).ok()
        }));
    }
    // Nobody but the daemon sees its disk, and SQLite follows no link there: looked at in a copy.
    for file in ["arfd.db", "arfd.db-wal"] {
        fs::copy(inside(file), place.path(file)).unwrap();
    }
    place.store = format!("sqlite://{}", place.path("arfd.db").display());
    let listed = place.list("reports");
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, filed, "none lost, none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_after_the_dot_is_filed_once() {
    let place = Place::sqlite();
    let daemon = place.start();
    for n in 0..20 {
        let mut smtp = Smtp::connect(daemon.smtp).unwrap();
        smtp.begin(FILTER).unwrap();
        smtp.raw(&on_the_wire(&report(n, n))).unwrap();
    }
    until("all are filed unheard", || {
        (place.list("reports").len() == 20).then_some(())
    });
    // Each tries again, as it must.
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..20 {
        smtp.begin(FILTER).unwrap();
        smtp.raw(&on_the_wire(&report(n, n))).unwrap();
        let reply = smtp.reply().unwrap();
        assert!(reply.starts_with("250 2.0.0 already filed as "), "{reply}");
    }
    assert_eq!(place.list("reports").len(), 20);
    assert_eq!(daemon.metric("arfd_repeated_reports_total"), Some(20.0));
    assert_eq!(
        daemon.metric("arfd_complaints_total{standing=\"counted\"}"),
        Some(20.0)
    );
}
