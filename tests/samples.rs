//! The configurations that people copy: samples/arfd.toml is the defaults, key by key, and what the README
//! and the recipes show is accepted by `arfd config check`.

use crate::support::daemon::{Place, arfd, said};
use arfd::config::{Need, Settings, load_with};
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Holds that the text is accepted, with the files that it names put where they can be read.
fn accepted(text: &str) {
    let place = Place::sqlite();
    let password = place.write("password", "hush-9f2c61\n");
    let url = place.write("url", "postgres://arfd:hush-9f2c61@db.example.net/arfd\n");
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let certificate = place.write("certificate.pem", made.cert.pem());
    let key = place.write("key.pem", made.signing_key.serialize_pem());
    let hash = place.write("hash", arfd::smtp::hash_password(b"hush-9f2c61").unwrap());
    let text = text
        .replace("/etc/arfd/tls/certificate.pem", &certificate)
        .replace("/etc/arfd/tls/key.pem", &key)
        .replace("/etc/arfd/webmail-password-hash", &hash)
        .replace("/etc/arfd/filter.password", &password)
        .replace("/etc/arfd/spamexperts-password", &password)
        .replace("/etc/arfd/store-url", &url);
    let file = place.write("arfd.toml", &text);
    let run = arfd(&["config", "check", "-c", &file], b"");
    assert!(run.status.success(), "{text}\n{}", said(&run));
    assert!(!said(&run).contains("hush"), "{}", said(&run));
}

#[test]
fn the_sample_is_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/arfd.toml");
    let sample = load_with(Some(&path), [], Need::Everything).unwrap();
    assert_eq!(sample, Settings::default());
}

/// Paths of all keys in a table; arrays of tables count as one.
fn keys(value: &toml::Value, path: &str, found: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = format!("{path}.{key}");
                keys(value, path.trim_start_matches('.'), found);
            }
        }
        toml::Value::Array(values) if values.first().is_some_and(toml::Value::is_table) => {
            keys(&values[0], path, found);
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn the_sample_has_every_key() {
    let listed = |text: &str| {
        let mut found = Vec::new();
        keys(&text.parse::<toml::Table>().unwrap().into(), "", &mut found);
        found.sort();
        found
    };
    let effective = Settings::default().to_toml().unwrap();
    let sample = listed(&read("samples/arfd.toml"));
    let left_out: Vec<String> = listed(&effective)
        .into_iter()
        .filter(|key| !sample.contains(key))
        // Empty lists of tables, which the sample explains in comments.
        .filter(|key| {
            ![
                "feeds",
                "identification.headers",
                "identification.sources",
                "identification.scripts",
                "identification.token.keys",
                "identification.dkim.keys",
                "smtp.listeners",
                "smtp.users",
                "targets",
            ]
            .contains(&key.as_str())
        })
        .collect();
    assert!(
        left_out.is_empty(),
        "not in samples/arfd.toml: {left_out:?}"
    );
}

#[test]
fn every_configuration_in_the_readme_is_accepted() {
    let text = read("README.md");
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        accepted(block);
    }
}

#[test]
fn the_recipes_are_accepted_together() {
    let sample = read("samples/arfd.toml");
    let (_, recipes) = sample.split_once("# ---- Recipes").unwrap();
    let setting = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let lines: Vec<&str> = recipes
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(setting)
        .collect();
    assert!(lines.len() > 15, "{lines:?}");
    accepted(&lines.join("\n"));
}
