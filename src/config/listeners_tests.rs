//! Listeners: what is read, and what is refused in which words.

use super::tests::{refused, with};
use super::*;

#[test]
fn listeners_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
    let [certificate, key] = ["c.pem", "k.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let text = format!(
        "[smtp]\nlisten = \"off\"\nrecipients = [\"a@b.example\"]\nrate_exempt = [\"192.0.2.0/24\"]\n\
         [smtp.tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n\
         [[smtp.listeners]]\nname = \"mx\"\naddress = \"[::]:25\"\n\
         [[smtp.listeners]]\nname = \"proxied\"\naddress = \"192.0.2.25:2500\"\nproxy = [\"192.0.2.0/28\"]\n\
         [[smtp.listeners]]\nname = \"submission\"\naddress = \"systemd:sub\"\ntls = \"implicit\"\nauth = true\n\
         [[smtp.listeners]]\nname = \"lmtp\"\naddress = \"unix:/run/arfd/lmtp\"\nprotocol = \"lmtp\"\nmode = \"0620\"\n\
         group = \"postfix\"\n"
    );
    let settings = with(&text, &[]).unwrap();
    let [mx, proxied, submission, lmtp] = &settings.smtp.listeners[..] else {
        panic!("{:?}", settings.smtp.listeners);
    };
    assert_eq!(mx.address, Address::Tcp("[::]:25".parse().unwrap()));
    assert_eq!(
        (mx.protocol, mx.tls, mx.auth),
        (Protocol::Smtp, Tls::Off, false)
    );
    assert_eq!(proxied.proxy, ["192.0.2.0/28".parse().unwrap()]);
    assert_eq!(submission.address, Address::Systemd("sub".into()));
    assert_eq!((submission.tls, submission.auth), (Tls::Implicit, true));
    assert_eq!(lmtp.address, Address::Unix("/run/arfd/lmtp".into()));
    assert_eq!(lmtp.mode, Some(Mode(0o620)));
    let again = with(&settings.to_toml().unwrap(), &[]).unwrap();
    assert_eq!(again, settings, "what is shown can be read");
}

#[test]
fn senseless_listeners_are_named_with_their_keys() {
    let listener = |rest: &str| {
        format!("[smtp]\nrecipients = [\"a@b.example\"]\n[[smtp.listeners]]\nname = \"x\"\n{rest}")
    };
    for (rest, said) in [
        ("", "missing field `address`"),
        (
            "address = \"25\"\n",
            ":5: [[smtp.listeners]] address: expected an address and port",
        ),
        (
            "address = \"unix:run/x\"\n",
            "address: a Unix socket needs an absolute path",
        ),
        (
            "address = \"systemd:\"\n",
            "address: systemd: needs the name",
        ),
        (
            "address = \"off\"\n",
            "smtp.listeners[0].address: must not be off",
        ),
        (
            "address = \"127.0.0.1:2525\"\n",
            "smtp.listeners[0].address: 127.0.0.1:2525 is used twice",
        ),
        (
            "address = \"127.0.0.1:26\"\nmode = \"0660\"\n",
            "smtp.listeners[0].mode: mode and group are for",
        ),
        (
            "address = \"127.0.0.1:26\"\nmode = \"rw\"\n",
            "mode: expected permissions in octal",
        ),
        (
            "address = \"127.0.0.1:26\"\nauth = true\n",
            "smtp.listeners[0].auth: needs tls",
        ),
        (
            "address = \"127.0.0.1:25\"\nprotocol = \"lmtp\"\n",
            "protocol: LMTP must not be spoken on port 25",
        ),
        (
            "address = \"127.0.0.1:26\"\nprotocol = \"lmpt\"\n",
            "did you mean `lmtp`?",
        ),
        (
            "address = \"127.0.0.1:26\"\ntls = \"maybe\"\n",
            "[[smtp.listeners]] tls: unknown value",
        ),
        (
            "address = \"127.0.0.1:26\"\ntls = \"implicit\"\n",
            "smtp.listeners[0].tls: needs smtp.tls.certificate_file",
        ),
        (
            "address = \"unix:/x\"\ntls = \"starttls\"\n",
            "smtp.listeners[0].tls: makes no sense on a Unix",
        ),
        (
            "address = \"unix:/x\"\nproxy = [\"10.0.0.0/8\"]\n",
            "smtp.listeners[0].proxy: makes no sense",
        ),
        (
            "address = \"127.0.0.1:26\"\nproxy = [\"0.0.0.0/0\"]\n",
            "proxy: 0.0.0.0/0 is too wide",
        ),
        (
            "address = \"127.0.0.1:26\"\nproxy = [\"10.0.0\"]\n",
            "[[smtp.listeners]] proxy: \"10.0.0\" is not a network",
        ),
        (
            "address = \"127.0.0.1:26\"\nadress = 1\n",
            "unknown key `adress`; did you mean `address`?",
        ),
        (
            "address = \"127.0.0.1:26\"\n[[smtp.listeners]]\nname = \"x\"\naddress = \"127.0.0.1:27\"\n",
            "smtp.listeners[1].name: 'x' is used twice",
        ),
    ] {
        let told = refused(&listener(rest), &[]);
        assert!(told.contains(said), "{rest}: {told}");
    }
    for (text, key) in [
        ("[smtp]\nrate_exempt = ", "smtp.rate_exempt"),
        ("[smtp]\nnormalise = ", "smtp.normalise"),
        ("[[feeds]]\nname = \"x\"\nnetworks = ", "feeds[0].networks"),
    ] {
        let mapped = refused(&format!("{text}[\"::ffff:10.0.0.0/104\"]\n"), &[]);
        assert!(mapped.contains(&format!("{key}: ::ffff:")), "{mapped}");
        assert!(
            mapped.contains("must be written as an IPv4 network"),
            "{mapped}"
        );
    }
    let main = "[[smtp.listeners]]\nname = \"smtp\"\naddress = \"127.0.0.1:26\"\n";
    assert!(refused(main, &[]).contains("'smtp' is used twice"));
    let off = refused("[smtp]\nlisten = \"off\"\n", &[]);
    assert!(off.contains("smtp.listen: is off"), "{off}");
    let prefix = refused(
        "[smtp]\nclient_prefix_ipv4 = 33\nclient_prefix_ipv6 = 4\n",
        &[],
    );
    assert!(
        prefix.contains("client_prefix_ipv4: must be from 8 to 32"),
        "{prefix}"
    );
    assert!(
        prefix.contains("client_prefix_ipv6: must be from 8 to 128"),
        "{prefix}"
    );
}

#[test]
fn mail_for_anybody_is_taken_from_this_machine_only() {
    for address in ["0.0.0.0:25", "systemd:x", "[2001:db8::25]:25"] {
        let text = format!("[[smtp.listeners]]\nname = \"x\"\naddress = \"{address}\"\n");
        assert!(refused(&text, &[]).contains("smtp.recipients: is empty"));
    }
    let proxied =
        "[[smtp.listeners]]\nname = \"x\"\naddress = \"127.0.0.1:26\"\nproxy = [\"127.0.0.0/8\"]\n";
    assert!(refused(proxied, &[]).contains("smtp.recipients: is empty"));
    for address in ["unix:/run/x", "[::1]:26", "[::ffff:127.0.0.1]:26"] {
        let text = format!("[[smtp.listeners]]\nname = \"x\"\naddress = \"{address}\"\n");
        with(&text, &[]).unwrap();
    }
}

#[test]
fn the_environment_may_move_the_main_door_but_holds_no_list_of_others() {
    let settings = with(
        "",
        &[
            ("ARFD_SMTP__LISTEN", "unix:/run/x"),
            ("ARFD_SMTP__RATE_EXEMPT", "10.0.0.0/8, ::1/128"),
        ],
    );
    let settings = settings.unwrap();
    assert_eq!(settings.smtp.listen, Address::Unix("/run/x".into()));
    assert_eq!(settings.smtp.rate_exempt.len(), 2);
    let said = refused("", &[("ARFD_SMTP__LISTENERS", "x")]);
    assert!(said.contains("cannot come from the environment"), "{said}");
}
