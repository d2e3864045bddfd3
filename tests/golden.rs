//! Every sample is read exactly as its JSON says, and that JSON obeys the published schema. Run with
//! `ARFD_BLESS=1` to rewrite the JSON after a change that is meant; then read the diff.

use arfd::formats;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The samples with their bytes, by name.
pub fn samples() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() > 30, "the samples are gone");
    all
}

#[test]
fn samples_read_as_written() {
    let bless = std::env::var_os("ARFD_BLESS").is_some();
    let mut wrong = Vec::new();
    for (path, bytes) in samples() {
        let reading = formats::read(&bytes);
        let got = serde_json::to_string_pretty(&reading).unwrap() + "\n";
        let golden = path.with_extension("json");
        if bless {
            std::fs::write(&golden, &got).unwrap();
        }
        match std::fs::read_to_string(&golden) {
            Ok(want) if want == got => {}
            Ok(want) => wrong.push(format!(
                "{}:\n--- want\n{want}+++ got\n{got}",
                path.display()
            )),
            Err(error) => wrong.push(format!("{}: {error}", golden.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn samples_obey_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(root.join("schemas/report.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    for (path, bytes) in samples() {
        let mut value = formats::read(&bytes).to_json();
        value["file"] = path.display().to_string().into();
        let errors: Vec<_> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    let mut bad = formats::read(b"").to_json();
    bad["defects"] = serde_json::json!(["made-up"]);
    assert!(!validator.is_valid(&bad), "the schema takes anything");
}

#[test]
fn schema_lists_every_defect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(root.join("schemas/report.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let listed: BTreeSet<_> = schema["$defs"]["defect"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let known: BTreeSet<_> = formats::defects::ALL.iter().copied().collect();
    assert_eq!(listed, known);
}

/// Whoever looks up a defect finds a mail that has it.
#[test]
fn every_defect_has_a_sample() {
    let seen: BTreeSet<&str> = samples()
        .iter()
        .flat_map(|(_, bytes)| formats::read(bytes).defects)
        .map(|defect| defect.0)
        .collect();
    let known: BTreeSet<&str> = formats::defects::ALL.iter().copied().collect();
    let without: Vec<_> = known.difference(&seen).collect();
    // More than a megabyte of headers is no sample; `tests/hostile.rs` has it.
    assert_eq!(without, [&formats::defects::HEADERS_CUT]);
}

#[test]
fn index_names_every_sample() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = std::fs::read_to_string(root.join("samples/README.md")).unwrap();
    for (path, _) in samples() {
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(index.contains(&format!("`{name}`")), "{name}");
    }
}
