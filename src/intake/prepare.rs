//! Everything about a message that can be decided without the store: read it, prove its feed, name the
//! sender, judge whether it counts, compress the evidence. A function of its arguments.

use super::learnt::Learnt;
use crate::domain::attribution::{Attribution, Methods, Outcome};
use crate::domain::class;
use crate::domain::complaint::{self, Complaint};
use crate::domain::feed::checks::Checks;
use crate::domain::feed::health::Present;
use crate::domain::feed::{
    self, Arrival, Ending, Enquiry, Facts, Feed, Proof, ProofRecord, Source, Verdict, cfbl,
};
use crate::domain::filing::{Evidence, Filing};
use crate::domain::headers::Fields;
use crate::domain::ids::ReportId;
use crate::domain::report::{MessageKind, Reading};
use crate::domain::standing::{self, Standing};
use crate::formats;
use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::sync::Arc;

/// Level of compression: the fastest, which already makes a report a third of its size.
const ZSTD_LEVEL: i32 = 1;

/// What messages are judged by.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The feeds in order.
    pub feeds: Vec<Feed>,
    /// How identities are found.
    pub methods: Methods,
    /// The oldest signature that a CFBL report may bear; feeds say it for themselves.
    pub signature_age: SignedDuration,
    /// What the desk taught.
    pub learnt: Arc<Learnt>,
}

/// What is known of a message beyond its bytes and its arrival when it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'c> {
    /// What was found out with the help of DNS; none where nobody asked.
    pub checks: Option<&'c Checks>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it is judged.
    pub at: Timestamp,
    /// How often it was judged, this time included.
    pub tries: u32,
    /// Nothing more will be found out: what is unknown does not hold.
    pub finally: bool,
    /// The name it was filed under, where it is judged again.
    pub known_as: Option<ReportId>,
}

impl<'c> Trial<'c> {
    /// The first judgement of a message that came just now.
    pub fn first(checks: Option<&'c Checks>, now: Timestamp) -> Self {
        Self {
            checks,
            received_at: now,
            at: now,
            tries: 1,
            finally: false,
            known_as: None,
        }
    }
}

/// A filing, and what the metrics want to know besides.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What goes to the store.
    pub filing: Filing,
    /// Codes of the report's defects.
    pub defects: Vec<&'static str>,
    /// Which of the watched fields it has.
    pub present: Present,
    /// Why tokens in it were worth nothing.
    pub token_failures: Vec<&'static str>,
    /// The feed that it most likely claims to be from, where it proves none.
    pub nearest: Option<String>,
}

/// Where a message is judged to come from.
struct Origin<'f> {
    source: Source<'f>,
    /// Why, where there is more to say.
    reason: Option<&'static str>,
}

impl Judge {
    /// What must be asked of DNS before a message that came at `received_at` can be judged; none for nearly all:
    /// those that the session proves, those that are not signed, and those that no feed could be the source of.
    /// `thorough` takes no short cut.
    pub fn enquire(
        &self,
        arrival: &Arrival,
        message: &[u8],
        received_at: Timestamp,
        thorough: bool,
    ) -> Option<Enquiry> {
        let facts = self.facts(arrival, message, None, received_at);
        let mut enquiry = Enquiry::of(&self.feeds, facts);
        let may_need_cfbl = match feed::prove(&self.feeds, facts, false) {
            Source::Proven(feed) => !feed.cfbl_unsigned,
            Source::Unknown => true,
            Source::Nobody => false,
        };
        if feed::prove(&self.feeds, facts, false) != Source::Nobody {
            enquiry.keys = self.own_keys(message);
        }
        // Where something is asked, the signatures that nobody looked at would count as none: what may hide the
        // words in an encoding is looked at, too.
        let may_be_cfbl =
            || mentions_cfbl(message) || (!enquiry.is_empty() && mentions_encoding(message));
        if may_need_cfbl && is_signed(message) && (thorough || may_be_cfbl()) {
            enquiry.dkim.push(cfbl::demand(self.signature_age));
        }
        (!enquiry.is_empty()).then_some(enquiry)
    }

    /// Reads and judges a message that arrived at `now`, without asking anybody.
    pub fn prepare(&self, arrival: Arrival, message: &[u8], now: Timestamp) -> Prepared {
        self.prepare_with(arrival, message, Trial::first(None, now))
    }

    /// Reads and judges a message by what is known of it.
    pub fn prepare_with(&self, arrival: Arrival, message: &[u8], trial: Trial<'_>) -> Prepared {
        self.judge(arrival, message, None, None, trial)
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
        Some(self.judge(arrival, message, Some(feed), None, Trial::first(None, now)))
    }

    /// Judges a stored message again, whose feed was proven when it came and whose sender a person names. None when
    /// no feed has that name any more.
    pub fn prepare_by_hand(
        &self,
        feed: &str,
        arrival: Arrival,
        message: &[u8],
        by_hand: Attribution,
        trial: Trial<'_>,
    ) -> Option<Prepared> {
        let feed = self.feeds.iter().find(|f| f.name == feed)?;
        Some(self.judge(arrival, message, Some(feed), Some(by_hand), trial))
    }

    fn facts<'a>(
        &self,
        arrival: &'a Arrival,
        message: &[u8],
        checks: Option<&'a Checks>,
        received_at: Timestamp,
    ) -> Facts<'a> {
        let asks = |feed: &Feed| has_dkim(&feed.proof);
        Facts {
            arrival,
            signed: self.feeds.iter().any(asks) && is_signed(message),
            checks,
            received_at,
        }
    }

    /// The source of a message by its proofs, and by what CFBL asks besides.
    fn origin<'f>(
        &'f self,
        reading: &Reading<'_>,
        facts: Facts<'_>,
        finally: bool,
        message: &[u8],
    ) -> Origin<'f> {
        let source = feed::prove(&self.feeds, facts, finally);
        let Source::Proven(feed) = source else {
            return Origin {
                source,
                reason: None,
            };
        };
        if feed.cfbl_unsigned || !cfbl::is_report(feed, &reading.headers, facts) {
            return Origin {
                source,
                reason: None,
            };
        }
        let facts = Facts {
            signed: is_signed(message),
            ..facts
        };
        match cfbl::verdict(self.signature_age, facts) {
            Verdict::Proven => Origin {
                source,
                reason: None,
            },
            Verdict::Unknown if !finally => Origin {
                source: Source::Unknown,
                reason: None,
            },
            Verdict::Unknown | Verdict::NotProven => Origin {
                source: Source::Nobody,
                reason: Some(cfbl::reason(facts.checks)),
            },
        }
    }

    fn judge(
        &self,
        arrival: Arrival,
        message: &[u8],
        assured: Option<&Feed>,
        by_hand: Option<Attribution>,
        trial: Trial<'_>,
    ) -> Prepared {
        let reading = formats::read(message);
        let facts = self.facts(&arrival, message, trial.checks, trial.received_at);
        let origin = match assured {
            Some(feed) => Origin {
                source: Source::Proven(feed),
                reason: None,
            },
            None => self.origin(&reading, facts, trial.finally, message),
        };
        let feed = match origin.source {
            Source::Proven(feed) => Some(feed),
            Source::Unknown | Source::Nobody => None,
        };
        let outcome = match by_hand {
            Some(named) => self.methods.outcome_of(named),
            None => self.outcome(&reading, feed, &arrival, message, trial),
        };
        let mut standing = standing::judge(&reading, feed, &outcome);
        let Outcome {
            attribution,
            token_failures,
            ..
        } = outcome;
        // What no proof could make count need not wait for one.
        let waits = origin.source == Source::Unknown
            && standing == Standing::Unproven
            && reading.kind != Some(MessageKind::ForwardedReport);
        if waits {
            standing = Standing::Pending;
        }
        let nearest = match standing {
            Standing::Unproven => feed::nearest(&self.feeds, facts).map(|f| f.name.clone()),
            _ => None,
        };
        let id = trial
            .known_as
            .unwrap_or_else(|| name(&arrival, message, feed, waits));
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
                    weight: feed.weight_with(&kind, reading.report.incidents),
                    feedback_type: kind,
                    message: key,
                    complainant,
                    may: feed.may,
                    strength: attribution.strength().unwrap_or_default(),
                    class: class::class(&reading.headers),
                    received_at: trial.received_at,
                })
            }
            _ => None,
        };
        let present = Present::of(&reading, attribution.identity().is_some());
        let filing = Filing {
            id,
            received_at: trial.received_at,
            feed: feed.map(|f| f.name.clone()),
            proof: record(&origin, trial),
            format: reading.format,
            feedback_type: reading.report.feedback_type.clone(),
            source_ip: reading.report.source_ip,
            message_id: reading.original.as_ref().and_then(|o| o.message_id.clone()),
            reading: reading.to_json().to_string(),
            attribution,
            alias: None,
            standing,
            complaint,
            evidence: match trial.known_as {
                None => compress(message),
                // It is kept already.
                Some(_) => Evidence {
                    zstd: Vec::new(),
                    size: 0,
                },
            },
            arrival,
        };
        Prepared {
            filing,
            defects: reading.defects.iter().map(|d| d.0).collect(),
            present,
            token_failures: token_failures.iter().map(|f| f.as_str()).collect(),
            nearest,
        }
    }
}

/// The name of a report. What was proven is part of it: the same bytes from an unproven source must not stand in
/// the way of the real report. While that cannot be told, all that it may depend on is part of it.
pub fn name(arrival: &Arrival, message: &[u8], feed: Option<&Feed>, waits: bool) -> ReportId {
    if waits {
        let arrival = serde_json::to_vec(arrival).unwrap_or_default();
        return ReportId::of(&[b"\0pending", &arrival, message]);
    }
    ReportId::of(&[feed.map_or(&b""[..], |f| f.name.as_bytes()), message])
}

/// The record of a proof, where there is more to say than that a feed is named or not.
fn record(origin: &Origin<'_>, trial: Trial<'_>) -> Option<String> {
    let outcome = match origin.source {
        Source::Proven(_) => Ending::Proven,
        Source::Unknown => Ending::Pending,
        Source::Nobody => Ending::NotProven,
    };
    let more = trial.checks.is_some() || origin.reason.is_some() || outcome == Ending::Pending;
    let record = || ProofRecord {
        outcome,
        reason: origin.reason.map(str::to_owned),
        at: trial.at,
        tries: trial.tries,
        checks: trial.checks.cloned(),
    };
    more.then(|| serde_json::to_string(&record()).ok())
        .flatten()
}

fn has_dkim(proof: &Proof) -> bool {
    match proof {
        Proof::Dkim(_) => true,
        Proof::All(parts) | Proof::Any(parts) => parts.iter().any(has_dkim),
        _ => false,
    }
}

/// Whether the outer headers have a DKIM signature, of whatever worth.
fn is_signed(message: &[u8]) -> bool {
    for (name, value) in Fields::new(message) {
        // A line without a colon: the empty one that ends the headers, or nonsense.
        if name.is_empty() && value.trim_ascii().is_empty() {
            return false;
        }
        if name
            .trim_ascii_end()
            .eq_ignore_ascii_case(b"dkim-signature")
        {
            return true;
        }
    }
    false
}

fn mentions_cfbl(message: &[u8]) -> bool {
    let mut dashes = memchr::memchr_iter(b'-', message);
    dashes.any(|at| at >= 4 && message[at - 4..at].eq_ignore_ascii_case(b"cfbl"))
}

/// Whether a part says that it is encoded (RFC 2045 section 6).
fn mentions_encoding(message: &[u8]) -> bool {
    let before = |at: usize, word: &[u8]| {
        at >= word.len() && message[at - word.len()..at].eq_ignore_ascii_case(word)
    };
    memchr::memchr_iter(b'-', message).any(|at| before(at, b"quoted"))
        || memchr::memchr_iter(b'6', message).any(|at| before(at, b"base"))
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
    use crate::domain::feed::Security;

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
    fn an_encoding_does_not_hide_cfbl_from_an_enquiry() {
        let judge = Judge {
            feeds: vec![Feed {
                name: "f".into(),
                proof: Proof::Spf(vec!["arf.example".into()]),
                ..Feed::default()
            }],
            signature_age: SignedDuration::from_hours(1),
            methods: Methods::default(),
            learnt: Default::default(),
        };
        let arrival = Arrival {
            client: "192.0.2.1".parse().unwrap(),
            helo: "arf.example".into(),
            mail_from: String::new(),
            rcpt_to: vec![],
            security: Security::default(),
        };
        for (body, asked) in [
            ("plain", 0),
            ("CFBL-Address: a@b.example", 1),
            ("Content-Transfer-Encoding: Base64", 1),
            ("content-transfer-encoding: QUOTED-printable", 1),
        ] {
            let message = format!("DKIM-Signature: v=1\r\nFrom: a@arf.example\r\n\r\n{body}\r\n");
            let at = Timestamp::UNIX_EPOCH;
            let enquiry = judge.enquire(&arrival, message.as_bytes(), at, false);
            assert_eq!(enquiry.unwrap().dkim.len(), asked, "{body}");
        }
    }

    #[test]
    fn an_unproven_copy_has_another_name_than_the_proven_report() {
        let judge = Judge {
            feeds: vec![Feed {
                name: "f".into(),
                proof: Proof::Network(vec!["192.0.2.0/24".parse().unwrap()]),
                ..Feed::default()
            }],
            signature_age: SignedDuration::from_hours(1),
            learnt: Arc::default(),
            methods: Methods::default(),
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
