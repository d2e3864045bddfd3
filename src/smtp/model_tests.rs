//! The whole edge against a small model of it. The model reads the whole stream at once and octet by octet,
//! with none of the edge's code: what it says of a random dialogue, honest or hostile, cut anywhere and ended
//! anywhere, the edge must say too, and the messages must be the same.

use super::*;
use proptest::prelude::*;

const MAX_RECIPIENTS: usize = 2;
const MAX_MESSAGES: u32 = 4;
const MAX_ERRORS: u32 = 6;
const MAX_SIZE: u64 = 100;
const MAX_IN_FLIGHT: u64 = 80;
const MAX_LINE: usize = 30;
const MAX_COMMAND: usize = 40;

fn settings(normalise: bool) -> Settings {
    Settings {
        max_recipients: MAX_RECIPIENTS,
        max_messages: MAX_MESSAGES.into(),
        max_errors: MAX_ERRORS,
        max_message_size: 100,
        max_bytes_in_flight: 80,
        max_line: MAX_LINE,
        max_command_line: MAX_COMMAND,
        normalise: match normalise {
            true => vec!["192.0.2.1/32".parse().unwrap()],
            false => Vec::new(),
        },
        ..small()
    }
}

/// Replies by code, `250-` standing for a line that is not the last; messages; whether the session was closed.
#[derive(Debug, Default, PartialEq)]
struct Said {
    replies: Vec<String>,
    messages: Vec<(usize, Vec<u8>)>,
    closed: bool,
}

/// The model: a transaction and a place in the stream.
#[derive(Default)]
struct Model<'a> {
    stream: &'a [u8],
    at: usize,
    /// Where the pieces end that the stream comes in.
    ends: &'a [usize],
    normalise: bool,
    said: Said,
    errors: u32,
    messages: u32,
    greeted: bool,
    sender: bool,
    recipients: usize,
    refused: bool,
    /// The text of the chunks so far, and the refusal that is known.
    chunks: Option<(Vec<u8>, u16)>,
    /// The last command was a chunk that was refused.
    chunk_refused: bool,
}

impl<'a> Model<'a> {
    fn run(stream: &'a [u8], ends: &'a [usize], normalise: bool) -> Said {
        let mut model = Model {
            stream,
            ends,
            normalise,
            ..Model::default()
        };
        model.reply(220);
        while !model.said.closed && model.command().is_some() {}
        model.said
    }

    fn rest(&self) -> &'a [u8] {
        &self.stream[self.at..]
    }

    fn reply(&mut self, code: u16) {
        self.said.replies.push(format!("{code} "));
        if code == 421 || code == 221 {
            self.said.closed = true;
        }
        if code >= 500 {
            self.errors += 1;
            if self.errors == MAX_ERRORS {
                self.reply(421);
            }
        }
    }

    fn fatal(&mut self, code: u16) {
        self.reply(code);
        self.said.closed = true;
    }

    /// In a normalised network: whether more came in the piece that holds the octet before this place.
    fn check_early(&mut self) {
        let end = self.ends.iter().find(|end| **end >= self.at);
        if self.normalise && end.is_some_and(|end| *end > self.at) && !self.said.closed {
            self.fatal(503);
        }
    }

    fn forget(&mut self) {
        self.sender = false;
        self.recipients = 0;
        self.refused = false;
        self.chunks = None;
    }

    /// One command; None when the stream ends before it does.
    fn command(&mut self) -> Option<()> {
        let end = self.rest().iter().position(|octet| *octet == b'\n')?;
        let line = &self.rest()[..end];
        let Some((b'\r', line)) = line.split_last() else {
            self.fatal(500);
            return None;
        };
        self.at += end + 1;
        if line.len() + 2 > MAX_COMMAND {
            self.reply(500);
            return Some(());
        }
        if line.contains(&b'\r') || line.contains(&0) {
            self.fatal(500);
            return None;
        }
        let line = std::str::from_utf8(line).unwrap();
        self.chunk_refused &= line.starts_with("BDAT ");
        match line {
            "EHLO c" => {
                self.greeted = true;
                self.forget();
                // Name, size, (pipelining,) 8-bit, UTF-8, chunking.
                let lines = if self.normalise { 5 } else { 6 };
                self.said.replies.extend(vec!["250-".to_owned(); lines]);
                self.reply(250);
            }
            "NOOP" => self.reply(250),
            "VRFY x" => self.reply(252),
            "RSET" => {
                self.forget();
                self.reply(250);
            }
            "QUIT" => self.reply(221),
            "MAIL FROM:<>" => self.mail(0),
            "MAIL FROM:<> SIZE=81" => self.mail(81),
            "MAIL FROM:<> SIZE=101" => self.mail(101),
            "RCPT TO:<x@example.test>" => self.rcpt(true),
            "RCPT TO:<x@elsewhere.test>" => self.rcpt(false),
            "DATA" => match self.may_begin() {
                354 => {
                    self.reply(354);
                    self.check_early();
                    return if self.said.closed { None } else { self.text() };
                }
                code => self.reply(code),
            },
            "BDAT x" => self.fatal(501),
            _ => match line.strip_prefix("BDAT ") {
                Some(chunk) => return self.chunk(chunk),
                None => self.reply(500),
            },
        }
        Some(())
    }

    fn mail(&mut self, size: u64) {
        let code = match () {
            () if self.sender || !self.greeted => 503,
            () if self.messages == MAX_MESSAGES => 421,
            () if size > MAX_SIZE => 552,
            () if size > MAX_IN_FLIGHT => 452,
            () => 250,
        };
        if code == 250 {
            self.sender = true;
            self.messages += 1;
        }
        self.reply(code);
    }

    fn rcpt(&mut self, known: bool) {
        let code = match () {
            () if !self.sender || self.chunks.is_some() => 503,
            () if self.recipients == MAX_RECIPIENTS => 452,
            () if !known => 550,
            () => 250,
        };
        self.recipients += usize::from(code == 250);
        self.refused |= code == 550;
        self.reply(code);
    }

    fn may_begin(&self) -> u16 {
        match () {
            () if self.chunks.is_some() => 503,
            () if self.recipients > 0 => 354,
            () if self.sender && self.refused => 554,
            () => 503,
        }
    }

    /// Text up to CRLF.CRLF.
    fn text(&mut self) -> Option<()> {
        let mut text = Vec::new();
        let mut code = 0;
        let mut line = 0;
        loop {
            if line == 0 && self.rest().starts_with(b".\r\n") {
                self.at += 3;
                break;
            }
            let octet = *self.rest().first()?;
            let next = self.rest().get(1);
            if line == 0 && octet == b'.' {
                // What is behind it decides whether it is the end.
                match (next?, self.rest().get(2)) {
                    (b'\r', None) => return None,
                    _ => {
                        self.at += 1;
                        line = 1;
                        continue;
                    }
                }
            }
            if octet == b'\r' {
                next?;
            }
            let ends = octet == b'\r' && next == Some(&b'\n');
            if !ends && [b'\r', b'\n', 0].contains(&octet) && !self.normalise {
                self.fatal(550);
                return None;
            }
            let taken = if ends { 2 } else { 1 };
            text.extend_from_slice(&self.rest()[..taken]);
            self.at += taken;
            line += taken;
            if line > MAX_LINE {
                code = code.max(500);
            }
            line = if ends { 0 } else { line };
        }
        self.end(text, code);
        self.check_early();
        Some(())
    }

    fn chunk(&mut self, chunk: &str) -> Option<()> {
        let (size, last) = match chunk.strip_suffix(" LAST") {
            Some(size) => (size, true),
            None => (chunk, false),
        };
        let size: usize = size.parse().unwrap();
        let code = match (&self.chunks, self.may_begin()) {
            (Some(_), _) | (None, 354) => 0,
            (None, code) => code,
        };
        let octets = self.rest().get(..size)?;
        self.at += size;
        if code > 0 {
            self.refuse_chunk(code);
            return Some(());
        }
        let (mut text, mut code) = self.chunks.take().unwrap_or_default();
        text.extend_from_slice(octets);
        code = code.max(refusal_by_size(&text));
        if text
            .split_inclusive(|octet| *octet == b'\n')
            .any(|line| line.len() > MAX_LINE)
        {
            code = code.max(500);
        }
        if last {
            self.end(text, code);
        } else {
            self.chunks = Some((text, code));
            match code {
                0 => self.reply(250),
                code => self.refuse_chunk(code),
            }
        }
        Some(())
    }

    /// One error, however many chunks it takes.
    fn refuse_chunk(&mut self, code: u16) {
        if self.chunk_refused {
            self.said.replies.push(format!("{code} "));
        } else {
            self.chunk_refused = true;
            self.reply(code);
        }
    }

    fn end(&mut self, text: Vec<u8>, code: u16) {
        let code = code.max(refusal_by_size(&text));
        let recipients = self.recipients;
        self.forget();
        match code {
            0 => {
                self.reply(if text.starts_with(b"busy") { 451 } else { 250 });
                self.said.messages.push((recipients, text));
            }
            code => self.reply(code),
        }
    }
}

fn refusal_by_size(text: &[u8]) -> u16 {
    match text.len() as u64 {
        size if size > MAX_SIZE => 552,
        size if size > MAX_IN_FLIGHT => 452,
        _ => 0,
    }
}

/// The edge itself, given the stream in the same pieces.
fn edge_says(stream: &[u8], ends: &[usize], normalise: bool) -> Said {
    let mut played = Played::new(&edge(settings(normalise)));
    let mut from = 0;
    for end in ends {
        played.send(&stream[from..*end]);
        from = *end;
    }
    Said {
        replies: String::from_utf8(played.out)
            .unwrap()
            .lines()
            .map(|line| line[..4].to_owned())
            .collect(),
        messages: played
            .taken
            .into_iter()
            .map(|(envelope, text)| (envelope.rcpt_to.len(), text))
            .collect(),
        closed: played.closed,
    }
}

/// Text made of what framing turns on.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![&b"x"[..], b"xxxxxxxxx", b"\r\n", b".", b"..", b".\r\n", b"busy"]),
        1 => prop::sample::select(vec![&b"\r"[..], b"\n", b"\0", b"\n.\n", b"\r.\r", b"\r\r\n", b"QUIT\r\n"]),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Text that an honest client sends.
fn clean() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        &b"x\r\n"[..],
        b"..\r\n",
        b"\r\n",
        b"...x\r\n",
        b"xxxxxxxxxxxxxxxxxxx\r\n",
    ]);
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

fn chunk(text: Vec<u8>, announced: isize, last: bool) -> Vec<u8> {
    let size = text.len().saturating_add_signed(announced);
    let last = if last { " LAST" } else { "" };
    [format!("BDAT {size}{last}\r\n").into_bytes(), text].concat()
}

/// What a client may send at a time.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let line = |weight: u32, line: &'static str| {
        (weight, Just(format!("{line}\r\n").into_bytes()).boxed())
    };
    let off = prop_oneof![9 => Just(0isize), 1 => -3isize..4];
    let envelope = b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n";
    let whole =
        clean().prop_map(move |text| [&envelope[..], b"DATA\r\n", &text, b".\r\n"].concat());
    let nobody = b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<x@elsewhere.test>\r\n";
    let refused = (text(), any::<bool>(), any::<bool>()).prop_map(move |(text, chunked, last)| {
        let text = if chunked {
            chunk(text, 0, last)
        } else {
            b"DATA\r\n".to_vec()
        };
        [&nobody[..], &text].concat()
    });
    let chunked = (text(), text()).prop_map(move |(one, two)| {
        [envelope.to_vec(), chunk(one, 0, false), chunk(two, 0, true)].concat()
    });
    let attack = text().prop_map(|text| [b"DATA\r\n", &text[..], b"\r\n.\r\n"].concat());
    proptest::strategy::Union::new_weighted(vec![
        line(3, "EHLO c"),
        line(1, "NOOP"),
        line(1, "VRFY x"),
        line(1, "RSET"),
        line(1, "QUIT"),
        line(4, "MAIL FROM:<>"),
        line(1, "MAIL FROM:<> SIZE=81"),
        line(1, "MAIL FROM:<> SIZE=101"),
        line(6, "RCPT TO:<x@example.test>"),
        line(2, "RCPT TO:<x@elsewhere.test>"),
        line(2, "DATA"),
        line(1, "BDAT x"),
        line(1, "A2345678901234567890123456789012345678901"),
        (12, whole.boxed()),
        (12, chunked.boxed()),
        (2, refused.boxed()),
        (3, attack.boxed()),
        (
            6,
            (text(), off, any::<bool>())
                .prop_map(|(t, off, last)| chunk(t, off, last))
                .boxed(),
        ),
        (2, text().boxed()),
        (2, Just(b"\r\n.\r\n".to_vec()).boxed()),
    ])
}

fn dialogue() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let begin = prop::sample::select(vec![
        &b""[..],
        b"EHLO c\r\n",
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\n",
    ]);
    let parts = prop::collection::vec(part(), 0..16);
    let cuts = prop::collection::vec(prop_oneof![3 => 1usize..4, 1 => 1usize..80], 0..120);
    (begin, parts, cuts, 0.0..1.2f64).prop_map(|(begin, parts, cuts, part)| {
        let mut stream = [begin, &parts.concat()].concat();
        // Some clients vanish.
        stream.truncate((stream.len() as f64 * part.min(1.0)) as usize);
        let mut ends: Vec<usize> = cuts
            .iter()
            .scan(0, |at, cut| {
                *at += cut;
                Some(*at)
            })
            .take_while(|end| *end < stream.len())
            .collect();
        ends.push(stream.len());
        (stream, ends)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn the_edge_does_as_the_model((stream, ends) in dialogue(), normalise in prop::bool::weighted(0.3)) {
        let want = Model::run(&stream, &ends, normalise);
        let got = edge_says(&stream, &ends, normalise);
        prop_assert_eq!(got, want, "{}", stream.escape_ascii());
    }
}

/// The dialogues reach what they are made for; otherwise the property would hold of nothing.
#[test]
fn the_dialogues_reach_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut codes, mut messages, mut closed) = (std::collections::BTreeMap::new(), 0, 0);
    for _ in 0..1_500 {
        let (stream, ends) = dialogue().new_tree(&mut runner).unwrap().current();
        let said = Model::run(&stream, &ends, false);
        for code in said.replies {
            *codes.entry(code).or_insert(0) += 1;
        }
        messages += said.messages.len();
        closed += usize::from(said.closed);
    }
    for code in [
        "220 ", "221 ", "250 ", "250-", "252 ", "354 ", "421 ", "451 ", "452 ", "500 ", "501 ",
        "503 ", "550 ", "552 ", "554 ",
    ] {
        assert!(
            codes.get(code).is_some_and(|n| *n >= 10),
            "{code}: {codes:?}"
        );
    }
    assert!(
        messages > 500 && closed > 300,
        "{messages} {closed} {codes:?}"
    );
}
