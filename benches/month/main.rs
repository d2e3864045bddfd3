//! A month of a hoster with ten thousand identities against the shipped rules: how many spammers are locked, how soon, and
//! who is locked that should not be. `cargo bench --bench month -- --identities 10000 --days 30 --seed 1 [--json]`. Ends
//! with 1 when anything that somebody made up counted or locked.

#[path = "../../tests/support/letters.rs"]
mod letters;
mod sim;

use indicatif::{ProgressBar, ProgressStyle};
use sim::{Plan, run};
use std::process::ExitCode;

const HELP: &str = "A month of a hoster, simulated on the real judge, rules and store.

  --identities N   mailboxes [10000]
  --days N         days [30]
  --seed N         another month of the same kind [1]
  --trial SPAN     restraint.trial: how long new rules and feeds only record [24h]
  --rules FILE     [[rules]] to try in place of the shipped ones
  --json           figures as one JSON object

Exit status 1: a forged report counted, or somebody was locked on one.";

fn main() -> ExitCode {
    let mut plan = Plan {
        identities: 10_000,
        days: 30,
        seed: 1,
        trial: "24h".to_owned(),
        rules: String::new(),
    };
    let mut json = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|w| w.parse::<u64>().ok());
        let known = match word.as_str() {
            "--identities" => number()
                .filter(|n| *n >= 100)
                .map(|n| plan.identities = n as usize),
            "--days" => number()
                .filter(|n| (1..=366).contains(n))
                .map(|n| plan.days = n as u32),
            "--seed" => number().map(|n| plan.seed = n),
            "--trial" => words.next().map(|span| plan.trial = span),
            "--rules" => words.next().and_then(|file| {
                let read = std::fs::read_to_string(&file);
                let told = read.inspect_err(|error| eprintln!("{file}: {error}"));
                told.ok().map(|rules| plan.rules = rules)
            }),
            "--json" => {
                json = true;
                Some(())
            }
            "--help" | "-h" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            // Cargo adds this one.
            "--bench" => Some(()),
            _ => None,
        };
        if known.is_none() {
            eprintln!(
                "{word}: not known, or without a good value (at least 100 identities, 1 to 366 days)\n\n{HELP}"
            );
            return ExitCode::from(2);
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let bar = ProgressBar::new(u64::from(plan.days));
    let style =
        ProgressStyle::with_template("day {pos} of {len} {wide_bar} {elapsed} (still {eta})");
    bar.set_style(style.expect("a template"));
    let mut day = |day: u32| bar.set_position(u64::from(day) + 1);
    let figures = runtime.block_on(run::run(&plan, folder.path(), &mut day));
    bar.finish_and_clear();
    match json {
        true => println!(
            "{}",
            serde_json::to_string(&figures).expect("figures are JSON")
        ),
        false => print!("{}", figures.table()),
    }
    match figures.is_safe() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
