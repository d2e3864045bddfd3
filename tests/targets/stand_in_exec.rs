//! A program as a bench: a shell script that keeps who is locked in a file, and does on demand what a bad
//! program does.

use super::suite::{Bench, Fault};
use arfd::clock::SystemClock;
use arfd::lock::LockTarget;
use arfd::lock::exec::{Exec, Settings};
use arfd::metrics::Metrics;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The order comes as JSON on one line; identities stay in their JSON form.
const SCRIPT: &str = r#"#!/bin/sh
cd "$1" || exit 75
exec 9>turn; flock 9
touch locked effects
if [ "$2" = list ]; then
    awk -F '\t' 'BEGIN { printf "{\"entries\":[" }
        { printf "%s{\"action\":\"%s\",\"identity\":\"%s\"}", (NR > 1 ? "," : ""), $1, $2 }
        END { print "]}" }' locked
    exit 0
fi
fault=none
if [ -s faults ]; then fault=$(head -n 1 faults); sed -i 1d faults; fi
case $fault in
    error) echo "in trouble" >&2; exit 75 ;;
    huge) head -c 3000000 /dev/zero | tr '\0' x; exit 0 ;;
esac
IFS= read -r order
action=$(printf '%s\n' "$order" | sed 's/.*"action":"\([a-z]*\)".*/\1/')
identity=$(printf '%s\n' "$order" | sed 's/.*"identity":"\(\([^"\\]\|\\.\)*\)".*/\1/')
case $identity in unknown*) echo "no such customer"; exit 1 ;; esac
before=$(cat locked)
printf '%s\n' "$before" | IDENTITY="$identity" awk -F '\t' 'NF && $2 != ENVIRON["IDENTITY"]' > next
if [ "$action" != release ]; then
    cmp -s next locked && echo x >> effects
    printf '%s\t%s\n' "$action" "$identity" >> next
fi
mv next locked
case $fault in
    lost) kill -9 $$ ;;
    slow) flock -u 9; exec 9>&-; sleep 600 & sleep 600 ;;
esac
echo "done"
"#;

pub struct Program {
    pub dir: tempfile::TempDir,
}

impl Program {
    fn path(&self) -> PathBuf {
        self.dir.path().join("program")
    }

    pub fn settings(&self) -> Settings {
        let dir = self.dir.path().display().to_string();
        Settings {
            name: "program".into(),
            program: self.path(),
            arguments: vec![dir.clone(), "order".into()],
            list_arguments: vec![dir, "list".into()],
            environment: vec!["PATH".into()],
            done: vec![0],
            later: vec![75],
            hold: true,
            timeout: Duration::from_secs(60),
            max_output: 1 << 20,
        }
    }

    fn install(&self) {
        // Closed before it is run, and by another process: this one forks in other threads.
        let source = self.dir.path().join("source");
        std::fs::write(&source, SCRIPT).unwrap();
        std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o755)).unwrap();
        let copied = std::process::Command::new("cp")
            .arg("-p")
            .arg(&source)
            .arg(self.path())
            .status();
        assert!(copied.unwrap().success());
    }
}

pub fn target_of(settings: Settings) -> Arc<dyn LockTarget> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Exec::new(settings, metrics, Arc::new(SystemClock::default())).unwrap())
}

#[async_trait]
impl Bench for Program {
    async fn start() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        bench.install();
        bench
    }

    fn target(&self) -> Arc<dyn LockTarget> {
        target_of(self.settings())
    }

    fn hasty(&self) -> Arc<dyn LockTarget> {
        let mut settings = self.settings();
        settings.timeout = Duration::from_secs(2);
        target_of(settings)
    }

    fn unknown(&self) -> Option<&'static str> {
        Some("unknown@x.example")
    }

    fn in_effect(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("locked")).unwrap_or_default();
        let rows = text.lines().filter_map(|line| line.split_once('\t'));
        let locked: BTreeMap<String, &str> = rows
            .map(|(action, json)| {
                (
                    serde_json::from_str(&format!("\"{json}\"")).unwrap(),
                    action,
                )
            })
            .collect();
        locked.into_keys().collect()
    }

    fn effects(&self) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("effects")).unwrap_or_default();
        text.lines().count()
    }

    fn plan(&self, fault: Fault) -> bool {
        let name = match fault {
            Fault::ReplyLost => "lost",
            Fault::Slow => "slow",
            Fault::Error500 => "error",
            Fault::Huge => "huge",
            // Its exit code is its answer, whatever it prints.
            Fault::Garbage | Fault::Html => return false,
        };
        std::fs::write(self.dir.path().join("faults"), format!("{name}\n")).unwrap();
        true
    }

    async fn down(&mut self) {
        std::fs::remove_file(self.path()).unwrap();
    }

    async fn up(&mut self) {
        self.install();
    }

    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}
