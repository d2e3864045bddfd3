//! Identification and what is ours, as they are written: what is refused, with file, line and key, and what comes out.

use super::tests::{refused, with};
use std::io::Write;

fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().display().to_string();
    (file, path)
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, wanted) in [
        (
            "[identification]\npresets = [\"exim\", \"sendmial\"]\n",
            ":2: identification.presets: there is no preset 'sendmial'",
        ),
        (
            "[identification]\nshared = [\"user:\"]\n",
            "identification.shared: 'user:' is no pattern",
        ),
        (
            "[identification]\nplus_tags = \"cutt\"\n",
            "did you mean `cut`?",
        ),
        (
            "[own]\nnetworks = [\"192.0.2.0\"]\n",
            "is not a network such as 192.0.2.0/24",
        ),
        (
            "[own]\nnetworks = [\"0.0.0.0/0\"]\n",
            "own.networks: 0.0.0.0/0 is too wide",
        ),
        (
            "[own]\nhosts = [\"mx.example.net\"]\n",
            "own.relays: and own.hosts belong together",
        ),
        ("[own]\ndomains = [\"*.example.net\"]\n", "leave out the *"),
        ("[own]\ndomians = []\n", "did you mean `domains`?"),
        (
            "[[identification.sources]]\nnetwork = \"192.0.2.0/24\"\nidentity = \"two words\"\n",
            "identification.sources: 'two words' cannot be an identity",
        ),
        (
            "[[identification.sources]]\nnetwork = \"192.0.2.0/24\"\nidentity = \"a\"\noutgoing_user = \"b\"\n",
            ":4: identification.sources[0].outgoing_user: 'b' is not NAME@DOMAIN",
        ),
        (
            "[[identification.scripts]]\nkey = \"1\"\nidentity = \"a\"\n[[identification.scripts]]\nkey = \"1\"\nidentity = \"b\"\n",
            "identification.scripts: 1 has two owners",
        ),
    ] {
        let said = refused(text, &[]);
        assert!(said.contains(wanted), "{text}\n{said}");
    }
}

#[test]
fn files_are_read_and_their_faults_told_by_line() {
    let (_kept, path) = file(
        "# our customers\n192.0.2.8, bob@a.example , relay@a.example\n\n198.51.100.0/24,pool,,shared\n",
    );
    let settings = with(&format!("[identification]\nsource_file = '{path}'\n"), &[]).unwrap();
    let map = settings.identification.to_sources().unwrap();
    let (network, bob) = map.owner("192.0.2.8".parse().unwrap()).unwrap();
    assert_eq!(
        (network.to_string().as_str(), bob.identity.as_str()),
        ("192.0.2.8/32", "bob@a.example")
    );
    assert_eq!(
        bob.outgoing_user.as_ref().unwrap().to_string(),
        "relay@a.example"
    );
    assert!(map.owner("198.51.100.9".parse().unwrap()).unwrap().1.shared);

    let (_kept, path) = file("1001,bob\n1002\n1003,eve,nobody\n1004,x,,,\n");
    let said = refused(&format!("[identification]\nscript_file = '{path}'\n"), &[]);
    for wanted in [
        format!(
            ":2: identification.script_file: {path}:2: the second column, the identity, is missing"
        ),
        format!("{path}:3: 'nobody' is not an outgoing user"),
        format!("{path}:4: has 5 columns; 3 at most"),
    ] {
        assert!(said.contains(&wanted), "{said}");
    }
    let said = refused("[identification]\nsource_file = '/no/such.csv'\n", &[]);
    assert!(
        said.contains("identification.source_file: /no/such.csv: No such file"),
        "{said}"
    );
}

#[test]
fn presets_come_after_named_headers_and_once() {
    let settings = with(
        "[identification]\npresets = [\"cpanel\", \"authenticated_sender\"]\n\
         [[identification.headers]]\nname = \"X-authenticated-sender\"\n",
        &[("ARFD_OWN__DOMAINS", "B\u{fc}cher.example,a.example")],
    )
    .unwrap();
    let methods = settings.to_methods().unwrap();
    let names: Vec<&str> = methods.headers.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(
        names,
        ["X-authenticated-sender", "X-Get-Message-Sender-Via"]
    );
    assert_eq!(methods.own.domains, ["xn--bcher-kva.example", "a.example"]);
}
