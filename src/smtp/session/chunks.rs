//! Messages that come in counted chunks (BDAT, RFC 3030). Where a chunk ends is known beforehand, so its octets
//! are taken as they are: bare CR and LF and NUL endanger no framing here. A chunk that is refused is read and
//! dropped all the same, or its text would be taken for commands.

use super::{Mode, Session};
use crate::smtp::body::Body;
use crate::smtp::reply::{self, Reply};
use crate::smtp::step::Delivery;
use bytes::{Buf, BytesMut};
use memchr::memchr_iter;

/// A message under way, between the first of its chunks and the last.
pub(super) struct Chunks {
    pub(super) body: Body,
    /// The number of the command that it began with.
    pub(super) begun: u64,
    /// Octets in the line that the last chunk ended in.
    line: usize,
}

impl Chunks {
    fn push(&mut self, octets: &[u8], max_line: usize) {
        let mut start = 0;
        for end in memchr_iter(b'\n', octets) {
            self.line += end + 1 - start;
            self.check(max_line);
            self.line = 0;
            start = end + 1;
        }
        self.line += octets.len() - start;
        self.check(max_line);
        self.body.push(octets);
    }

    fn check(&mut self, max_line: usize) {
        if self.line > max_line {
            self.body.refuse(reply::TEXT_LINE_TOO_LONG);
        }
    }
}

/// The chunk that is coming in.
pub(super) struct Chunk {
    left: u64,
    last: bool,
    /// Why it may not come at all; otherwise the message decides.
    refusal: Option<Reply>,
    /// What the whole message is numbered by.
    pub(super) message: u64,
}

impl Session {
    /// A chunk is announced; whatever the answer will be, its octets follow.
    pub(super) fn bdat(&mut self, size: u64, last: bool) {
        let refusal = match &self.chunks {
            Some(_) => None,
            None => self.begin_chunks(),
        };
        let mut message = self.turn;
        if let Some(chunks) = &mut self.chunks {
            chunks.body.announce(size);
            message = chunks.begun;
        }
        self.mode = Mode::Chunk(Chunk {
            left: size,
            last,
            refusal,
            message,
        });
    }

    /// Begins a message, or says why not.
    fn begin_chunks(&mut self) -> Option<Reply> {
        if self.must_secure() {
            return Some(reply::TLS_FIRST);
        }
        let refusal = match self.begin() {
            reply::GO_AHEAD => None,
            // Chunks behind this one must not pass for the message: it is begun, and refused to its end.
            reply::NO_ROOM => {
                self.ask(b"RSET\r\n", reply::OK);
                Some(reply::NO_ROOM)
            }
            refusal => return Some(refusal),
        };
        let mut body = self.new_body();
        if let Some(refusal) = refusal {
            body.refuse(refusal);
        }
        self.chunks = Some(Chunks {
            body,
            begun: self.turn,
            line: 0,
        });
        None
    }

    /// Takes what came of the chunk; true once that was all of it.
    pub(super) fn take_chunk(&mut self, input: &mut BytesMut) -> bool {
        let Mode::Chunk(chunk) = &mut self.mode else {
            return true;
        };
        let come = usize::try_from(chunk.left).map_or(input.len(), |left| left.min(input.len()));
        if let (None, Some(chunks)) = (chunk.refusal, &mut self.chunks) {
            chunks.push(&input[..come], self.edge.settings.longest_line());
        }
        input.advance(come);
        chunk.left -= come as u64;
        chunk.left == 0
    }

    /// Answers a chunk, or has the message taken that it completes.
    pub(super) fn end_of_chunk(&mut self) -> Option<Delivery> {
        let Mode::Chunk(chunk) = &self.mode else {
            return None;
        };
        let refusal = match (&self.chunks, chunk.refusal) {
            (_, Some(refusal)) => Some(refusal),
            (Some(_), None) if chunk.last => return self.end_of_text(),
            (chunks, None) => chunks.as_ref().and_then(|c| c.body.refusal()),
        };
        self.mode = Mode::Commands;
        match refusal {
            None => self.say(&reply::CHUNK_OK),
            // A client that streams its chunks makes one mistake, not one for each of them.
            Some(refusal) if self.chunk_refused => refusal.write(&mut self.out),
            Some(refusal) => {
                self.chunk_refused = true;
                self.say(&refusal);
            }
        }
        None
    }

    /// Forgets the message that is under way, if one is, as its client asked.
    pub(super) fn drop_chunks(&mut self) {
        if self.chunks.take().is_some() {
            self.ask(b".\r\n", reply::OK);
        }
    }
}
