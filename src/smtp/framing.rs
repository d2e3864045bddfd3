//! Octets to command lines and message text, with nothing kept but where in a line the stream stands.
//! CRLF alone ends a line (RFC 5321 section 2.3.8): all that servers have ever taken for a line end by
//! mistake is a [`Fault`], so that no message can be smuggled inside another.

use memchr::{memchr, memchr2, memchr3};

/// Octets that no well-behaved client sends; the stream cannot be trusted after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A CR without LF, or an LF without CR.
    BareLineEnd,
    /// A NUL, which neither commands nor 8-bit text may hold (RFC 2045 section 2.8).
    Nul,
}

/// What stands at the head of the input while commands are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// No whole line yet. The first `skip` octets belong to a line already too long: drop them.
    More {
        /// Octets to drop.
        skip: usize,
    },
    /// A command of `len` octets, then CRLF.
    Command {
        /// Octets before the CRLF.
        len: usize,
    },
    /// The end of a line that was too long.
    TooLong {
        /// Octets to drop, the line end included.
        used: usize,
    },
    /// The client broke the rules for line ends.
    Broken(Fault),
}

/// Finds command lines.
#[derive(Debug)]
pub struct Lines {
    max: usize,
    skipping: bool,
}

impl Lines {
    /// Lines of at most `max` octets, CRLF included.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            skipping: false,
        }
    }

    /// Looks at the head of the input, which the caller then drops as told.
    pub fn next(&mut self, input: &[u8]) -> Line {
        let Some(end) = memchr(b'\n', input) else {
            self.skipping |= input.len() > self.max;
            // The last octet stays, so that the CR before an LF is always in sight.
            let skip = if self.skipping {
                input.len().saturating_sub(1)
            } else {
                0
            };
            return Line::More { skip };
        };
        let Some(text) = input[..end].strip_suffix(b"\r") else {
            return Line::Broken(Fault::BareLineEnd);
        };
        if self.skipping || end >= self.max {
            self.skipping = false;
            return Line::TooLong { used: end + 1 };
        }
        match memchr2(b'\r', 0, text) {
            None => Line::Command { len: text.len() },
            Some(at) if text[at] == 0 => Line::Broken(Fault::Nul),
            Some(_) => Line::Broken(Fault::BareLineEnd),
        }
    }
}

/// How far the text of a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// `CRLF.CRLF` was read.
    End,
    /// The client broke the rules for line ends.
    Broken(Fault),
}

/// Finds the end of the text after DATA and takes off the dots that were doubled for transport
/// (RFC 5321 section 4.5.2).
#[derive(Debug, Default)]
pub struct Text {
    /// Octets of the current line that are already passed on; 0 at its start.
    line: usize,
    longest: usize,
    /// Whether a bare CR or LF and a NUL are octets of text like any other. They end no line even then.
    lenient: bool,
}

impl Text {
    /// Text in which a bare CR or LF and a NUL are octets like any other.
    pub fn lenient() -> Self {
        Self {
            lenient: true,
            ..Self::default()
        }
    }

    /// Passes text on in runs as long as the input allows. Gives the number of octets used: what is left
    /// must come again with more behind it.
    pub fn feed(&mut self, input: &[u8], mut pass: impl FnMut(&[u8])) -> (usize, Progress) {
        let mut run = 0;
        let mut at = 0;
        loop {
            if self.line == 0 && input.get(at) == Some(&b'.') {
                match input.get(at + 1..).unwrap_or_default() {
                    [b'\r', b'\n', ..] => {
                        pass(&input[run..at]);
                        return (at + 3, Progress::End);
                    }
                    [] | [b'\r'] => {
                        pass(&input[run..at]);
                        return (at, Progress::More);
                    }
                    _ => {
                        pass(&input[run..at]);
                        at += 1;
                        run = at;
                        self.line = 1;
                    }
                }
            }
            let Some(offset) = memchr3(b'\r', b'\n', 0, &input[at..]) else {
                self.reach(input.len() - at);
                pass(&input[run..]);
                return (input.len(), Progress::More);
            };
            let found = at + offset;
            self.reach(offset);
            match (input[found], input.get(found + 1)) {
                (b'\r', Some(b'\n')) => {
                    self.reach(2);
                    self.line = 0;
                    at = found + 2;
                }
                (b'\r', None) => {
                    pass(&input[run..found]);
                    return (found, Progress::More);
                }
                _ if self.lenient => {
                    self.reach(1);
                    at = found + 1;
                }
                (0, _) => return (found, Progress::Broken(Fault::Nul)),
                _ => return (found, Progress::Broken(Fault::BareLineEnd)),
            }
        }
    }

    /// The longest line so far, its CRLF and any doubled dot included.
    pub fn longest(&self) -> usize {
        self.longest
    }

    fn reach(&mut self, octets: usize) {
        self.line += octets;
        self.longest = self.longest.max(self.line);
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
