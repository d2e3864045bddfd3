//! The house rules as tests: which module may import which, that every file says what it is for, that none
//! outgrows a room, and that the core stays pure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may be.
const MOST_LINES: usize = 500;

/// What each top-level module may import of ours. `main` and `lib` are the doors and not listed.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("metrics", &[]),
    ("pulse", &[]),
    ("domain", &[]),
    ("formats", &["domain"]),
    ("config", &["domain", "lock", "lookup", "smtp"]),
    ("lock", &["domain", "clock", "metrics"]),
    ("store", &["domain"]),
    ("smtp", &["clock", "metrics", "pulse"]),
    ("http", &["clock", "domain", "metrics", "store"]),
    ("proving", &["domain", "clock", "metrics"]),
    ("lookup", &["domain", "clock", "metrics"]),
    (
        "intake",
        &[
            "domain", "formats", "lookup", "proving", "store", "clock", "metrics", "pulse",
        ],
    ),
    ("outbox", &["domain", "store", "lock", "clock", "metrics"]),
    ("expiry", &["domain", "store", "clock", "metrics"]),
    (
        "reconcile",
        &["domain", "store", "lock", "clock", "metrics"],
    ),
    (
        "app",
        &[
            "clock",
            "config",
            "domain",
            "expiry",
            "http",
            "intake",
            "lock",
            "lookup",
            "metrics",
            "outbox",
            "proving",
            "pulse",
            "reconcile",
            "smtp",
            "store",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "domain",
            "formats",
            "intake",
            "lock",
            "metrics",
            "proving",
            "reconcile",
            "smtp",
            "store",
        ],
    ),
];

/// Words that have no place in a pure module.
const IMPURE: &[&str] = &[
    "tokio",
    "async ",
    ".await",
    "std::fs",
    "std::net::Tcp",
    "std::process",
    "sqlx",
    "reqwest",
    "axum",
    "SystemTime",
    "Instant",
    "thread::sleep",
    "std::env",
    "println!",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no Rust files under {folder}");
    found
}

/// The top-level module a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments and without the tests inside it.
fn code(text: &str) -> String {
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    production
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    name == "tests" || name.ends_with("_tests")
}

#[test]
fn imports_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        let module = module_of(&path);
        if ["main", "lib"].contains(&module.as_str()) || is_test_file(&path) {
            continue;
        }
        let may = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no line in MAY_IMPORT"));
        for (at, _) in code(&text).match_indices("crate::") {
            let code = code(&text);
            let rest = &code[at + "crate::".len()..];
            let named: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            assert!(
                !named.is_empty(),
                "{}: write one `use crate::x` for each module",
                path.display()
            );
            if named != module && !may.contains(&named.as_str()) {
                wrong.push(format!("{}: {module} imports {named}", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "against the direction:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_says_what_it_is_for_and_fits_a_room() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (path, text) in rust_files(folder) {
            if !text.starts_with("//! ") {
                wrong.push(format!("{}: does not open with //!", path.display()));
            }
            let lines = text.lines().count();
            if lines > MOST_LINES {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        if !["domain", "formats"].contains(&module_of(&path).as_str()) || is_test_file(&path) {
            continue;
        }
        for word in IMPURE.iter().filter(|word| code(&text).contains(**word)) {
            wrong.push(format!("{}: {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unwraps_owe_a_reason() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        if is_test_file(&path) {
            continue;
        }
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = production.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let bare = line.split("//").next().unwrap_or_default();
            let reason = i
                .checked_sub(1)
                .is_some_and(|i| lines[i].contains("Unwrap safety:"));
            if (bare.contains(".unwrap()") || bare.contains(".expect(")) && !reason {
                wrong.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "no `// Unwrap safety:` line above:\n{}",
        wrong.join("\n")
    );
}
