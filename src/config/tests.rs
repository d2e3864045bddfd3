//! Configuration: what is refused, and in which words.

use super::*;
use std::io::Write;

pub(super) fn with(text: &str, vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let vars = vars.iter().map(|(k, v)| (k.into(), v.into()));
    load_with(Some(file.path()), vars, Need::Everything)
}

pub(super) fn refused(text: &str, vars: &[(&str, &str)]) -> String {
    with(text, vars).expect_err(text).to_string()
}

#[test]
fn defaults_are_sensible() {
    let settings = load_with(None, [], Need::Everything).unwrap();
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
    assert_eq!(settings.smtp.listen.to_string(), "127.0.0.1:2");
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
        ".toml:9: feeds[1].networks: 0.0.0.0/0 is too wide",
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

#[test]
fn settings_that_would_pass_in_silence_are_refused() {
    let rule = "[[rules]]\nname = \"r\"\nmin_weight = 1\n";
    let target = "[lock.spamexperts]\n";
    for (text, wanted) in [
        (
            "[log]\nlevel = \"warning\"\n".to_owned(),
            "log.level: 'warning' is not a level; did you mean 'warn'?",
        ),
        (
            "[log]\nlevel = \"info,arfd\"\n".to_owned(),
            "log.level: 'arfd' is not",
        ),
        (
            "[log]\nlevel = \"arfd[session]=trace,warning\"\n".to_owned(),
            "log.level: 'warning' is not",
        ),
        (
            "[log]\nlevel = \"info,arfd=warning\"\n".to_owned(),
            "log.level: ",
        ),
        ("[log]\nlevel = \"\"\n".to_owned(), "log.level: "),
        (
            "[smtp]\nnormalise = [\"10.0.0.0/8\", \"0.0.0.0/0\"]\n".to_owned(),
            "smtp.normalise: 0.0.0.0/0 is too wide",
        ),
        (
            "[smtp]\ndata_rate_window = \"9s\"\n".to_owned(),
            "smtp.data_rate_window: must be at least 10s",
        ),
        (
            "[smtp]\ntarpit_recipient = \"61s\"\n".to_owned(),
            "smtp.tarpit_max: and smtp.tarpit_recipient must be at most 1m",
        ),
        (
            "[smtp]\ntarpit_max = \"2m\"\n".to_owned(),
            "smtp.tarpit_max: and",
        ),
        (
            format!("{rule}window = \"999ms\"\n"),
            "rules[0].window: must be at least 1s",
        ),
        (
            format!("{target}lock_parameters = {{ Call = \"x\" }}\n"),
            "lock_parameters: 'Call'",
        ),
        (
            format!("{target}list_parameters = {{ identity = \"x\" }}\n"),
            "list_parameters: 'identity'",
        ),
        (
            format!("{target}login = \"a:b\"\n"),
            "login: must not hold a colon",
        ),
        (
            format!("{target}url = \"https://f.example/api?x=1\"\n"),
            "url: must have neither",
        ),
        (
            format!("{target}url = \"https://f.example/api#x\"\n"),
            "url: must have neither",
        ),
        (
            format!("{target}url = \"https://a:hunter2@f.example/api\"\n"),
            "url: must not hold credentials",
        ),
    ] {
        let said = refused(&text, &[]);
        assert!(said.contains(wanted), "{said} for {text}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    for (network, wide) in [
        ("0.0.0.0/7", true),
        ("10.0.0.0/8", false),
        ("2000::/15", true),
        ("2001::/16", false),
    ] {
        let text = format!("[[feeds]]\nname = \"a\"\nnetworks = [\"{network}\"]\n");
        assert_eq!(with(&text, &[]).is_err(), wide, "{network}");
    }
    for level in [
        "off",
        "INFO",
        "info,arfd::smtp=debug",
        "warn,arfd[session{a=1}]=trace",
    ] {
        let text = format!("[log]\nlevel = \"{level}\"\n");
        assert!(with(&text, &[]).is_ok(), "{level}");
    }
    // A capture without a group takes the whole match.
    assert!(
        with(
            "[[identification.headers]]\nname = \"X\"\ncapture = 'a+'\n",
            &[]
        )
        .is_ok()
    );
}

#[test]
fn a_secret_is_given_once_and_a_missing_file_is_named_with_its_key() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "sqlite://x.db").unwrap();
    let path = file.path().display();
    for (text, wanted) in [
        (
            format!("[lock.spamexperts]\npassword = \"hunter2\"\npassword_file = \"{path}\"\n"),
            ".toml:2: lock.spamexperts.password: give one of them: password or password_file",
        ),
        (
            format!("[store]\nurl = \"sqlite://hunter2.db\"\nurl_file = \"{path}\"\n"),
            ".toml:2: store.url: give one of them: url or url_file",
        ),
    ] {
        let said = refused(&text, &[]);
        assert!(said.contains(wanted) && !said.contains("hunter2"), "{said}");
    }
    assert!(with(&format!("[store]\nurl_file = \"{path}\"\n"), &[]).is_ok());
    let error = with("[lock.spamexperts]\npassword_file = \"/no/such\"\n", &[]).unwrap_err();
    assert_eq!(
        format!("{:#}", anyhow::Error::from(error)),
        "lock.spamexperts.password_file: /no/such: No such file or directory (os error 2)"
    );
}

#[test]
fn who_only_looks_needs_no_credentials() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    write!(
        file,
        "[lock]\ntarget = \"spamexperts\"\n[lock.spamexperts]\npassword_file = \"/no/such\"\n"
    )
    .unwrap();
    assert!(load_with(Some(file.path()), [], Need::NoTarget).is_ok());
    assert!(load_with(Some(file.path()), [], Need::Everything).is_err());
}
