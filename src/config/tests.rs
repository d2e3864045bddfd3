//! Configuration: what is refused, and in which words.

use super::*;
use std::io::Write;

fn with(text: &str, vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let vars = vars
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    load_with(Some(file.path()), vars)
}

fn refused(text: &str, vars: &[(&str, &str)]) -> String {
    with(text, vars).expect_err(text).to_string()
}

#[test]
fn defaults_are_sensible() {
    let settings = load_with(None, HashMap::new()).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.lock.target, Target::Observe);
    assert!(settings.to_policy().targets.is_empty());
}

#[test]
fn unknown_keys_name_file_line_key_and_the_nearest() {
    let said = refused(
        "[smtp]\nlisten = \"127.0.0.1:0\"\nrecipient = [\"a@b.example\"]\n",
        &[],
    );
    assert!(said.contains(".toml:3: [smtp]"), "{said}");
    assert!(
        said.contains("unknown key `recipient`; did you mean `recipients`?"),
        "{said}"
    );
    let said = refused("[[feeds]]\nname = \"a\"\nnetwroks = []\n", &[]);
    assert!(
        said.contains(":3: [[feeds]]") && said.contains("`networks`"),
        "{said}"
    );
    let said = refused("[lock]\ntarget = \"spamexpert\"\n", &[]);
    assert!(said.contains("did you mean `spamexperts`?"), "{said}");
}

#[test]
fn errors_never_show_a_secret() {
    let said = refused("[lock.spamexperts]\npassword = { x = \"hunter2\" }\n", &[]);
    assert!(
        !said.contains("hunter2") && said.contains("password"),
        "{said}"
    );
}

#[test]
fn environment_overrides_the_file() {
    let settings = with(
        "[smtp]\nlisten = \"127.0.0.1:1\"\nmax_errors = 3\n",
        &[
            ("ARFD_SMTP__LISTEN", "127.0.0.1:2"),
            ("ARFD_SMTP__RECIPIENTS", "abuse@a.example,arf@a.example"),
            ("ARFD_LOCK__SPAMEXPERTS__PASSWORD", "12345"),
            ("ARFD_TEST_PG_URL", "ignored"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(settings.smtp.listen.port(), 2);
    assert_eq!(settings.smtp.max_errors, 3);
    assert_eq!(
        settings.smtp.recipients,
        ["abuse@a.example", "arf@a.example"]
    );
    assert_eq!(settings.lock.spamexperts.password.expose(), "12345");
    let said = refused("", &[("ARFD_SMTP__LISTN", "127.0.0.1:2")]);
    assert!(
        said.contains("ARFD_SMTP__LISTN") && said.contains("`listen`"),
        "{said}"
    );
}

#[test]
fn secrets_come_from_files_and_stay_masked() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let text = format!(
        "[lock.spamexperts]\npassword_file = \"{}\"\n",
        file.path().display()
    );
    let settings = with(&text, &[]).unwrap();
    assert_eq!(settings.lock.spamexperts.password.expose(), "hunter2");
    assert!(!settings.to_toml().unwrap().contains("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn senseless_settings_are_all_named_with_their_lines() {
    let said = refused(
        "[smtp]\nlisten = \"0.0.0.0:25\"\n\n[[feeds]]\nname = \"a\"\n\n[[feeds]]\nname = \"a\"\nnetworks = [\"0.0.0.0/0\"]\n\
         \n[[rules]]\nname = \"r\"\nfeeds = [\"nobody\"]\nwindow = \"1h\"\nmin_weight = 0\n\
         [lock]\ntarget = \"spamexperts\"\n",
        &[],
    );
    for part in [
        ".toml:1: smtp.recipients: is empty",
        ".toml:4: feeds[0].networks: nothing proves this feed",
        ".toml:8: feeds[1].name: 'a' is used twice",
        ".toml:9: feeds[1].networks: 0.0.0.0/0 is the whole internet",
        ".toml:13: rules[0].feeds: there is no feed 'nobody'",
        ".toml:15: rules[0].min_weight: must be at least 1",
        "lock.spamexperts.url: must be the URL",
        "lock.spamexperts.password: is needed",
    ] {
        assert!(said.contains(part), "missing {part:?} in:\n{said}");
    }
}

#[test]
fn every_default_survives_being_written_and_read() {
    let text = Settings::default().to_toml().unwrap();
    assert_eq!(
        toml::from_str::<Settings>(&text).unwrap(),
        Settings::default()
    );
}
