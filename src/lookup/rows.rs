//! Aliases as CSV (RFC 4180): the first line names the columns, `#` begins a comment. Every error names the line.

use crate::domain::alias::{Row, Table};
use crate::domain::attribution::NormalForm;
use crate::domain::identity::OutgoingUser;
use csv::StringRecord;

/// The columns; any but the first may be left out.
const COLUMNS: [&str; 6] = [
    "identity",
    "outgoing_user",
    "canonical",
    "canonical_user",
    "account",
    "contact",
];
/// The longest account or contact, in octets.
pub(super) const LONGEST: usize = 320;

/// Reads a table.
///
/// # Errors
/// The line and what is wrong with it.
pub(super) fn table(octets: &[u8], most: usize, form: &NormalForm) -> Result<Table, String> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(octets);
    let columns = columns(reader.headers().map_err(|e| say(octets, &e))?)?;
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|e| say(octets, &e))?
    {
        let line = record.position().map_or(0, |from| line(octets, from));
        if rows.len() >= most {
            return Err(format!("line {line}: more than {most} rows"));
        }
        let row = row(&record, &columns, line, form);
        rows.push(row.map_err(|why| format!("line {line}: {why}"))?);
    }
    Table::new(rows).map_err(|error| error.to_string())
}

/// The line of a row. The library counts from where the row before ended, with blank lines and comments in between.
fn line(octets: &[u8], from: &csv::Position) -> u64 {
    let start = usize::try_from(from.byte()).unwrap_or(usize::MAX);
    let mut rest = octets.get(start..).unwrap_or_default();
    let mut line = from.line();
    loop {
        rest = match rest {
            [b'\r', rest @ ..] => rest,
            [b'\n', rest @ ..] => {
                line += 1;
                rest
            }
            [b'#', ..] => match memchr::memchr(b'\n', rest) {
                Some(end) => &rest[end..],
                None => return line,
            },
            _ => return line,
        };
    }
}

/// The library's words, with the line first, as everywhere.
fn say(octets: &[u8], error: &csv::Error) -> String {
    let line = error.position().map_or(1, |from| line(octets, from));
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line}: {len} cells, where the first line names {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => format!("line {line}: is not UTF-8"),
        _ => format!("line {line}: {error}"),
    }
}

/// Where each column stands.
fn columns(heads: &StringRecord) -> Result<[Option<usize>; COLUMNS.len()], String> {
    let mut found = [None; COLUMNS.len()];
    for (at, head) in heads.iter().enumerate() {
        let head = head.trim_start_matches('\u{feff}').to_ascii_lowercase();
        let column = COLUMNS.iter().position(|column| *column == head);
        let known = COLUMNS.join(", ");
        let column = column.ok_or_else(|| {
            format!("line 1: '{head}' is no column; they are {known}, named in the first line")
        })?;
        if found[column].replace(at).is_some() {
            return Err(format!("line 1: '{head}' is there twice"));
        }
    }
    match found[0] {
        Some(_) => Ok(found),
        None => Err("line 1: the column 'identity' is not named".to_owned()),
    }
}

fn row(
    record: &StringRecord,
    columns: &[Option<usize>; COLUMNS.len()],
    line: u64,
    form: &NormalForm,
) -> Result<Row, String> {
    let cell = |column: usize| {
        let text = columns[column].and_then(|at| record.get(at));
        text.filter(|text| !text.is_empty())
    };
    let user = |column: usize| {
        let parse = |text: &str| {
            OutgoingUser::parse(text)
                .ok_or_else(|| format!("{} '{text}' is not USERNAME@DOMAIN", COLUMNS[column]))
        };
        cell(column).map(parse).transpose()
    };
    let identity = |column: usize| {
        let parse = |text: &str| {
            form.of(text)
                .ok_or_else(|| format!("{} '{text}' is no identity", COLUMNS[column]))
        };
        cell(column).map(parse).transpose()
    };
    let text = |column: usize| {
        let text = cell(column).map(str::to_owned);
        let fine = |text: &String| text.len() <= LONGEST && !text.contains(char::is_control);
        match text.as_ref().is_none_or(fine) {
            true => Ok(text),
            false => Err(format!(
                "{} is longer than {LONGEST} octets or has control characters",
                COLUMNS[column]
            )),
        }
    };
    Ok(Row {
        identity: identity(0)?.ok_or("identity is empty")?,
        outgoing_user: user(1)?,
        canonical: identity(2)?,
        canonical_user: user(3)?,
        account: text(4)?,
        contact: text(5)?,
        source: format!("line {line}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Identity;

    fn plain(octets: &[u8], most: usize) -> Result<Table, String> {
        table(octets, most, &NormalForm::default())
    }

    #[test]
    fn a_file() {
        let text = "\u{feff}identity,canonical,canonical_user,account\r\n# webmail logins\r\n\
                    bob , Bob@Shop.example,relay@shop.example,\"C 1, main\"\r\n\r\n*@news.example,,mta@news.example,C2\r\n";
        let table = plain(text.as_bytes(), 10).unwrap();
        assert_eq!(table.len(), 2);
        let bob = table.find(&Identity {
            outgoing_user: None,
            value: "bob".into(),
        });
        let bob = bob.unwrap();
        assert_eq!(
            bob.identity.to_string(),
            "bob@shop.example (outgoing user relay@shop.example)"
        );
        assert_eq!(bob.account.as_deref(), Some("C 1, main"));
        assert_eq!((bob.contact, bob.source), (None, "line 3".into()));
    }

    #[test]
    fn every_error_names_its_line() {
        for (text, want) in [
            ("", "line 1: the column 'identity' is not named"),
            ("identity,owner\n", "line 1: 'owner' is no column"),
            ("identity,identity\n", "line 1: 'identity' is there twice"),
            (
                "canonical\na\n",
                "line 1: the column 'identity' is not named",
            ),
            (
                "identity,account\na,1\nb\n",
                "line 3: 1 cells, where the first line names 2",
            ),
            ("identity,account\n,1\n", "line 2: identity is empty"),
            (
                "identity,canonical\na,b c\n",
                "line 2: canonical 'b c' is no identity",
            ),
            (
                "identity,outgoing_user\n\na,relay\n",
                "line 3: outgoing_user 'relay' is not USERNAME@DOMAIN",
            ),
            ("identity\na\na\n", "line 3: 'a' is listed already (line 2)"),
            ("identity\na\nb\nc\nd\n", "line 5: more than 3 rows"),
        ] {
            let error = plain(text.as_bytes(), 3).unwrap_err();
            assert!(error.starts_with(want), "{text:?}: {error}");
        }
        let error = plain(b"identity\n\xff\n", 3).unwrap_err();
        assert_eq!(error, "line 2: is not UTF-8");
        let long = format!("identity,account\na,{}\n", "x".repeat(LONGEST + 1));
        let error = plain(long.as_bytes(), 3).unwrap_err();
        assert!(error.starts_with("line 2: account is longer"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = plain(&octets, 5);
            let _ = plain(&[b"identity,canonical\n".as_slice(), &octets].concat(), 5);
        }
    }
}
