//! Which row speaks for whom, what makes no table, and that an alias never carries a complaint from one outgoing user
//! to another unless a row says so of that very user.

use super::*;

fn user(text: &str) -> Option<OutgoingUser> {
    OutgoingUser::parse(text)
}

fn who(value: &str, under: &str) -> Identity {
    Identity {
        outgoing_user: user(under),
        value: value.into(),
    }
}

/// `identity,outgoing user,canonical,canonical user`; the source is the line.
fn rows(lines: &[&str]) -> Vec<Row> {
    let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    lines
        .iter()
        .zip(1..)
        .map(|(line, n)| {
            let cells: Vec<&str> = line.split(',').collect();
            Row {
                identity: cells[0].into(),
                outgoing_user: user(cells[1]),
                canonical: some(cells[2]),
                canonical_user: user(cells[3]),
                account: Some(format!("C{n}")),
                contact: None,
                source: format!("line {n}"),
            }
        })
        .collect()
}

fn table(lines: &[&str]) -> Table {
    Table::new(rows(lines)).unwrap()
}

#[test]
fn who_is_known_as_whom() {
    let table = table(&[
        "bob,,bob@shop.example,relay@shop.example",
        "bob@shop.example,,,relay@shop.example",
        "boss@free.example,relay@one.example,one@one.example,",
        "*@news.example,,owner@news.example,mta@news.example",
        "ann@news.example,,,mta@news.example",
    ]);
    for (value, under, want) in [
        ("bob", "", Some(("bob@shop.example", "relay@shop.example"))),
        ("BOB", "", Some(("bob@shop.example", "relay@shop.example"))),
        (
            "bob",
            "Relay@shop.example",
            Some(("bob@shop.example", "relay@shop.example")),
        ),
        // Written by a customer of another outgoing user: nothing is known of that.
        ("bob", "evil@other.example", None),
        ("bob@shop.example", "evil@other.example", None),
        (
            "bob@shop.example",
            "",
            Some(("bob@shop.example", "relay@shop.example")),
        ),
        (
            "boss@free.example",
            "relay@one.example",
            Some(("one@one.example", "relay@one.example")),
        ),
        ("boss@free.example", "relay@two.example", None),
        ("boss@free.example", "", None),
        (
            "x@news.example",
            "",
            Some(("owner@news.example", "mta@news.example")),
        ),
        ("x@news.example", "evil@other.example", None),
        (
            "ann@news.example",
            "",
            Some(("ann@news.example", "mta@news.example")),
        ),
        ("nobody@else.example", "", None),
    ] {
        let found = table.find(&who(value, under));
        let got = found.map(|alias| alias.identity.to_string());
        let want = want.map(|(value, under)| who(value, under).to_string());
        assert_eq!(got, want, "{value} under {under:?}");
    }
}

#[test]
fn what_is_no_table() {
    let error = |lines: &[&str]| Table::new(rows(lines)).unwrap_err().to_string();
    assert_eq!(
        error(&["a@b,,,", "x@y,,,", "a@b,,c@d,"]),
        "line 3: 'a@b' is listed already (line 1)"
    );
    assert_eq!(
        error(&["a@b,,c@d,", "c@d,,e@f,"]),
        "line 1: 'c@d' is itself counted as 'e@f' (line 2); name that"
    );
    assert_eq!(
        error(&["user:*,,a@b,"]),
        "line 1: 'user:*' is no identity, nor a pattern such as *@shop.example"
    );
    let many: Vec<String> = (0..=MOST_PATTERNS).map(|n| format!("{n}*,,,")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(error(&many).starts_with("line 1001: more than 1000 patterns"));
    assert!(Table::new(rows(&["a@b,x@y,,", "a@b,,,", "*@b,,a@b,"])).is_ok());
}

proptest::proptest! {
    /// Whatever the rows, nobody is moved from one outgoing user to another by a row that is not for that one.
    #[test]
    fn nobody_is_moved_unasked(
        cells in proptest::collection::vec(("[ab*]{1,2}", "[xy]?", "[ab]?", "[xy]?"), 0..6),
        value in "[ab]{1,2}", under in "[xy]?",
    ) {
        let under_of = |name: &str| match name { "" => String::new(), name => format!("{name}@d.example") };
        let lines: Vec<String> = cells
            .iter()
            .map(|(i, u, c, cu)| format!("{i},{},{c},{}", under_of(u), under_of(cu)))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if let Ok(table) = Table::new(rows(&lines)) {
            let named = who(&value, &under_of(&under));
            if let Some(alias) = table.find(&named) {
                let user_moved = named.outgoing_user.is_some()
                    && alias.identity.outgoing_user != named.outgoing_user;
                if user_moved {
                    let says = rows(&lines).into_iter().any(|row| row.outgoing_user == named.outgoing_user);
                    proptest::prop_assert!(says, "no row is for {named}");
                }
            }
        }
    }
}
