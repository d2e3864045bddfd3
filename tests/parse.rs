//! `arfd parse` on folders, Maildirs and mailboxes, its table, rows and bounds, with the real program.

use super::golden::samples;
use super::support::bombs;
use super::support::daemon::arfd;
use std::fs;
use std::path::Path;
use std::process::Output;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn parse(arguments: &[&str]) -> Output {
    arfd(&[&["parse"], arguments].concat(), b"")
}

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_folder_ends_in_a_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let run = parse(&[&folder.to_string_lossy()]);
    assert_eq!(run.status.code(), Some(0));
    let table = out(&run);
    let all = samples().len();
    for part in [
        &*format!("{all} messages"),
        "files passed over",
        "format",
        "arf ",
        "feedback type",
        "not-multipart-report",
        "recovered fields",
        "source_ip",
        "bounce",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let rows = parse(&["--json", &folder.to_string_lossy()]);
    assert_eq!(out(&rows).lines().count(), all);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_no_trap() {
    let place = tempfile::tempdir().unwrap();
    let inner = place.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    std::os::unix::fs::symlink(place.path(), inner.join("up")).unwrap();
    std::os::unix::fs::symlink(inner.join("self"), inner.join("self")).unwrap();
    fs::write(inner.join("1.eml"), sample("arf-full.eml")).unwrap();
    fs::write(inner.join("2"), sample("not-spam.eml")).unwrap();
    fs::write(inner.join("notes.md"), "# no mail\n").unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(inner.join("pipe"))
        .status();
    let run = parse(&["--json", &place.path().to_string_lossy()]);
    assert_eq!(run.status.code(), Some(0), "{fifo:?}");
    assert_eq!(out(&run).lines().count(), 2);
}

#[test]
fn a_maildir_and_an_mbox() {
    let place = tempfile::tempdir().unwrap();
    for folder in ["cur", "new", "tmp", ".Spam/cur", ".Spam/new", "other"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    for file in [
        "cur/1.M1P1.host:2,S",
        "new/2.M1P1.host",
        "tmp/3.M1P1.host",
        ".Spam/cur/4.M1P1.host:2,",
        "other/5.eml",
    ] {
        fs::write(place.path().join(file), sample("arf-full.eml")).unwrap();
    }
    fs::write(place.path().join("index.log"), b"A: 1\n").unwrap();
    let run = parse(&["--json", &place.path().to_string_lossy()]);
    assert_eq!(out(&run).lines().count(), 3);

    let mut mbox = Vec::new();
    for name in ["arf-full.eml", "not-spam.eml", "plain-human.eml"] {
        mbox.extend_from_slice(b"From a@b.example Tue Mar  3 09:00:05 2026\n");
        mbox.extend_from_slice(&sample(name));
        mbox.extend_from_slice(b"\n\n");
    }
    let path = place.path().join("all.mbox");
    fs::write(&path, &mbox).unwrap();
    let run = parse(&["--csv", &path.to_string_lossy()]);
    let rows = out(&run);
    let rows: Vec<_> = rows.lines().collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].starts_with("file,format,kind,feedback_type,source_ip,"));
    assert!(rows[1].contains("all.mbox:1,arf,,abuse,192.0.2.10,"));
    assert!(rows[2].contains("all.mbox:2,arf,,not-spam,"));
    assert!(rows[3].contains("all.mbox:3,none,,,"));
    let unnamed = place.path().join("kim");
    fs::write(&unnamed, &mbox).unwrap();
    let run = parse(&["--json", &unnamed.to_string_lossy()]);
    assert_eq!(out(&run).lines().count(), 3);
    let piped = arfd(&["parse", "--mbox", "--json", "-"], &mbox);
    assert_eq!(out(&piped).lines().count(), 3);
    let table = out(&parse(&[&path.to_string_lossy()]));
    assert!(table.starts_with("3 messages"), "{table}");
}

/// Whether `arfd parse` reads the file with no more than that many bytes of its own: the system refuses more.
#[cfg(target_os = "linux")]
fn fits(path: &Path, bytes: usize) -> bool {
    let limit = bytes >> 10;
    let run = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -c 0; ulimit -d {limit} && exec \"$0\" parse --json \"$1\""
        ))
        .args([env!("CARGO_BIN_EXE_arfd").as_ref(), path.as_os_str()])
        .output()
        .unwrap();
    assert!(run.stdout.len() < 1 << 20, "{} bytes", run.stdout.len());
    run.status.success() && run.stdout.ends_with(b"}\n")
}

/// Each bomb is read within less than twice its size. Beside the message there is the program itself: 20 MB for its
/// own data and stacks.
#[cfg(target_os = "linux")]
#[test]
fn bombs_fit_in_twice_their_size() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bomb.eml");
    for (name, start, line) in bombs::shapes() {
        fs::write(&path, bombs::bomb(&start, &line)).unwrap();
        assert!(fits(&path, 2 * bombs::SIZE + (20 << 20)), "{name}");
    }
    // The limit bites: less than the message itself is never enough.
    assert!(!fits(&path, bombs::SIZE - (1 << 20)));
}

/// A bar is drawn on a terminal, file by file of a folder and message by message of a mailbox, and nowhere else.
#[cfg(target_os = "linux")]
#[test]
fn a_bar_is_drawn_on_a_terminal_only() {
    let place = tempfile::tempdir().unwrap();
    let mail = sample("arf-full.eml");
    let mut mbox = Vec::new();
    for n in 0..3_000 {
        fs::write(place.path().join(format!("{n}.eml")), &mail).unwrap();
        mbox.extend_from_slice(b"From a@b.example Tue Mar  3 09:00:05 2026\n");
        mbox.extend_from_slice(&mail);
        mbox.extend_from_slice(b"\n\n");
    }
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("all.mbox");
    fs::write(&file, mbox).unwrap();
    for path in [place.path(), &file] {
        let plain = parse(&[&path.to_string_lossy()]);
        assert!(plain.stderr.is_empty(), "a bar without a terminal");
        let run = std::process::Command::new("script")
            .args(["-qec"])
            .arg(format!(
                "'{}' parse '{}'",
                env!("CARGO_BIN_EXE_arfd"),
                path.display()
            ))
            .arg("/dev/null")
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::null())
            .output();
        let Ok(run) = run else {
            eprintln!("script (util-linux) is not installed: skipped");
            return;
        };
        let screen = out(&run);
        let bars = screen.split('\r').filter(|frame| frame.contains(" left"));
        let mut shares: Vec<_> = bars
            .filter_map(|frame| {
                frame
                    .split('%')
                    .next()?
                    .rsplit(' ')
                    .next()?
                    .parse::<u8>()
                    .ok()
            })
            .collect();
        shares.dedup();
        assert!(shares.len() >= 3, "{}: {shares:?}", path.display());
        assert!(shares.is_sorted(), "{shares:?}");
        assert!(screen.contains("3000 messages"), "{screen}");
    }
}
