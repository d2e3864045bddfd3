//! The desk at the real process: the queue, a name by hand, what is learnt from it on every node, and a `kill -9` in
//! the middle of it.

use crate::support::daemon::{FILTER, Place, THRESHOLD, said, until};
use crate::support::mail::{Smtp, report};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const STOP: &str =
    "[identification]\nheader_missing = \"stop\"\nmethods = [\"identification_header\"]\n";

/// Report `n` of a message whose identification header was taken away; another header says who the customer is.
fn stripped(n: usize, customer: &str) -> Vec<u8> {
    let text = String::from_utf8(report(n, 1)).unwrap();
    let start = text.find("X-AuthUser:").unwrap();
    let end = start + text[start..].find("\r\n").unwrap();
    format!("{}X-Customer: {customer}{}", &text[..start], &text[end..]).into_bytes()
}

fn place(mut place: Place) -> Place {
    place.more = STOP.to_owned();
    place
}

fn attribute(place: &Place, id: &str, more: &[&str]) -> (Option<i32>, String) {
    let command = [
        "attribute",
        id,
        "--identity",
        "shop@customer1.example",
        "--reason",
        "ticket 1",
        "--by",
        "ann",
    ];
    let output = place.arfd(&[&command[..], more].concat());
    (output.status.code(), said(&output))
}

fn standing(place: &Place, id: &str) -> Value {
    let reports = place.list("reports");
    let report = reports.iter().find(|r| r["id"] == id).unwrap();
    report["standing"].clone()
}

#[test]
fn the_queue_is_worked_off() {
    let place = place(Place::sqlite());
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let ids: Vec<String> = (0..4)
        .map(|n| smtp.send(FILTER, &stripped(n, "4711")).unwrap())
        .collect();
    let counted = smtp.send(FILTER, &report(50, 2)).unwrap();
    let queue = place.list("unattributed");
    assert_eq!(queue.len(), 1, "{queue:?}");
    let group = &queue[0];
    assert_eq!(
        (&group["reason"], &group["reports"], &group["feed"]),
        (&"header_stripped".into(), &4.into(), &"filter".into())
    );
    assert_eq!(group["outgoing_user"], "server1@customer1.example");
    assert_eq!(group["examples"][0], ids[3].as_str());
    assert_eq!(group["source_ips"][0]["value"], "192.0.2.7");
    let table = said(&place.arfd(&["list", "unattributed"]));
    assert!(table.contains("header_stripped: "), "{table}");
    // What cannot be: no such report, one that counts, a key that is not there or stands for others too.
    let nowhere = "00000000-0000-0000-0000-000000000000";
    for (id, more, code, words) in [
        (nowhere, vec![], 66, "there is no report"),
        (&counted, vec![], 65, "counts already, for user2@customer2"),
        (
            &ids[0],
            vec!["--learn", "header:x-none"],
            65,
            "no such thing",
        ),
        (
            &ids[0],
            vec!["--learn", "source-ip"],
            65,
            "does not stand for one sender",
        ),
        (
            &ids[0],
            vec!["--learn", "header:subject"],
            1,
            "another in each message",
        ),
        (&ids[0], vec!["--user", "relay"], 65, "USERNAME@DOMAIN"),
    ] {
        let (exit, text) = attribute(&place, id, &more);
        assert_eq!(exit, Some(code), "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(standing(&place, &ids[0]), "unattributed");
    let learn = ["--learn", "header:X-Customer"];
    let (exit, text) = attribute(&place, &ids[0], &learn);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("learnt"), "{text}");
    assert_eq!(standing(&place, &ids[0]), "counted");
    let (exit, text) = attribute(&place, &ids[0], &learn);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("before"), "{text}");
    let learnt = place.list("learnt");
    assert_eq!(learnt.len(), 1);
    assert_eq!(
        learnt[0]["identity"]["outgoing_user"]["username"],
        "server1"
    );
    // The daemon takes it up by itself.
    let mut n = 100;
    let taken = until("the lesson is taken up", || {
        n += 1;
        let id = smtp.send(FILTER, &stripped(n, "4711")).unwrap();
        (standing(&place, &id) == "counted").then_some(id)
    });
    let reports = place.list("reports");
    let row = reports.iter().find(|r| r["id"] == taken.as_str()).unwrap();
    let attribution = &row["attribution"];
    assert_eq!(attribution["method"], "learnt");
    assert_eq!(attribution["strength"], "enclosed");
    let provenance = attribution["provenance"].as_str().unwrap();
    assert!(
        provenance.ends_with(&format!("learnt from report {} by ann", ids[0])),
        "{provenance}"
    );
    let other = smtp.send(FILTER, &stripped(90, "4712")).unwrap();
    assert_eq!(standing(&place, &other), "unattributed");
    let mine = place.arfd(&[
        "list",
        "reports",
        "--json",
        "--identity",
        "Shop@customer1.example",
        "--standing",
        "counted",
        "--since",
        "1h",
        "--feed",
        "filter",
    ]);
    let lines = String::from_utf8(mine.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let id = learnt[0]["id"].as_str().unwrap();
    let forget = ["forget", id, "--reason", "moved"];
    assert!(place.arfd(&forget).status.success());
    assert_eq!(place.arfd(&forget).status.code(), Some(66));
    until("it is forgotten", || {
        n += 1;
        let id = smtp.send(FILTER, &stripped(n, "4711")).unwrap();
        (standing(&place, &id) == "unattributed").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_learns() {
    let Some(store) = Place::postgres().await else {
        return;
    };
    let place = place(store);
    let nodes = [place.start(), place.start()];
    let mut sessions = nodes
        .iter()
        .map(|node| Smtp::connect(node.smtp).unwrap())
        .collect::<Vec<_>>();
    let id = sessions[0].send(FILTER, &stripped(1, "4711")).unwrap();
    let (exit, text) = attribute(&place, &id, &["--learn", "header:x-customer"]);
    assert_eq!(exit, Some(0), "{text}");
    let mut n = 10;
    for smtp in &mut sessions {
        until("the node takes up the lesson", || {
            n += 1;
            let id = smtp.send(FILTER, &stripped(n, "4711")).unwrap();
            (standing(&place, &id) == "counted").then_some(())
        });
    }
}

#[test]
fn killed_in_the_middle_it_is_done_once() {
    let mut place = place(Place::sqlite());
    place.more += "[restraint]\ntrial = \"0s\"\n";
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let ids: Vec<String> = (0..THRESHOLD)
        .map(|n| smtp.send(FILTER, &stripped(n, "4711")).unwrap())
        .collect();
    let file = place.configuration();
    let mut killed = 0;
    for (n, id) in ids.iter().enumerate() {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arfd"))
            .args(["attribute", id, "--identity", "shop@customer1.example"])
            .args(["--learn", "header:x-customer", "--reason", "x", "-c", &file])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At another point of it each time; which one is the machine's business.
        thread::sleep(Duration::from_millis(4 * n as u64));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
        let (exit, text) = attribute(&place, id, &["--learn", "header:x-customer"]);
        assert_eq!(exit, Some(0), "{text}");
        assert_eq!(standing(&place, id), "counted");
    }
    assert!(killed > 0, "none was cut");
    assert_eq!(place.list("learnt").len(), 1);
    let incidents = place.list("incidents");
    assert_eq!(incidents.len(), 1);
    let weight = &incidents[0]["explanation"]["crossing"]["tally"]["weight"];
    assert_eq!(*weight, THRESHOLD);
    assert_eq!(place.list("orders").len(), 1);
}

#[test]
fn a_file_of_aliases_is_used_renewed_and_checked() {
    let mut place = place(Place::sqlite());
    let file = place.write(
        "aliases.csv",
        "identity,canonical,account\nuser1@customer1.example,shop@customer1.example,C1\n",
    );
    place.more = format!("[aliases]\nfile = \"{file}\"\n");
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let id = smtp.send(FILTER, &report(1, 1)).unwrap();
    let row = |id: &str| {
        let reports = place.list("reports");
        reports.into_iter().find(|r| r["id"] == id).unwrap()
    };
    let first = row(&id);
    assert_eq!(
        first["attribution"]["identity"]["value"],
        "shop@customer1.example"
    );
    assert_eq!(first["alias"]["account"], "C1");
    let both = ["user1@customer1.example", "shop@customer1.example"];
    for name in both {
        let found = place.arfd(&["list", "reports", "--json", "--identity", name]);
        assert!(said(&found).contains(&id), "{name}");
    }
    place.write(
        "aliases.csv",
        "identity,canonical\nuser1@customer1.example,a b\n",
    );
    daemon.hang_up();
    daemon.shows("arfd_alias_reloads_total{outcome=\"failed\"}", 1.0);
    let told = daemon.log_text();
    assert!(
        told.contains("aliases.csv: line 2: canonical 'a b' is no identity"),
        "{told}"
    );
    let check = place.arfd(&["config", "check", "--quiet"]);
    assert_eq!(check.status.code(), Some(78), "{}", said(&check));
    assert!(said(&check).contains("aliases.file: "), "{}", said(&check));
    assert!(
        said(&check).contains("aliases.csv: line 2: "),
        "{}",
        said(&check)
    );
    let id = smtp.send(FILTER, &report(2, 1)).unwrap();
    assert_eq!(row(&id)["alias"]["account"], "C1", "the old one stays");
    place.write(
        "aliases.csv",
        "identity,account\nuser1@customer1.example,C2\n",
    );
    daemon.hang_up();
    daemon.shows("arfd_alias_reloads_total{outcome=\"loaded\"}", 1.0);
    let id = smtp.send(FILTER, &report(3, 1)).unwrap();
    let third = row(&id);
    assert_eq!(
        third["attribution"]["identity"]["value"],
        "user1@customer1.example"
    );
    assert_eq!(third["alias"]["account"], "C2");
}
