//! Configuration: where an error stands, and that no secret stands in it.

use super::tests::refused;

#[test]
fn no_error_shows_what_may_be_a_secret() {
    for (text, wanted) in [
        ("[store]\n\"12345678`x\" = 1\n", ":2: [store] unknown key"),
        (
            "store = 12345678\n",
            ":1: store: expected a section, which this integer is not",
        ),
        (
            "[lock.spamexperts]\npassword = 12345678\n",
            ".toml:2: [lock.spamexperts] password: expected a string",
        ),
        (
            "[lock.spamexperts] # 12345678\npassword \"12345678MjM=\"\n",
            ".toml:2: [lock.spamexperts] password: ",
        ),
        ("[lock.spamexperts]\npassword = 12345678x\n", ":2: "),
        (
            "[lock.spamexperts]\n\"12345678 x\" = 1\n",
            ":2: [lock.spamexperts] unknown key",
        ),
        (
            "[lock.spamexperts]\npasswort = \"12345678\"\n",
            "did you mean `password`?",
        ),
        (
            "lock = { spamexperts = { login = \"a\", password = 12345678 } }\n",
            ".toml:1: [lock.spamexperts] password: expected a string",
        ),
        (
            "[store]\nurl = [\"12345678\"]\n",
            ":2: [store] url: expected",
        ),
        (
            "[smtp]\nmax_errors = \"12345678\"\n",
            "[smtp] max_errors: expected u32",
        ),
        (
            "[smtp]\nmax_errors = -12345678\n",
            "[smtp] max_errors: expected u32",
        ),
        ("[smtp]\nmax_message_size = true\n", "expected a size"),
        (
            "password = 'x'\n[lock.spamexperts\npassword = \"12345678\"\n",
            ":2: ",
        ),
    ] {
        let said = refused(text, &[]);
        assert!(said.contains(wanted), "{said} for {text}");
        assert!(!said.contains("12345678"), "{said}");
    }
}

#[test]
fn a_wrong_network_is_shown_at_its_line_without_the_comments() {
    let text = "\n[[feeds]]\nname = \"a\"\nnetworks = [\"192.0.2.0/24\"]\n[[feeds]]   # the second\nname = \"b\"\nnetworks = [\n  \"192.0.2.0/33\", # here\n]\n";
    let said = refused(text, &[]);
    assert!(
        said.ends_with(
            ".toml:8: [[feeds]] networks: \"192.0.2.0/33\" is not a network such as 192.0.2.0/24"
        ),
        "{said}"
    );
    let said = refused("[[rules]] # one\nname = \"r\"\nmin_weight = 1\n", &[]);
    assert!(
        said.ends_with(".toml:1: [[rules]] missing field `window`"),
        "{said}"
    );
}

#[test]
fn senseless_settings_are_found_whatever_form_they_are_written_in() {
    for (text, wanted) in [
        (
            "[smtp] # comment\n\nmax_errors = 0 # none\n",
            ".toml:3: smtp.max_errors",
        ),
        ("\nsmtp = { max_errors = 0 }\n", ".toml:2: smtp.max_errors"),
        ("\nsmtp.max_errors = 0\n", ".toml:2: smtp.max_errors"),
        (
            "[[feeds]] # 1\nname = \"a\"\nrecipients = [\"a@a.example\"]\n[[feeds]] # 2\nname = \"b\"\n",
            ".toml:4: feeds[1].networks",
        ),
    ] {
        let said = refused(text, &[]);
        assert!(said.contains(wanted), "{said}");
    }
}
