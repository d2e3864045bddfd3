//! Whether the settings of feeds and of proving them make sense.

use super::check::{Problems, is_address, name, too_wide};
use super::check_listeners::plain;
use super::feeds::{Feed, ProofTable};
use super::settings::Settings;
use crate::domain::feed::{CertificateName, MOST_INCIDENTS, takes};
use crate::domain::feedback::FeedbackType;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

/// How deep proofs may stand in one another.
const DEEPEST: usize = 8;

/// Checks `[proving]`.
pub(super) fn proving(settings: &Settings, problems: &mut Problems) {
    let proving = &settings.proving;
    for server in &proving.servers {
        problems.demand(
            server.parse::<IpAddr>().is_ok() || server.parse::<SocketAddr>().is_ok(),
            "proving.servers",
            format!(
                "'{server}' is neither an address nor an address with a port, as in 127.0.0.1:53"
            ),
        );
    }
    for (key, zero) in [
        ("query_timeout", proving.query_timeout.0.is_zero()),
        ("timeout", proving.timeout.0.is_zero()),
        ("max_signatures", proving.max_signatures == 0),
        ("concurrency", proving.concurrency == 0),
        ("max_signature_age", proving.max_signature_age.0.is_zero()),
        ("first_retry", proving.first_retry.0.is_zero()),
        ("max_age", proving.max_age.0.is_zero()),
    ] {
        problems.demand(!zero, format!("proving.{key}"), "must not be 0");
    }
    problems.demand(
        proving.max_signatures <= 32,
        "proving.max_signatures",
        "must be at most 32",
    );
    problems.demand(
        proving.lease.0 >= proving.timeout.0.saturating_mul(2),
        "proving.lease",
        "must be at least twice proving.timeout, or two workers try one report",
    );
}

/// Checks `[[feeds]]`.
pub(super) fn feeds(settings: &Settings, problems: &mut Problems) {
    let mut seen = HashSet::from(["unproven".to_owned()]);
    for (i, feed) in settings.feeds.iter().enumerate() {
        let key = format!("feeds[{i}]");
        name(problems, &key, &feed.name, &mut seen);
        let flat = feed.flat();
        match &feed.proof {
            None => {
                problems.demand(
                    flat.keys() > 0,
                    format!("{key}.networks"),
                    "nothing proves this feed: give networks, recipients, dkim, spf, certificates, logins, or \
                     several of them",
                );
                proofs(settings, problems, &key, &flat);
            }
            Some(table) => nested(settings, problems, &key, feed, table),
        }
        for kind in feed.weights.keys().map(|k| FeedbackType::from(k.as_str())) {
            problems.demand(
                kind.may_count() || feed.weights.get(kind.as_str()) == Some(&0),
                format!("{key}.weights"),
                format!("{kind} never counts, whatever its weight"),
            );
        }
        problems.demand(
            (1..=MOST_INCIDENTS).contains(&feed.max_incidents),
            format!("{key}.max_incidents"),
            format!("must be at least 1 and at most {MOST_INCIDENTS}"),
        );
        problems.demand(
            feed.expect_every.is_none_or(|span| span.0.as_secs() > 0),
            format!("{key}.expect_every"),
            "must be at least 1s",
        );
    }
}

fn nested(
    settings: &Settings,
    problems: &mut Problems,
    key: &str,
    feed: &Feed,
    table: &ProofTable,
) {
    let key_of_proof = format!("{key}.proof");
    problems.demand(
        feed.flat().keys() == 0,
        key_of_proof.clone(),
        "stands beside networks, recipients, dkim, spf, certificates or logins: move them into it, as in \
         { all = [{ networks = [..] }, { dkim = [..] }] }",
    );
    problems.demand(
        feed.demand == super::Demand::All,
        format!("{key}.demand"),
        "says nothing about proof: write all or any in there",
    );
    problems.demand(
        table.depth() <= DEEPEST,
        key_of_proof.clone(),
        format!("is more than {DEEPEST} deep"),
    );
    for part in table.tables() {
        problems.demand(
            part.keys() == 1,
            key_of_proof.clone(),
            "each { } has exactly one of all, any, networks, recipients, dkim, spf, certificates, logins, \
             and something in it",
        );
        proofs(settings, problems, key, part);
    }
}

/// The single proofs of one table.
fn proofs(settings: &Settings, problems: &mut Problems, key: &str, table: &ProofTable) {
    plain(&table.networks, &format!("{key}.networks"), problems);
    for net in table.networks.iter().filter(|net| too_wide(net)) {
        problems.add(
            format!("{key}.networks"),
            format!("{net} is too wide to prove anything: at least /8, for IPv6 at least /16"),
        );
    }
    for login in &table.logins {
        problems.demand(
            settings.smtp.users.iter().any(|user| user.name == *login),
            format!("{key}.logins"),
            format!("'{login}' is not among smtp.users, so nobody can log in by that name"),
        );
    }
    let tls = &settings.smtp.tls;
    problems.demand(
        table.certificates.is_empty()
            || (tls.files().is_some() && (tls.ask_clients || tls.client_ca_file.is_some())),
        format!("{key}.certificates"),
        "no client is asked for one: set smtp.tls.certificate_file, and client_ca_file or ask_clients",
    );
    let taken = &settings.smtp.recipients;
    for address in &table.recipients {
        problems.demand(
            is_address(address),
            format!("{key}.recipients"),
            format!("'{address}' is not an address"),
        );
        problems.demand(
            taken.is_empty() || takes(taken, address),
            format!("{key}.recipients"),
            format!("'{address}' is not among smtp.recipients, so its mail would be refused"),
        );
    }
    for (kind, names) in [("dkim", &table.dkim), ("spf", &table.spf)] {
        for domain in names.iter().filter(|domain| !is_domain(domain)) {
            problems.add(
                format!("{key}.{kind}"),
                format!("'{domain}' is not a domain such as arf.mail.example.com"),
            );
        }
    }
    for name in &table.certificates {
        problems.demand(
            CertificateName::parse(name).is_some(),
            format!("{key}.certificates"),
            format!("'{name}' is neither sha256: and 64 hexadecimal digits nor a DNS name"),
        );
    }
    for name in &table.logins {
        problems.demand(
            !name.trim().is_empty(),
            format!("{key}.logins"),
            "a login cannot be empty",
        );
    }
}

/// Two labels at least: a whole top-level domain proves nothing.
fn is_domain(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}
