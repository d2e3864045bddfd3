//! A map file that was lost while the daemon was down: it is written anew from the store, and only with whom is
//! still locked.

use crate::support::daemon::{Place, said};
use std::path::Path;

fn keys(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split('\t').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_lost_map_file_is_rebuilt_at_start() {
    let mut place = Place::sqlite();
    let file = place.path("locked");
    place.more = format!(
        "[restraint]\ntrial = \"0s\"\n[lock]\ntarget = \"targets\"\n[[targets]]\nname = \"map\"\n\
         kind = \"map_file\"\n[targets.map_file]\npath = \"{}\"\ntimeout = \"2s\"\n",
        file.display()
    );
    let order = |what: &str, whom: &str| {
        let order = [what, whom, "--reason", "leaked password", "--by", "ann"];
        let user = ["--user", "mta@customer.example"];
        let more = if what == "lock" { &user[..] } else { &[] };
        let output = place.arfd(&[&order[..], more].concat());
        assert!(output.status.success(), "{}", said(&output));
    };
    let daemon = place.start();
    for name in ["bob", "eve"] {
        order("lock", &format!("{name}@customer.example"));
    }
    daemon.shows("arfd_orders{state=\"done\"}", 2.0);
    order("unlock", "eve@customer.example");
    daemon.shows("arfd_orders{state=\"done\"}", 3.0);
    assert_eq!(keys(&file), ["bob@customer.example"]);
    daemon.kill();
    std::fs::remove_file(&file).unwrap();
    // Taking reports, it has rebuilt the file.
    let daemon = place.start();
    assert_eq!(
        keys(&file),
        ["bob@customer.example"],
        "{}",
        daemon.log_text()
    );
}
