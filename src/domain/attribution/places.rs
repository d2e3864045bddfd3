//! Where tokens stand in a report, and what to make of several.

use super::token::{self, Bearer, Failure, Place, Tokens};
use crate::domain::identity::OutgoingUser;
use crate::domain::report::Reading;
use jiff::Timestamp;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenSearch {
    /// A name, its outgoing user, and where it stood.
    Found(String, Option<OutgoingUser>, String),
    /// Good tokens that name different bearers: all but one of them were copied.
    Ambiguous,
    Missing,
}

/// Looks for tokens in all configured places. `failures` gets those that are worth nothing, each reason once.
pub(super) fn search(
    tokens: &Tokens,
    reading: &Reading<'_>,
    recipients: &[String],
    at: Timestamp,
    failures: &mut Vec<Failure>,
) -> TokenSearch {
    if tokens.keys.is_empty() {
        return TokenSearch::Missing;
    }
    let mut found: Option<(Bearer, String)> = None;
    let mut ambiguous = false;
    let mut look = |text: &str, place: &str| {
        for candidate in token::candidates(text) {
            match tokens.keys.check(candidate, at) {
                Ok(claim) => match &found {
                    Some((first, _)) => ambiguous |= *first != claim.bearer,
                    None => {
                        let provenance = format!("token in {place} (key {})", claim.key);
                        found = Some((claim.bearer, provenance));
                    }
                },
                Err(failure) if failures.contains(&failure) => {}
                Err(failure) => failures.push(failure),
            }
        }
    };
    let headers = |name: &'static str| reading.headers.all(name).take(MOST_VALUES);
    for place in &tokens.places {
        match place {
            Place::Recipient => {
                for recipient in recipients.iter().take(MOST_VALUES) {
                    look(recipient, "the report's recipient");
                }
            }
            Place::ReturnPath => {
                let sender = reading.report.original_mail_from.as_deref();
                look(sender.unwrap_or_default(), "Original-Mail-From");
                headers("Return-Path").for_each(|value| look(&value, "Return-Path"));
            }
            Place::FeedbackId => {
                headers("CFBL-Feedback-ID").for_each(|value| look(&value, "CFBL-Feedback-ID"));
            }
            Place::MessageId => {
                headers("Message-ID").for_each(|value| look(&value, "Message-ID"));
                let id = reading
                    .original
                    .as_ref()
                    .and_then(|o| o.message_id.as_deref());
                look(id.unwrap_or_default(), "Message-ID");
            }
        }
    }
    for name in &tokens.headers {
        for value in reading.headers.all(name).take(MOST_VALUES) {
            look(&value, &format!("header {name}"));
        }
    }
    match found {
        _ if ambiguous => TokenSearch::Ambiguous,
        Some((Bearer::Identity(value, user), provenance)) => {
            TokenSearch::Found(value, user, provenance)
        }
        Some((Bearer::Reference(text), provenance)) => TokenSearch::Found(text, None, provenance),
        None => TokenSearch::Missing,
    }
}

/// Values of one place that are looked at.
const MOST_VALUES: usize = 16;
