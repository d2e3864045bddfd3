//! The commands as people and mail systems run them: what they print, and the exit codes.

use crate::support::daemon::{ABUSE, FILTER, LOGIN, PASSWORD, Place, arfd, said};
use crate::support::mail::{identity, report};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::net::TcpListener;
use std::process::Output;

fn sample(name: &str) -> String {
    format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn parse_prints_one_json_object_a_message() {
    let files = ["filter-authuser.eml", "plain-human.eml"].map(sample);
    let run = arfd(&["parse", "--json", &files[0], &files[1]], b"");
    assert_eq!(code(&run), 0);
    let lines: Vec<Value> = out(&run)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["file"], files[0].as_str());
    assert_eq!(lines[0]["format"], "arf");
    assert_eq!(lines[0]["report"]["source_ip"], "198.51.100.7");
    assert_eq!(lines[1]["file"], files[1].as_str());
    assert_eq!(lines[1]["format"], "none");

    let piped = arfd(
        &["parse", "--json", "-"],
        &std::fs::read(&files[0]).unwrap(),
    );
    let mut piped: Value = serde_json::from_str(&out(&piped)).unwrap();
    assert_eq!(piped["file"], "-");
    piped["file"] = lines[0]["file"].clone();
    assert_eq!(piped, lines[0]);
}

#[test]
fn parse_draws_cards_and_obeys_no_strangers_control_characters() {
    let run = arfd(&["parse", &sample("filter-authuser.eml")], b"");
    assert_eq!(code(&run), 0);
    let card = out(&run);
    for part in [
        "abuse report (ARF)",
        "source_ip",
        "198.51.100.7",
        "Your parcel is waiting",
    ] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
    let hostile = String::from_utf8(report(1, 1)).unwrap();
    let hostile = hostile.replace("SpamExperts/1", "\u{1b}]0;owned\u{7}");
    let card = arfd(&["parse", "-"], hostile.as_bytes());
    assert!(!card.stdout.contains(&0x1b) && !card.stdout.contains(&7));
}

#[test]
fn parse_goes_on_after_a_file_that_cannot_be_read() {
    let run = arfd(
        &["parse", "--json", "/no/such.eml", &sample("arf-full.eml")],
        b"",
    );
    assert_eq!(code(&run), 66);
    assert_eq!(out(&run).lines().count(), 1);
    assert!(said(&run).contains("/no/such.eml"));
    assert_eq!(code(&arfd(&["parse"], b"")), 2);
}

#[test]
fn ingest_is_durable_when_it_says_so() {
    let place = Place::sqlite();
    let configuration = place.configuration();
    let ingest = |arguments: &[&str], input: &[u8]| {
        arfd(
            &[&["ingest", "-c", &configuration], arguments].concat(),
            input,
        )
    };
    let files: Vec<String> = (0..3)
        .map(|n| place.write(&format!("{n}.eml"), report(n, 1)))
        .collect();
    let run = ingest(&["--feed", "filter", &files[0], &files[1]], b"");
    assert_eq!(code(&run), 0, "{}", said(&run));
    assert_eq!(
        out(&run)
            .lines()
            .filter(|line| line.ends_with(": counted"))
            .count(),
        2
    );
    // The proof by client and recipient, and the lack of one.
    let run = ingest(
        &["--client", "127.0.0.1", "--recipient", FILTER, "-"],
        &report(2, 1),
    );
    assert!(out(&run).ends_with("-: counted\n"), "{}", said(&run));
    let run = ingest(&["--recipient", ABUSE, "-"], &report(3, 1));
    assert!(out(&run).ends_with("-: unproven\n"), "{}", said(&run));
    let run = ingest(&["--feed", "filter", "-"], &report(2, 1));
    assert!(out(&run).ends_with(" (filed before)\n"), "{}", said(&run));

    let run = ingest(&["--feed", "fliter", &files[0]], b"");
    assert_eq!(code(&run), 75);
    assert!(said(&run).contains("there is no feed 'fliter'"));
    let run = ingest(&["--feed", "filter", "/no/such.eml", &files[2]], b"");
    assert_eq!(code(&run), 66);
    assert_eq!(place.list("reports").len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_asks_for_another_try_when_the_store_is_away() {
    let mut place = Place::sqlite();
    place.store_timeout = "300ms";
    let missing = place.arfd(&["list", "reports"]);
    assert_eq!(code(&missing), 66, "{}", said(&missing));
    assert!(said(&missing).contains("there is no store at"));
    let file = place.write("a.eml", report(0, 1));
    let letter = place.write("b.eml", b"Subject: hello\n\nhello\n");
    assert_eq!(code(&place.arfd(&["ingest", &letter])), 0);
    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    sqlx::raw_sql("begin exclusive")
        .execute(&mut other)
        .await
        .unwrap();
    let run = place.arfd(&["ingest", &file, "/no/such.eml"]);
    assert_eq!(code(&run), 75, "{}", said(&run));
    assert_eq!(out(&run), "");
    other.close().await.unwrap();
    assert_eq!(code(&place.arfd(&["ingest", &file])), 0);

    // A server that is not there.
    place.store = format!("postgres://arfd:{PASSWORD}@127.0.0.1:1/arfd");
    let run = place.arfd(&["ingest", &file]);
    assert_eq!(code(&run), 75, "{}", said(&run));
    assert!(!said(&run).contains(PASSWORD), "{}", said(&run));
}

#[test]
fn show_gives_the_message_back_byte_for_byte() {
    let place = Place::sqlite();
    let letter = b"Subject: hello\r\n\r\n\x00\xff bytes\r\n".to_vec();
    let file = place.write("letter.eml", &letter);
    assert_eq!(code(&place.arfd(&["ingest", &file])), 0);
    let id = place.list("reports")[0]["id"].as_str().unwrap().to_owned();
    let shown = place.arfd(&["show", &id]);
    assert_eq!((code(&shown), &shown.stdout), (0, &letter));
    let none = place.arfd(&["show", "00000000-0000-8000-8000-000000000000"]);
    assert_eq!(code(&none), 66);
    assert_eq!(
        code(&place.arfd(&["close", "nobody@x.example", "--reason", "r"])),
        66
    );
}

#[test]
fn ingest_files_on_when_nobody_reads_its_lines() {
    let place = Place::sqlite();
    let files: Vec<String> = (0..40)
        .map(|n| place.write(&format!("{n}.eml"), report(n, 1)))
        .collect();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_arfd"));
    command
        .args(["ingest", "-c", &place.configuration()])
        .args(&files);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.list("reports").len(), 40);
}

#[test]
fn list_prints_tables_and_json() {
    let place = Place::sqlite();
    let files: Vec<String> = (0..8)
        .map(|n| place.write(&format!("{n}.eml"), report(n, 1)))
        .collect();
    let mut arguments = vec!["ingest", "--feed", "filter"];
    arguments.extend(files.iter().map(String::as_str));
    assert_eq!(code(&place.arfd(&arguments)), 0);
    for (what, rows, heads) in [
        ("reports", 8, ["received", "standing", "identity or reason"]),
        ("incidents", 1, ["opened", "outgoing user", "why"]),
        ("orders", 1, ["ordered", "target", "last answer"]),
    ] {
        let run = place.arfd(&["list", what]);
        assert_eq!(code(&run), 0);
        let table = out(&run);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), rows + 1, "{table}");
        assert!(heads.iter().all(|head| lines[0].contains(head)), "{table}");
        assert!(
            lines[1..].iter().all(|line| line.contains(&identity(1))),
            "{table}"
        );
        assert_eq!(place.list(what).len(), rows);
        assert_eq!(
            out(&place.arfd(&["list", what, "-n", "1"])).lines().count(),
            2
        );
    }
    assert_eq!(place.list("orders")[0]["state"], "observed");
    let run = place.arfd(&["list", "secrets"]);
    assert_eq!(code(&run), 2);
}

#[test]
fn config_check_masks_secrets() {
    let mut place = Place::sqlite().locking_at("https://filter.example/cgi-bin/api".into());
    place.store = format!("postgres://arfd:{PASSWORD}@db.example/arfd");
    let run = place.arfd(&["config", "check"]);
    assert_eq!(code(&run), 0, "{}", said(&run));
    assert!(!said(&run).contains(PASSWORD), "{}", said(&run));
    let shown: toml::Table = out(&run).parse().unwrap();
    assert_eq!(shown["lock"]["spamexperts"]["login"].as_str(), Some(LOGIN));
    assert_eq!(
        shown["lock"]["spamexperts"]["password"].as_str(),
        Some("********")
    );
    assert_eq!(
        shown["store"]["url"].as_str(),
        Some("postgres://arfd:********@db.example/arfd")
    );
}

#[test]
fn a_wrong_configuration_is_78_with_file_line_and_key() {
    let place = Place::sqlite();
    for (text, wanted) in [
        (
            "[smtp]\nhostname = \"a\"\nlisen = \"127.0.0.1:1\"\n",
            ":3: [smtp] lisen: unknown key `lisen`; did you mean `listen`?",
        ),
        (
            "[lock]\ntarget = \"spamexpert\"\n",
            "did you mean `spamexperts`?",
        ),
        ("[smtp]\nlisten = \"0.0.0.0:25\"\n", "smtp.recipients"),
        (
            "[lock.spamexperts]\npassword = [\"hush-9f2c61\"]\n",
            ":2: [lock.spamexperts] password:",
        ),
    ] {
        let file = place.write("wrong.toml", text);
        for arguments in [
            &["config", "check", "-c", &file][..],
            &["serve", "-c", &file],
        ] {
            let run = arfd(arguments, b"");
            assert_eq!(code(&run), 78, "{}", said(&run));
            assert!(said(&run).contains(&file), "{}", said(&run));
            assert!(said(&run).contains(wanted), "{}", said(&run));
            assert!(!said(&run).contains(PASSWORD), "{}", said(&run));
        }
    }
    assert_eq!(code(&arfd(&["serve", "-c", "/no/such.toml"], b"")), 78);
}

#[test]
fn a_port_that_is_taken_is_69() {
    let place = Place::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for section in ["smtp", "http"] {
        let text = std::fs::read_to_string(place.configuration()).unwrap();
        let wanted = format!("[{section}]\nlisten = \"{address}\"");
        let text = text.replace(&format!("[{section}]\nlisten = \"127.0.0.1:0\""), &wanted);
        let file = place.write("taken.toml", text);
        let run = arfd(&["serve", "-c", &file], b"");
        assert_eq!(code(&run), 69, "{}", said(&run));
        assert!(
            said(&run).contains(&format!("{section}.listen = {address}")),
            "{}",
            said(&run)
        );
        assert_eq!(said(&run).matches("os error").count(), 1, "{}", said(&run));
    }
}

#[test]
fn help_gives_examples() {
    assert!(out(&arfd(&["--help"], b"")).contains("arfd serve -c FILE"));
    for command in [
        &["serve"][..],
        &["demo"],
        &["parse"],
        &["ingest"],
        &["list"],
        &["config", "check"],
    ] {
        let run = arfd(&[command, &["--help"]].concat(), b"");
        assert_eq!(code(&run), 0);
        let example = format!("Examples:\n  arfd {}", command.join(" "));
        assert!(out(&run).contains(&example), "{}", out(&run));
    }
    let version = out(&arfd(&["--version"], b""));
    assert_eq!(version.trim(), concat!("arfd ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_demonstration_shows_the_calls_and_ends() {
    let run = arfd(&["demo", "--exit"], b"");
    assert_eq!(code(&run), 0, "{}", said(&run));
    let told = out(&run);
    for part in [
        "api_lock_outgoing_identity",
        "api_list_locked_identities",
        "shop@customer.example.com",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
