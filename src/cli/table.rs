//! Tables for people and rows for spreadsheets, as the commands print them.

use std::io::{self, Write};

/// Columns as wide as their widest cell; the last one runs free.
pub(super) fn write_table(out: &mut impl Write, table: &[Vec<String>]) -> io::Result<()> {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            table
                .iter()
                .map(|row| row[c].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What an attacker wrote must not steer the terminal, nor break the table.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(80)
        .collect()
}

/// One row of CSV (RFC 4180).
pub(super) fn csv_row<T: AsRef<str>>(out: &mut impl Write, row: &[T]) -> io::Result<()> {
    let row: Vec<_> = row.iter().map(|value| quoted(value.as_ref())).collect();
    write!(out, "{}\r\n", row.join(","))
}

/// A value in quotes where RFC 4180 asks for them.
fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\r', '\n']) {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_csv_are_quoted() {
        let mut out = Vec::new();
        csv_row(&mut out, &["a", "b,c", "d\"e", ""]).unwrap();
        assert_eq!(out, b"a,\"b,c\",\"d\"\"e\",\r\n");
    }

    #[test]
    fn tables_line_up() {
        let mut out = Vec::new();
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        write_table(&mut out, &[row(["a", "b"]), row(["long", ""])]).unwrap();
        assert_eq!(out, b"a     b\nlong\n");
        assert_eq!(clean("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
