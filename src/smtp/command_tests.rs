//! Commands as senders write them, and as nobody should.

use super::*;

fn mail(sender: &str, size: u64) -> Result<Command<'_>, Reply> {
    Ok(Command::Mail { sender, size })
}

#[test]
fn understood() {
    for (line, want) in [
        ("EHLO a.example", Ok(Command::Ehlo("a.example"))),
        ("ehlo [192.0.2.1] ", Ok(Command::Ehlo("[192.0.2.1]"))),
        ("LHLO a.example", Ok(Command::Lhlo("a.example"))),
        ("helo b c", Ok(Command::Helo("b"))),
        ("MAIL FROM:<>", mail("", 0)),
        ("MAIL FROM: <>", mail("", 0)),
        ("mail from:<a@b>  ", mail("a@b", 0)),
        ("MAIL FROM:a@b", mail("a@b", 0)),
        ("MAIL FROM: a@b SIZE=7", mail("a@b", 7)),
        (
            "MAIL FROM:<a@b> size=12 BODY=8bitmime SMTPUTF8",
            mail("a@b", 12),
        ),
        ("MAIL FROM:<a@b> BODY=7BIT", mail("a@b", 0)),
        (
            "MAIL FROM:<a@b> SIZE=99999999999999999999",
            mail("a@b", u64::MAX),
        ),
        ("MAIL FROM:<@x,@y:a@b>", mail("a@b", 0)),
        (
            r#"MAIL FROM:<"a > \" b"@c> SIZE=1"#,
            mail(r#""a > \" b"@c"#, 1),
        ),
        ("MAIL FROM:<dörte@b>", mail("dörte@b", 0)),
        ("MAIL FROM:<a@b> AUTH=<>", mail("a@b", 0)),
        ("MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", mail("a@b", 0)),
        ("starttls", Ok(Command::StartTls)),
        (
            "auth login YQ==",
            Ok(Command::Auth {
                mechanism: "login",
                initial: Some("YQ=="),
            }),
        ),
        ("RCPT TO:<a@b>", Ok(Command::Rcpt("a@b"))),
        ("rcpt to: <Postmaster> ", Ok(Command::Rcpt("Postmaster"))),
        ("RCPT TO:<@relay:a@b>", Ok(Command::Rcpt("a@b"))),
        ("DATA ", Ok(Command::Data)),
        ("NOOP ignored", Ok(Command::Noop)),
        ("VRFY someone", Ok(Command::Vrfy)),
        ("HELP MAIL", Ok(Command::Help)),
        ("rset", Ok(Command::Rset)),
        ("quit", Ok(Command::Quit)),
    ] {
        assert_eq!(parse(line.as_bytes()), want, "{line}");
    }
}

#[test]
fn refused() {
    for (line, want) in [
        ("", reply::UNKNOWN),
        ("GETTING", reply::UNKNOWN),
        ("GET / HTTP/1.1", reply::HTTP),
        ("post /x HTTP/1.0", reply::HTTP),
        ("PRI * HTTP/2.0", reply::HTTP),
        ("EHLO", reply::BAD_ARGUMENTS),
        ("MAIL", reply::BAD_ARGUMENTS),
        ("MAIL <a@b>", reply::BAD_ARGUMENTS),
        ("MAIL FROM:", reply::BAD_SENDER),
        ("MAIL FROM:<a@b", reply::BAD_SENDER),
        ("MAIL FROM:<a b>", reply::BAD_SENDER),
        ("MAIL FROM:<<a@b>>", reply::BAD_SENDER),
        ("MAIL FROM:<a@b>SIZE=1", reply::BAD_SENDER),
        ("MAIL FROM:<\"a@b>", reply::BAD_SENDER),
        ("MAIL FROM:<@relay>", reply::BAD_SENDER),
        ("MAIL FROM:<a\tb>", reply::BAD_SENDER),
        ("MAIL FROM:<a@b> SIZE=", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> SIZE=+1", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> RET=FULL", reply::UNKNOWN_PARAMETER),
        ("RCPT TO:<>", reply::BAD_RECIPIENT),
        ("RCPT TO:<a@b> NOTIFY=NEVER", reply::UNKNOWN_PARAMETER),
        ("DATA now", reply::BAD_ARGUMENTS),
        ("STARTTLS now", reply::BAD_ARGUMENTS),
        ("AUTH", reply::BAD_ARGUMENTS),
        ("AUTH PLAIN a b", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> AUTH", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> AUTH=", reply::BAD_ARGUMENTS),
        ("MAIL FROM:<a@b> AUTH=a+3d", reply::BAD_ARGUMENTS),
        ("EXPN list", reply::NOT_IMPLEMENTED),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(want), "{line}");
    }
    assert_eq!(parse(b"MAIL FROM:<\xff@b>"), Err(reply::UNKNOWN));
    let path = |len: usize| format!("<{}@b>", "a".repeat(len - 4));
    for (line, want) in [
        (format!("RCPT TO:{}", path(256)), true),
        (format!("RCPT TO:{}", path(257)), false),
        (format!("MAIL FROM:{}", path(1_000)), true),
    ] {
        let parsed = parse(line.as_bytes());
        assert_eq!(parsed.is_ok(), want, "{line}");
        assert!(want || parsed == Err(reply::PATH_TOO_LONG));
    }
}
