//! Feeds in the file: how proofs are written, what they become, and which of them are refused.

use super::Settings;
use super::tests::{refused, with};
use crate::domain::feed::checks::DkimDemand;
use crate::domain::feed::{CertificateName, Proof, Right};
use jiff::SignedDuration;

fn feed(text: &str) -> crate::domain::feed::Feed {
    let settings = with(&format!("[[feeds]]\nname = \"a\"\n{text}\n"), &[]).unwrap();
    assert_eq!(
        toml::from_str::<Settings>(&settings.to_toml().unwrap()).unwrap(),
        settings,
        "it survives being written and read"
    );
    settings.to_feeds().remove(0)
}

fn dkim(strict: bool, addressed: bool) -> Proof {
    Proof::Dkim(DkimDemand {
        domains: vec!["arf.mail.yahoo.com".into()],
        strict,
        addressed,
        max_age: SignedDuration::from_hours(5 * 24),
    })
}

#[test]
fn flat_keys_combine_by_demand() {
    let flat = "recipients = [\"a@b.example\"]\ndkim = [\"ARF.mail.yahoo.com.\"]\nspf = [\"B.example\"]\n\
         certificates = [\"MX.b.example\"]\nlogins = [\"Filter\"]\n";
    let parts = vec![
        Proof::Recipient(vec!["a@b.example".into()]),
        dkim(false, true),
        Proof::Spf(vec!["b.example".into()]),
        Proof::Certificate(vec![CertificateName::Dns("mx.b.example".into())]),
        Proof::Login(vec!["Filter".into()]),
    ];
    // Logins and certificates need users and TLS, which are not the subject here.
    let proof = |text: &str| {
        let text = format!("[[feeds]]\nname = \"a\"\n{text}\n");
        let settings: Settings = toml::from_str(&text).unwrap();
        settings.to_feeds().remove(0).proof
    };
    assert_eq!(proof(flat), Proof::All(parts.clone()));
    let any = format!("{flat}demand = \"any\"");
    assert_eq!(proof(&any), Proof::Any(parts));
}

#[test]
fn what_no_client_could_show_proves_nothing() {
    for (text, said) in [
        (
            "logins = [\"filter\"]",
            "feeds[0].logins: 'filter' is not among smtp.users",
        ),
        (
            "certificates = [\"mx.example\"]",
            "feeds[0].certificates: no client is asked for one",
        ),
        (
            "proof = { any = [{ logins = [\"filter\"] }, { recipients = [\"a@b.example\"] }] }",
            "feeds[0].logins: 'filter' is not among smtp.users",
        ),
    ] {
        let told = refused(&format!("[[feeds]]\nname = \"a\"\n{text}\n"), &[]);
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn proofs_stand_in_one_another() {
    let nested = feed(
        "dkim_strict = true\ndkim_addressed = false\nproof = { all = [{ recipients = [\"a@b.example\"] }, \
         { any = [{ dkim = [\"arf.mail.yahoo.com\"] }, { networks = [\"192.0.2.0/24\"] }] }] }",
    );
    let network = Proof::Network(vec!["192.0.2.0/24".parse().unwrap()]);
    let any = Proof::Any(vec![dkim(true, false), network]);
    let recipient = Proof::Recipient(vec!["a@b.example".into()]);
    assert_eq!(nested.proof, Proof::All(vec![recipient, any]));
}

#[test]
fn rights_and_caps() {
    let net = "networks = [\"192.0.2.0/24\"]\n";
    let plain = feed(net);
    assert_eq!((plain.may, plain.max_incidents), (Right::Lock, 1));
    assert!(plain.caps.is_none() && plain.expect_every.is_none() && !plain.cfbl_unsigned);
    let bound = feed(&format!(
        "{net}may = \"notify\"\nmax_per_identity = 5\nmax_per_hour = 7\nmax_incidents = 9\n\
         expect_every = \"6h\"\ncfbl_unsigned = true"
    ));
    assert_eq!((bound.may, bound.max_incidents), (Right::Notify, 9));
    assert_eq!((bound.caps.identity, bound.caps.all), (Some(5), Some(7)));
    assert_eq!(bound.expect_every, Some(SignedDuration::from_hours(6)));
    assert!(bound.cfbl_unsigned);
}

#[test]
fn what_proves_nothing_is_refused_by_name() {
    let net = "networks = [\"192.0.2.0/24\"]\n";
    for (text, part) in [
        ("dkim = [\"com\"]", "feeds[0].dkim: 'com' is not a domain"),
        (
            "spf = [\"a b.example\"]",
            "feeds[0].spf: 'a b.example' is not a domain",
        ),
        (
            "certificates = [\"sha256:12\"]",
            "feeds[0].certificates: 'sha256:12' is neither",
        ),
        (
            "logins = [\" \"]",
            "feeds[0].logins: a login cannot be empty",
        ),
        ("proof = {}", "feeds[0].proof: each { } has exactly one of"),
        (
            "proof = { all = [] }",
            "feeds[0].proof: each { } has exactly one of",
        ),
        (
            "proof = { dkim = [\"a.example\"], logins = [\"x\"] }",
            "feeds[0].proof: each { } has exactly one of",
        ),
        (
            "proof = { any = [{ networks = [\"0.0.0.0/0\"] }, { logins = [\"x\"] }] }",
            "0.0.0.0/0 is too wide",
        ),
        (
            "logins = [\"x\"]\nproof = { dkim = [\"a.example\"] }",
            "feeds[0].proof: stands beside networks",
        ),
        (
            "demand = \"any\"\nproof = { dkim = [\"a.example\"] }",
            "feeds[0].demand: says nothing about proof",
        ),
        (&format!("{net}may = \"lick\""), "may"),
        (
            &format!("{net}max_incidents = 0"),
            "feeds[0].max_incidents: must be at least 1",
        ),
        (
            &format!("{net}max_incidents = 1001"),
            "feeds[0].max_incidents",
        ),
        (
            &format!("{net}expect_every = \"0s\""),
            "feeds[0].expect_every: must be at least 1s",
        ),
    ] {
        let said = refused(&format!("[[feeds]]\nname = \"a\"\n{text}\n"), &[]);
        assert!(said.contains(part), "{text}: no {part:?} in {said}");
    }
    let deep = "{ all = [".repeat(9) + "{ logins = [\"x\"] }" + &"] }".repeat(9);
    let said = refused(&format!("[[feeds]]\nname = \"a\"\nproof = {deep}\n"), &[]);
    assert!(said.contains("more than 8 deep"), "{said}");
    for (text, part) in [
        (
            "servers = [\"dns.example\"]",
            "proving.servers: 'dns.example' is neither",
        ),
        (
            "max_signatures = 0",
            "proving.max_signatures: must not be 0",
        ),
        (
            "max_signatures = 99",
            "proving.max_signatures: must be at most 32",
        ),
        ("lease = \"1s\"", "proving.lease: must be at least twice"),
        ("timeout = \"0s\"", "proving.timeout: must not be 0"),
    ] {
        let said = refused(&format!("[proving]\n{text}\n"), &[]);
        assert!(said.contains(part), "{text}: no {part:?} in {said}");
    }
}

#[test]
fn a_secret_plus_tag_needs_only_its_base_to_be_taken() {
    let with_tag = |taken: &str| {
        format!(
            "[smtp]\nrecipients = [\"{taken}\"]\n[[feeds]]\nname = \"a\"\nrecipients = [\"abuse+x7@b.example\"]\n"
        )
    };
    assert!(with(&with_tag("abuse@b.example"), &[]).is_ok());
    let said = refused(&with_tag("other@b.example"), &[]);
    assert!(said.contains("is not among smtp.recipients"), "{said}");
}
