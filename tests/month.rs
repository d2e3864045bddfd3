//! The month of a hoster in small: a few hundred identities against the shipped rules, so that whoever changes rules,
//! attribution or counting sees what becomes of precision and recall. The whole is `cargo bench --bench month`.

#[path = "../benches/month/sim/mod.rs"]
mod sim;

use sim::Plan;
use sim::score::Figures;

async fn month(identities: usize, days: u32, trial: &str) -> Figures {
    let plan = Plan {
        identities,
        days,
        seed: 5,
        trial: trial.to_owned(),
        rules: String::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let figures = sim::run::run(&plan, folder.path(), &mut |_| {}).await;
    println!("{}", figures.table());
    assert!(
        figures.is_safe(),
        "what somebody made up does nothing: {figures:?}"
    );
    let forged = figures.standings["unproven"];
    assert!(forged >= 80 * days as usize, "and much was made up");
    figures
}

#[tokio::test]
async fn precision_and_recall_of_the_shipped_rules() {
    let figures = month(600, 12, "0s").await;
    assert!(figures.locks >= 5, "{figures:?}");
    assert!(figures.precision >= 0.9, "{figures:?}");
    assert!(figures.recall >= 0.75, "{figures:?}");
}

/// Rules and feeds are new on the first day: what crosses is recorded, and nobody is locked.
#[tokio::test]
async fn nobody_is_locked_on_the_first_day() {
    let first = month(300, 1, "24h").await;
    assert_eq!((first.locks, first.locks_on_first_day), (0, 0), "{first:?}");
    assert!(
        first.restrained["trial"] >= 1,
        "what crossed is recorded: {first:?}"
    );
    let later = month(300, 3, "24h").await;
    assert_eq!(later.locks_on_first_day, 0, "{later:?}");
    assert!(later.locks >= 1, "{later:?}");
    let without = month(300, 1, "0s").await;
    assert!(without.locks_on_first_day >= 1, "{without:?}");
}
