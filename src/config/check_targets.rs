//! Whether `[[targets]]` make sense and can be spoken to, and their secrets that are given as files.

use super::check::{self, Problems};
use super::settings::{Settings, Target};
use super::spamexperts::SpamExperts;
use super::targets::{Cpanel, Exec, Kind, KumoMta, MapFile, TargetTable, Webhook, api_url};
use super::values::{Secret, SecretUrl, Span};
use crate::domain::pattern::IdentityPattern;
use std::collections::HashSet;
use std::path::PathBuf;

/// The most orders a minute that a limit may allow: beyond it there is none.
const MOST_PER_MINUTE: u32 = 6_000;
/// Targets at most, which is what the store looks for at a time.
const MOST_TARGETS: usize = 64;

/// Everything that makes no sense in them.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    settings
        .lock
        .spamexperts
        .check("lock.spamexperts", problems);
    let listed = !settings.targets.is_empty();
    match settings.lock.target {
        Target::Targets => problems.demand(
            listed,
            "lock.target",
            "is \"targets\", but there are no [[targets]]",
        ),
        Target::SpamExperts => problems.demand(
            !listed,
            "lock.target",
            "is \"spamexperts\", so the [[targets]] would not be used: write \"targets\", and the filter as one \
             of them",
        ),
        Target::Observe => {}
    }
    problems.demand(
        settings.targets.len() <= MOST_TARGETS,
        "targets",
        format!("there must not be more than {MOST_TARGETS}"),
    );
    let mut seen = HashSet::new();
    for (i, table) in settings.targets.iter().enumerate() {
        one(table, &format!("targets[{i}]"), &mut seen, problems);
    }
    for (key, table) in settings.active_targets() {
        let section = match key.as_str() {
            "lock" => "lock.spamexperts".to_owned(),
            key => key.to_owned(),
        };
        let times = match table.calls().0 {
            1 => "one call",
            2 => "two calls",
            3 => "three calls",
            4 => "four calls",
            _ => "five calls",
        };
        problems.demand(
            settings.outbox.lease.0.mul_f64(0.9) > table.longest_try(),
            "outbox.lease",
            format!(
                "must be longer than {times} of {section}.timeout and a tenth, or two workers do one order"
            ),
        );
    }
}

fn one(table: &TargetTable, key: &str, seen: &mut HashSet<String>, problems: &mut Problems) {
    check::name(problems, key, &table.name, seen);
    problems.demand(
        table.name != "none",
        format!("{key}.name"),
        "must not be 'none', which stands for no target in records",
    );
    for kind in Kind::ALL {
        let (has, wanted) = (table.has_section(kind), kind == table.kind);
        if has != wanted {
            problems.add(
                format!("{key}.{}", kind.as_str()),
                match wanted {
                    true => format!("is needed for the kind '{}'", kind.as_str()),
                    false => format!("does not belong to the kind '{}'", table.kind.as_str()),
                },
            );
        }
    }
    for (at, pattern) in table.whose.iter().enumerate() {
        if let Err(error) = pattern.parse::<IdentityPattern>() {
            problems.add(format!("{key}.for[{at}]"), format!("'{pattern}' {error}"));
        }
    }
    problems.demand(
        !table.route().takes.is_empty(),
        format!("{key}.on"),
        "names nothing that a target of this kind can do",
    );
    for (what, zero) in [
        ("concurrency", table.concurrency == Some(0)),
        ("max_per_minute", table.max_per_minute == Some(0)),
        ("breaker_failures", table.breaker_failures == Some(0)),
    ] {
        problems.demand(!zero, format!("{key}.{what}"), "must not be 0");
    }
    problems.demand(
        table
            .max_per_minute
            .is_none_or(|most| most <= MOST_PER_MINUTE),
        format!("{key}.max_per_minute"),
        format!("must be at most {MOST_PER_MINUTE}; leave it out for no limit"),
    );
    if let Some(section) = &table.spamexperts {
        section.check(&format!("{key}.spamexperts"), problems);
    }
    if let Some(section) = &table.map_file {
        section.check(&format!("{key}.map_file"), problems);
    }
    if let Some(section) = &table.exec {
        section.check(&format!("{key}.exec"), problems);
    }
    if let Some(section) = &table.kumomta {
        section.check(&format!("{key}.kumomta"), problems);
    }
}

/// Whether the targets in use can be reached and spoken to.
pub(super) fn check_access(settings: &Settings, problems: &mut Problems) {
    let used = settings.lock.target == Target::SpamExperts;
    settings
        .lock
        .spamexperts
        .check_access("lock.spamexperts", used, problems);
    for (i, table) in settings.targets.iter().enumerate() {
        if let Some(section) = &table.spamexperts {
            section.check_access(&format!("targets[{i}].spamexperts"), true, problems);
        }
        if let Some(section) = &table.cpanel {
            section.check_access(&format!("targets[{i}].cpanel"), problems);
        }
        if let Some(section) = &table.kumomta {
            section.check_access(&format!("targets[{i}].kumomta"), problems);
        }
        if let Some(section) = &table.webhook {
            let key = format!("targets[{i}].webhook");
            api_url(
                &section.url,
                &format!("{key}.url"),
                "the receiver",
                problems,
            );
            if !section.list_url.is_empty() {
                let key = format!("{key}.list_url");
                api_url(&section.list_url, &key, "the receiver's listing", problems);
            }
            problems.demand(
                section.secret.expose().len() >= 16,
                format!("{key}.secret"),
                "is needed, with 16 characters or more (or secret_file)",
            );
        }
    }
}

/// The secrets of the list that are given as files: key, the secret's place, the file.
pub(super) fn secret_files(
    targets: &mut [TargetTable],
) -> Vec<(String, &'static str, &mut Secret, PathBuf)> {
    let mut found = Vec::new();
    for (i, table) in targets.iter_mut().enumerate() {
        if let Some(section) = &mut table.spamexperts
            && let Some(path) = section.password_file.clone()
        {
            let key = format!("targets[{i}].spamexperts");
            found.push((key, "password", &mut section.password, path));
        }
        if let Some(section) = &mut table.webhook
            && let Some(path) = section.secret_file.clone()
        {
            let key = format!("targets[{i}].webhook");
            found.push((key, "secret", &mut section.secret, path));
        }
        if let Some(section) = &mut table.cpanel
            && let Some(path) = section.token_file.clone()
        {
            let key = format!("targets[{i}].cpanel");
            found.push((key, "token", &mut section.token, path));
        }
        if let Some(section) = &mut table.kumomta
            && let Some(path) = section.password_file.clone()
        {
            let key = format!("targets[{i}].kumomta");
            found.push((key, "password", &mut section.password, path));
        }
    }
    found
}

/// One target with every key, so that all their names are known.
pub(super) fn example() -> TargetTable {
    let file = || Some(PathBuf::from("x"));
    let proxy = || Some(SecretUrl::new("http://x"));
    TargetTable {
        concurrency: Some(1),
        max_per_minute: Some(1),
        breaker_failures: Some(1),
        breaker_pause: Some(Span::secs(1)),
        spamexperts: Some(SpamExperts {
            password_file: file(),
            ca_file: file(),
            proxy: proxy(),
            texts: [(
                super::spamexperts::CallName::Unlock,
                super::spamexperts::Texts {
                    success: Some("x".into()),
                    already: Some("x".into()),
                    ..Default::default()
                },
            )]
            .into(),
            ..SpamExperts::default()
        }),
        webhook: Some(Webhook {
            secret_file: file(),
            ca_file: file(),
            proxy: proxy(),
            ..Webhook::default()
        }),
        cpanel: Some(Cpanel {
            token_file: file(),
            ca_file: file(),
            proxy: proxy(),
            ..Cpanel::default()
        }),
        map_file: Some(MapFile::default()),
        exec: Some(Exec::default()),
        kumomta: Some(KumoMta {
            password_file: file(),
            ca_file: file(),
            proxy: proxy(),
            ..KumoMta::default()
        }),
        ..TargetTable::new("x", Kind::Webhook)
    }
}
