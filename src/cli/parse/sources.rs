//! Where messages come from: a file, standard input, a folder, a Maildir, an mbox. Nothing but regular files is
//! opened below a folder, links to folders are not followed, and no more than a bounded piece of any message is held.

use anyhow::Context;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of one message; what is longer is cut there.
pub(super) const LARGEST: u64 = 64 << 20;
/// Folders inside each other.
const DEEPEST: usize = 64;

/// What the arguments stand for.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Files in order: whether each is a mailbox.
    pub files: Vec<(PathBuf, bool)>,
    /// Whether a folder or mailbox was among the arguments.
    pub many: bool,
    /// Files of folders that hold no mail.
    pub passed_over: usize,
    /// What could not be looked at.
    pub errors: Vec<String>,
}

impl Sources {
    /// Finds the files that the arguments stand for. Only names are held.
    pub fn of(arguments: &[PathBuf], mbox: bool) -> Self {
        let mut sources = Self::default();
        for path in arguments {
            if path.is_dir() {
                sources.many = true;
                sources.folder(path, 0);
            } else {
                let mailbox = mbox || is_mbox(path);
                sources.many |= mailbox;
                sources.files.push((path.clone(), mailbox));
            }
        }
        sources
    }

    /// Bytes of all files, as far as they say so.
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|(path, _)| fs::metadata(path));
        sizes.filter_map(|size| Some(size.ok()?.len())).sum()
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > DEEPEST {
            self.errors.push(format!("{}: too deep", folder.display()));
            return;
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.errors.push(format!("{}: {error}", folder.display()));
                return;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        // A Maildir: mail is in cur and new only, and in folders of the same shape that begin with a dot.
        let maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // The entry's own type: a link to a folder is none.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let subfolder = name.starts_with('.') && path.join("cur").is_dir();
                if !maildir || matches!(&*name, "cur" | "new") || subfolder {
                    self.folder(&path, depth + 1);
                }
            } else if maildir || name.starts_with('.') || !path.is_file() {
                self.passed_over += 1;
            } else if is_mbox(&path) {
                self.files.push((path, true));
            } else if is_mail(&path) {
                self.files.push((path, false));
            } else {
                self.passed_over += 1;
            }
        }
    }
}

/// By its name, or where that has no ending by its first line: `/var/mail/kim`, Thunderbird's `Inbox`. Other names do not
/// count, because a single message may begin with such a line too.
fn is_mbox(path: &Path) -> bool {
    if let Some(end) = path.extension() {
        return end.eq_ignore_ascii_case("mbox") || end.eq_ignore_ascii_case("mbx");
    }
    let mut line = Vec::new();
    let read = File::open(path)
        .and_then(|file| BufReader::new(file.take(1_000)).read_until(b'\n', &mut line));
    path.is_file() && read.is_ok() && is_separator(&line)
}

/// Whether a folder's file is mail: by its name, or because it begins like mail.
fn is_mail(path: &Path) -> bool {
    if path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("eml"))
    {
        return true;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1_000).read_to_end(&mut start));
    read.is_ok() && begins_like_mail(&start)
}

fn begins_like_mail(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    if start.starts_with(b"From ") || start.starts_with(b">From ") {
        return true;
    }
    let end = start.iter().position(|b| *b == b':').unwrap_or(0);
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    end > 0 && start[..end].iter().all(is_name)
}

/// Reads one file and gives each of its messages with its name to `each`, until that says stop.
pub(super) fn messages(
    path: &Path,
    mailbox: bool,
    each: &mut impl FnMut(&str, &[u8]) -> io::Result<bool>,
) -> anyhow::Result<io::Result<bool>> {
    let name = path.to_string_lossy();
    if path.as_os_str() == "-" {
        let input = io::stdin().lock();
        return one_or_many(input, mailbox, &name, each).context("standard input");
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    one_or_many(BufReader::new(file), mailbox, &name, each)
        .with_context(|| path.display().to_string())
}

/// The outer error is the input's, the inner one comes from `each`.
fn one_or_many(
    mut input: impl BufRead,
    mailbox: bool,
    name: &str,
    each: &mut impl FnMut(&str, &[u8]) -> io::Result<bool>,
) -> io::Result<io::Result<bool>> {
    if !mailbox {
        let mut bytes = Vec::new();
        input.take(LARGEST).read_to_end(&mut bytes)?;
        return Ok(each(name, &bytes));
    }
    let mut number = 0;
    let mut message = Vec::new();
    let mut line = Vec::new();
    let mut blank = true;
    loop {
        line.clear();
        let read = (&mut input).take(LARGEST).read_until(b'\n', &mut line)?;
        if (read == 0 || blank && is_separator(&line)) && !message.trim_ascii().is_empty() {
            number += 1;
            let more = each(&format!("{name}:{number}"), &message);
            message.clear();
            if !matches!(more, Ok(true)) {
                return Ok(more);
            }
        }
        if read == 0 {
            return Ok(Ok(true));
        }
        blank = line.trim_ascii().is_empty();
        let separator = message.is_empty() && is_separator(&line);
        if !separator && message.len() + line.len() <= LARGEST as usize {
            message.extend_from_slice(&line);
        }
    }
}

/// `From SENDER Tue Mar  3 09:00:05 2026`: a time and a year tell it from prose.
fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else {
        return false;
    };
    let mut words = rest
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let clock = |word: &&[u8]| word.len() >= 5 && word[2] == b':' && word[0].is_ascii_digit();
    let year = |word: &[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    rest.len() < 1_000 && words.clone().any(|word| clock(&word)) && words.any(year)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut each = |name: &str, bytes: &[u8]| {
            all.push((name.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
            Ok(true)
        };
        one_or_many(text.as_bytes(), true, "m", &mut each)
            .unwrap()
            .unwrap();
        all
    }

    #[test]
    fn mailboxes_are_split_at_separators_only() {
        let text = "From a@b Tue Mar  3 09:00:05 2026\nA: 1\n\nFrom here on it is prose\n\n\
            From c@d Tue Mar  3 09:00:06 2026\nB: 2\n\nbody\nFrom x Tue Mar  3 09:00:06 2026\n";
        let all = split(text);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].0, "m:1");
        assert!(all[0].1.starts_with("A: 1\n\nFrom here"));
        assert!(all[1].1.ends_with("09:00:06 2026\n"));
        assert!(split("").is_empty());
    }

    #[test]
    fn mail_by_its_beginning() {
        assert!(begins_like_mail(b"Return-Path: <>\n"));
        assert!(begins_like_mail(b"From a@b x\n"));
        for text in [&b"# Samples: all"[..], b"{\"a\": 1}", b"", b"a b: c"] {
            assert!(!begins_like_mail(text));
        }
    }
}
