//! What is the map's alone: the file's mode, others' rows, two daemons on one file, the program behind it, and
//! rebuilding it from what the store says.

use super::stand_in_map::{BY_HAND, Map, map_of};
use super::suite::{Bench, done, later, order, refused};
use arfd::domain::identity::Identity;
use arfd::domain::lock::{Action, Subject};
use arfd::lock::map_file::{Format, MapFile, Standing};
use arfd::lock::{Listed, LockTarget};
use std::future::ready;
use std::os::unix::fs::PermissionsExt;

fn identity(value: &str) -> Identity {
    Identity {
        outgoing_user: None,
        value: value.into(),
    }
}

fn listed(value: &str) -> Listed {
    Listed {
        action: Action::Lock,
        subject: Subject::Identity,
        identity: identity(value),
    }
}

#[tokio::test]
async fn the_mode_is_kept_and_no_litter_left() {
    let map = Map::start().await;
    std::fs::set_permissions(map.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    done(
        map.map()
            .carry_out(&order(Action::Lock, "bob@x.example"))
            .await,
    );
    let mode = std::fs::metadata(map.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let folder = map.path().parent().unwrap().to_owned();
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["locked", "locked.arfd-lock"]);
}

#[tokio::test]
async fn postfix_rows() {
    let map = Map::start().await;
    done(
        map.map()
            .carry_out(&order(Action::Lock, "bob@x.example"))
            .await,
    );
    done(
        map.map()
            .carry_out(&order(Action::Hold, "al@x.example"))
            .await,
    );
    let text = std::fs::read_to_string(map.path()).unwrap();
    let rows = "\nal@x.example\tHOLD abuse\nbob@x.example\tREJECT locked for abuse\n";
    assert!(text.contains(rows), "{text}");
}

#[tokio::test]
async fn what_others_locked_is_seen_and_not_ours_to_end() {
    let map = Map::start().await;
    let theirs = format!("{BY_HAND}bob@x.example REJECT by hand\n");
    std::fs::write(map.path(), &theirs).unwrap();
    let target = map.map();
    let found = target.list(&[]).await.unwrap();
    assert_eq!(found, [listed("bob@x.example")]);
    let why = refused(
        target
            .carry_out(&order(Action::Release, "bob@x.example"))
            .await,
    );
    assert!(why.contains("outside of our part"), "{why}");
    assert!(
        std::fs::read_to_string(map.path())
            .unwrap()
            .starts_with(&theirs)
    );
}

#[tokio::test]
async fn damaged_marks_stop_everything_until_they_are_mended() {
    let map = Map::start().await;
    let damaged = "# BEGIN arfd map\nal@x.example\tREJECT x\n";
    std::fs::write(map.path(), damaged).unwrap();
    let why = later(
        map.map()
            .carry_out(&order(Action::Lock, "bob@x.example"))
            .await,
    );
    assert!(why.contains("damaged"), "{why}");
    assert_eq!(std::fs::read_to_string(map.path()).unwrap(), damaged);
    assert!(map.map().list(&[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn daemons_on_one_file_keep_each_others_work() {
    let map = Map::with(Format::Lines);
    let other = |name: &str| {
        let mut settings = map.settings();
        settings.name = name.into();
        map_of(settings)
    };
    let tries: Vec<_> = (0..20)
        .map(|i| {
            // The same target on several nodes, and another installation.
            let target = other(if i % 4 == 0 { "another" } else { "map" });
            let lock = order(Action::Lock, &format!("user{i}@x.example"));
            tokio::spawn(async move { target.carry_out(&lock).await })
        })
        .collect();
    for one in tries {
        done(one.await.unwrap());
    }
    assert_eq!(map.in_effect().len(), 20);
}

#[tokio::test]
async fn the_program_behind_it_runs_until_it_worked() {
    let map = Map::start().await;
    let marker = map.path().with_file_name("ran");
    let mut settings = map.settings();
    let script = format!("test -e {0}.ok && echo x >> {0}", marker.display());
    settings.after = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let target = map_of(settings.clone());
    let lock = order(Action::Lock, "bob@x.example");
    later(target.carry_out(&lock).await);
    later(target.carry_out(&lock).await);
    std::fs::write(format!("{}.ok", marker.display()), "").unwrap();
    done(target.carry_out(&lock).await);
    // Nothing changed since.
    done(target.carry_out(&lock).await);
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "x\n");
    // A new daemon cannot know.
    done(map_of(settings).carry_out(&lock).await);
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn rebuilt_from_what_the_store_says() {
    let map = Map::start().await;
    let target = map.map();
    for name in ["gone@x.example", "doubt@x.example", "stays@x.example"] {
        done(target.carry_out(&order(Action::Lock, name)).await);
    }
    let decided = [
        "new@x.example",
        "stays@x.example",
        "undone@x.example",
        "bad key",
    ];
    let decided = decided.map(listed).to_vec();
    let undecided = vec![identity("doubt@x.example"), identity("undone@x.example")];
    rebuild(&target, Standing { decided, undecided })
        .await
        .unwrap();
    assert_eq!(
        map.in_effect(),
        ["doubt@x.example", "new@x.example", "stays@x.example"]
    );
    // A store that knows nobody is another store.
    let why = rebuild(&target, Standing::default()).await.unwrap_err();
    assert!(why.contains("3 rows are ours"), "{why}");
    let silent = target.rebuild(ready(Err("no store"))).await;
    assert_eq!(silent, Err("no store".to_owned()));
    assert_eq!(map.in_effect().len(), 3);
}

async fn rebuild(target: &MapFile, standing: Standing) -> Result<(), String> {
    target.rebuild(ready(Ok::<_, String>(standing))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_changes_the_file_between_the_stores_word_and_the_rebuild() {
    let map = Map::start().await;
    let target = map.map();
    let other = map.map();
    let (begun, begin) = tokio::sync::oneshot::channel();
    let ask = async {
        let lock = tokio::spawn(async move {
            other
                .carry_out(&order(Action::Lock, "late@x.example"))
                .await
        });
        begun.send(lock).unwrap();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(map.in_effect().is_empty(), "it waits for its turn");
        let decided = vec![listed("known@x.example")];
        Ok::<_, String>(Standing {
            decided,
            undecided: Vec::new(),
        })
    };
    target.rebuild(ask).await.unwrap();
    done(begin.await.unwrap().await.unwrap());
    assert_eq!(map.in_effect(), ["known@x.example", "late@x.example"]);
}

#[tokio::test]
async fn keys_that_would_mean_more_are_refused() {
    let map = Map::with(Format::Lines);
    let target = map.map();
    for value in [
        "bob:x@x.example",
        "bob|al@x.example",
        "bob",
        "#bob@x.example",
        "@x.example",
    ] {
        refused(target.carry_out(&order(Action::Lock, value)).await);
    }
    assert!(!target.can(Action::Hold, Subject::Identity));
    assert!(!target.can(Action::Lock, Subject::Sender));
    let mut settings = map.settings();
    settings.bare_names = true;
    done(
        map_of(settings)
            .carry_out(&order(Action::Lock, "bob"))
            .await,
    );
}
