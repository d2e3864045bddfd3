//! Messages as large as a server takes, of one line over and over: the shapes that cost a careless reader most. The
//! tests hold their memory, the benchmark their time.

/// Bytes of each.
pub const SIZE: usize = 50 << 20;

/// Name, beginning, and what is repeated after it.
pub fn shapes() -> Vec<(&'static str, String, String)> {
    let head = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n";
    let feedback = format!("{head}--b\nContent-Type: message/feedback-report\n");
    let enclosed = format!("{feedback}\nVersion: 1\n--b\nContent-Type: message/rfc822\n");
    let base64 = "Content-Transfer-Encoding: base64\n\n";
    let quoted = "Content-Transfer-Encoding: quoted-printable\n\n";
    let nest = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
    let nested: String = (0..1_000).map(nest).collect();
    let encoded = format!("Original-Rcpt-To: {}\n", "=?a?q?".repeat(650));
    [
        ("boundaries", head.to_owned(), "--b\n"),
        ("near boundaries", head.to_owned(), "\n--b-x"),
        ("nested", String::new(), &nested),
        (
            "nested under one boundary",
            String::new(),
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        ),
        (
            "multiparts side by side",
            head.to_owned(),
            "--b\nContent-Type: multipart/mixed\n\n",
        ),
        (
            "no boundary",
            "Content-Type: multipart/mixed\n\n".into(),
            "x\n",
        ),
        (
            "parameters",
            "Content-Type: multipart/mixed".into(),
            "; boundary*1*=%41",
        ),
        ("headers", String::new(), "X: y\n"),
        ("empty lines", String::new(), "\n"),
        ("carriage returns", String::new(), "\r"),
        ("mbox lines", String::new(), "From x\n"),
        ("fields", format!("{feedback}\n"), "X: y\n"),
        ("one field", format!("{feedback}\n"), "x"),
        ("one folded field", format!("{feedback}\nX: y\n"), " x\n"),
        (
            "recipients",
            format!("{feedback}\n"),
            "Original-Rcpt-To: <a@b>,<c@d>\n",
        ),
        ("encoded addresses", format!("{feedback}\n"), &encoded),
        ("list in one field", format!("{feedback}\nX:\n"), "  - y\n"),
        (
            "fields in base64",
            format!("{feedback}{base64}"),
            "WDogeQpY\n",
        ),
        (
            "fields in quoted-printable",
            format!("{feedback}{quoted}"),
            "X=3A=20y=\r",
        ),
        ("enclosed headers", format!("{enclosed}\n"), "X: y\n"),
        (
            "enclosed hops",
            format!("{enclosed}\n"),
            "Received: from a ([10.0.0.1]) by b\n",
        ),
        (
            "enclosed in base64",
            format!("{enclosed}{base64}"),
            "WDogeQpY\n",
        ),
        ("JSON", "Content-Type: application/json\n\n".into(), "["),
        ("webhook", String::new(), "["),
        (
            "YAML",
            "X-ARF: yes\nContent-Type: multipart/mixed; boundary=b\n\n".into(),
            "--b\n\na: b\nc: d\n",
        ),
        ("text", "Subject: x\n\n".into(), "-- forwarded message\n"),
    ]
    .map(|(name, start, line)| (name, start, line.to_owned()))
    .into()
}

/// The whole of one.
pub fn bomb(start: &str, line: &str) -> Vec<u8> {
    let mut bytes = start.as_bytes().to_vec();
    bytes.append(&mut line.repeat((SIZE - start.len()) / line.len()).into_bytes());
    bytes
}
