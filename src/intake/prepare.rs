//! Everything about a message that can be decided without the store: read it, prove its feed, name the
//! sender, judge whether it counts, compress the evidence. A function of its arguments.

use crate::domain::attribution::{self, Methods};
use crate::domain::complaint::{self, Complaint};
use crate::domain::feed::{self, Arrival, Feed};
use crate::domain::filing::{Evidence, Filing};
use crate::domain::ids::ReportId;
use crate::domain::standing::{self, Standing};
use crate::formats;
use jiff::Timestamp;
use std::cell::RefCell;

/// Level of compression: the fastest, which already makes a report a third of its size.
const ZSTD_LEVEL: i32 = 1;

/// What messages are judged by.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The feeds in order.
    pub feeds: Vec<Feed>,
    /// How identities are found.
    pub methods: Methods,
}

/// A filing, and what the metrics want to know besides.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What goes to the store.
    pub filing: Filing,
    /// Codes of the report's defects.
    pub defects: Vec<&'static str>,
}

impl Judge {
    /// Reads and judges a message that arrived at `now`.
    pub fn prepare(&self, arrival: Arrival, message: &[u8], now: Timestamp) -> Prepared {
        let feed = feed::prove(&self.feeds, &arrival);
        self.judge(arrival, message, feed, now)
    }

    /// Reads and judges a message whose feed is known by other means than its arrival: somebody with access
    /// to this machine says so. None when no feed has that name.
    pub fn prepare_as(
        &self,
        feed: &str,
        arrival: Arrival,
        message: &[u8],
        now: Timestamp,
    ) -> Option<Prepared> {
        let feed = self.feeds.iter().find(|f| f.name == feed)?;
        Some(self.judge(arrival, message, Some(feed), now))
    }

    fn judge(
        &self,
        arrival: Arrival,
        message: &[u8],
        feed: Option<&Feed>,
        now: Timestamp,
    ) -> Prepared {
        let reading = formats::read(message);
        let attribution = attribution::attribute(
            &reading,
            &self.methods,
            feed.is_some_and(|feed| feed.trust_enclosed_user),
        );
        let standing = standing::judge(&reading, feed, &attribution);
        // What was proven is part of the name: the same bytes from an unproven source must not stand in
        // the way of the real report.
        let id = ReportId::of(&[feed.map_or(&b""[..], |f| f.name.as_bytes()), message]);
        let complaint = match (standing, feed, attribution.identity()) {
            (Standing::Counted, Some(feed), Some(identity)) => {
                let identity = identity.id();
                let key = complaint::message_key(&reading);
                let kind = standing::feedback_type(&reading);
                let complainant = complaint::complainant_key(&reading);
                Some(Complaint {
                    id: complaint::complaint_id(identity, &feed.name, key, complainant),
                    report: id,
                    identity,
                    feed: feed.name.clone(),
                    weight: feed.weight_of(&kind),
                    feedback_type: kind,
                    message: key,
                    complainant,
                    received_at: now,
                })
            }
            _ => None,
        };
        let filing = Filing {
            id,
            received_at: now,
            feed: feed.map(|f| f.name.clone()),
            format: reading.format,
            feedback_type: reading.report.feedback_type.clone(),
            source_ip: reading.report.source_ip,
            message_id: reading.original.as_ref().and_then(|o| o.message_id.clone()),
            reading: reading.to_json().to_string(),
            attribution,
            standing,
            complaint,
            evidence: compress(message),
            arrival,
        };
        Prepared {
            filing,
            defects: reading.defects.iter().map(|d| d.0).collect(),
        }
    }
}

/// Compresses a message. A context is kept for each thread: making one costs more than a report.
fn compress(message: &[u8]) -> Evidence {
    thread_local! {
        static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    let compressed = CONTEXT.with_borrow_mut(|context| {
        if context.is_none() {
            *context = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        context.as_mut().and_then(|c| c.compress(message).ok())
    });
    Evidence {
        // Compression fails only for want of memory; the bytes are then kept as a stored block.
        zstd: compressed.unwrap_or_else(|| stored_frame(message)),
        size: message.len() as u64,
    }
}

/// A zstd frame of raw blocks (RFC 8878 section 3.1.1.2.2): no compression, no working memory.
fn stored_frame(message: &[u8]) -> Vec<u8> {
    const MOST: usize = 128 << 10;
    // Magic number; descriptor: single segment, eight-octet content size, no checksum, no dictionary.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
    frame.extend((message.len() as u64).to_le_bytes());
    let mut blocks = message.chunks(MOST).peekable();
    if blocks.peek().is_none() {
        frame.extend([1, 0, 0]);
    }
    while let Some(block) = blocks.next() {
        let last = u32::from(blocks.peek().is_none());
        let header = (block.len() as u32) << 3 | last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribution::HeaderMissing;
    use crate::domain::feed::Security;
    use crate::domain::feed::{Demand, Proof};

    #[test]
    fn stored_frames_decompress() {
        for size in [0usize, 1, 1000, 128 << 10, (128 << 10) + 1, 300_000] {
            let message: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
            for zstd in [stored_frame(&message), compress(&message).zstd] {
                assert_eq!(zstd::bulk::decompress(&zstd, size + 1).unwrap(), message);
            }
        }
    }

    #[test]
    fn an_unproven_copy_has_another_name_than_the_proven_report() {
        let judge = Judge {
            feeds: vec![Feed {
                name: "f".into(),
                proofs: vec![Proof::Network(vec!["192.0.2.0/24".parse().unwrap()])],
                demand: Demand::All,
                tls: false,
                trust_enclosed_user: false,
                weight: 1,
                weights: Default::default(),
            }],
            methods: Methods {
                order: vec![],
                headers: vec![],
                header_missing: HeaderMissing::NextMethod,
            },
        };
        let arrival = |client: &str| Arrival {
            client: client.parse().unwrap(),
            helo: "h".into(),
            mail_from: String::new(),
            rcpt_to: vec![],
            security: Security::default(),
        };
        let prepare = |client: &str| {
            judge
                .prepare(arrival(client), b"x", Timestamp::UNIX_EPOCH)
                .filing
        };
        assert_eq!(prepare("192.0.2.1").id, prepare("192.0.2.2").id);
        assert_ne!(prepare("192.0.2.1").id, prepare("198.51.100.1").id);
        assert_eq!(prepare("198.51.100.1").feed, None);
    }
}
