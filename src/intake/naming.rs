//! What attribution needs to know of a message beside its reading: the enclosed hops, the addresses it was sent to, our own
//! signatures. Each is gathered only where a configured method wants it.

use super::prepare::{Judge, Trial};
use crate::domain::attribution::{self, Outcome};
use crate::domain::feed::{Arrival, Feed};
use crate::domain::headers::Fields;
use crate::domain::report::Reading;
use crate::formats;
use crate::proving::own_signature;

impl Judge {
    /// Keys of our own that must be asked for. Nearly no message mentions a domain that we sign for in vain.
    pub(super) fn own_keys(&self, message: &[u8]) -> Vec<(String, String)> {
        let (methods, own) = (&self.methods, &self.methods.dkim);
        let mentions = |domain: &String| memchr::memmem::find(message, domain.as_bytes()).is_some();
        if !methods.wants_signatures() || !own.dns || !own.domains.iter().any(mentions) {
            return Vec::new();
        }
        let reading = formats::read(message);
        let mut keys = own_signature::wanted(&reading.headers, own);
        keys.retain(|(domain, selector)| own.record(domain, selector).is_none());
        keys.dedup();
        keys
    }

    /// Who sent the enclosed message: by the methods, or else by what the desk taught of the feed.
    pub(super) fn outcome(
        &self,
        reading: &Reading<'_>,
        feed: Option<&Feed>,
        arrival: &Arrival,
        message: &[u8],
        trial: Trial<'_>,
    ) -> Outcome {
        let outcome = self.attribute(reading, feed, arrival, message, trial);
        let learnt = feed.and_then(|feed| {
            let trust_user = feed.trust_enclosed_user;
            let learnt = self.learnt.current();
            learnt.attribute(&feed.name, reading, trust_user, &outcome.attribution)
        });
        match learnt {
            Some(named) => Outcome {
                token_failures: outcome.token_failures,
                ..self.methods.outcome_of(named)
            },
            None => outcome,
        }
    }

    /// Who sent the enclosed message, by the methods that are configured.
    fn attribute(
        &self,
        reading: &Reading<'_>,
        feed: Option<&Feed>,
        arrival: &Arrival,
        message: &[u8],
        trial: Trial<'_>,
    ) -> Outcome {
        let methods = &self.methods;
        let mut recipients = Vec::new();
        if methods.wants_tokens() {
            recipients.clone_from(&arrival.rcpt_to);
            recipients.extend(addressed(message));
        }
        let hops = match methods.wants_hops() {
            true => formats::hops(&reading.headers),
            false => Vec::new(),
        };
        let fetched = trial.checks.map_or(&[][..], |checks| &checks.keys);
        let signatures = match methods.wants_signatures() {
            true => own_signature::verify(&reading.headers, reading.body, &methods.dkim, fetched),
            false => Vec::new(),
        };
        let context = attribution::Context {
            trust_enclosed_user: feed.is_some_and(|feed| feed.trust_enclosed_user),
            proven: feed.is_some(),
            recipients: &recipients,
            hops: &hops,
            signatures: &signatures,
            received_at: trial.received_at,
        };
        attribution::attribute(reading, methods, context)
    }
}

/// What `To` says, which may hold an alias that the envelope does not.
fn addressed(message: &[u8]) -> Vec<String> {
    const LONGEST: usize = 4_096;
    let fields = Fields::new(message).take_while(|(name, value)| {
        // A line without a colon: the empty one that ends the headers, or nonsense.
        !name.is_empty() || !value.trim_ascii().is_empty()
    });
    let to = fields.filter(|(name, _)| name.trim_ascii_end().eq_ignore_ascii_case(b"to"));
    let text =
        |value: &[u8]| String::from_utf8_lossy(&value[..value.len().min(LONGEST)]).into_owned();
    to.take(4).map(|(_, value)| text(value)).collect()
}
