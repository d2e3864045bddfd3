//! Asks the methods one after another, and decides what the first match is worth.

use super::header::{HeaderSearch, by_header};
use super::script::ScriptSearch;
use super::source::Owner;
use super::user::{STATED, UserSearch, outgoing_user};
use super::{Attribution, HeaderMissing, IdentificationMethod as Method, Methods, Reason};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::report::{Format, Reading};
use crate::domain::strength::Strength;

/// What is known of a report beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Whether the outgoing user may be taken from the enclosed headers: see [`Feed`](crate::domain::feed::Feed).
    pub trust_enclosed_user: bool,
}

/// The outcome of attribution with all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who, or why nobody.
    pub attribution: Attribution,
    /// Whether many customers are behind the identity, so that it is never locked automatically.
    pub shared: bool,
}

/// A match.
struct Found {
    method: Method,
    value: String,
    user: Option<OutgoingUser>,
    provenance: String,
    strength: Strength,
    shared: bool,
}

/// What a method came to.
enum Search {
    Found(Found),
    /// Nobody may be named.
    Nobody(Reason),
    /// It found nothing; perhaps it can say why.
    Missing(Option<Reason>),
}

/// Names the sender of the enclosed message.
pub fn attribute(reading: &Reading<'_>, methods: &Methods, context: Context) -> Outcome {
    let nobody = |reason, outgoing_user| Outcome {
        attribution: Attribution::Unattributed {
            reason,
            outgoing_user,
        },
        shared: reason == Reason::SharedUser,
    };
    if reading.format == Format::None {
        return nobody(Reason::NotAReport, None);
    }
    let (user, source) = match outgoing_user(reading, context.trust_enclosed_user) {
        UserSearch::Found(user, source) => (Some(user), source),
        UserSearch::Ambiguous => return nobody(Reason::UserAmbiguous, None),
        UserSearch::Missing => (None, ""),
    };
    // Who authenticated at our filter is our customer, wherever he sat.
    if user.is_none() && methods.own.is_foreign(reading) {
        return nobody(Reason::NotOurNetwork, None);
    }
    let asked = Asked {
        reading,
        methods,
        user: user.as_ref(),
        source,
    };
    let mut why = None;
    let mut note = "";
    for method in &methods.order {
        match asked.ask(*method) {
            Search::Found(found) => return identified(found, user, methods, note),
            Search::Nobody(reason) => return nobody(reason, user),
            Search::Missing(reason) => {
                if *method == Method::IdentificationHeader && !methods.headers.is_empty() {
                    note = "; no identification header was there";
                }
                why = why.or(reason);
            }
        }
    }
    let reason = why.unwrap_or_else(|| unmatched(reading));
    nobody(reason, user)
}

/// The reason where no method has one of its own.
fn unmatched(reading: &Reading<'_>) -> Reason {
    if reading.headers.is_empty() && reading.report.original_mail_from.is_none() {
        return Reason::NothingEnclosed;
    }
    match reading.redacted.contains(&"original_mail_from") {
        true => Reason::Redacted,
        false => Reason::NothingMatched,
    }
}

fn identified(found: Found, user: Option<OutgoingUser>, methods: &Methods, note: &str) -> Outcome {
    let identity = Identity {
        outgoing_user: user.or(found.user),
        value: found.value,
    };
    let domains = &methods.own.domains;
    let why = match found.shared {
        true => Some("by its map"),
        false => methods.shared.why(&identity, found.method, domains),
    };
    let mut provenance = found.provenance + note;
    if let Some(why) = why {
        provenance = format!("{provenance}; shared: {why}");
    }
    Outcome {
        attribution: Attribution::Identified {
            identity,
            method: found.method,
            provenance,
            strength: found.strength,
        },
        shared: why.is_some(),
    }
}

/// One report, asked by many methods.
struct Asked<'a> {
    reading: &'a Reading<'a>,
    methods: &'a Methods,
    user: Option<&'a OutgoingUser>,
    /// Where the user was read.
    source: &'static str,
}

impl Asked<'_> {
    fn ask(&self, method: Method) -> Search {
        match method {
            Method::IdentificationHeader => self.header(),
            Method::AuthenticatingUser => self.authenticating_user(),
            Method::ScriptHeader => self.script(),
            Method::SourceIp => self.source_ip(),
            Method::EnvelopeSender => self.sender(method, false),
            Method::OriginalMailFrom => self.sender(method, true),
            // Not for methods to say; configuration refuses them.
            Method::ByHand | Method::Learnt => Search::Missing(None),
        }
    }

    fn found(&self, method: Method, value: &str, provenance: String, strength: Strength) -> Search {
        match self.methods.normal.of(value) {
            None => Search::Missing(None),
            Some(value) => Search::Found(Found {
                method,
                value,
                user: None,
                provenance,
                strength,
                shared: false,
            }),
        }
    }

    /// A match by a map, which may know the outgoing user besides.
    fn owned(
        &self,
        method: Method,
        owner: &Owner,
        provenance: String,
        strength: Strength,
    ) -> Search {
        match self.found(method, &owner.identity, provenance, strength) {
            Search::Found(found) => Search::Found(Found {
                user: owner.outgoing_user.clone(),
                shared: owner.shared,
                ..found
            }),
            other => other,
        }
    }

    fn header(&self) -> Search {
        let methods = self.methods;
        match by_header(&self.reading.headers, &methods.headers, &methods.normal) {
            HeaderSearch::Found(value, name) => Search::Found(Found {
                method: Method::IdentificationHeader,
                value,
                user: None,
                provenance: format!("header {name} of the enclosed message"),
                strength: Strength::Enclosed,
                shared: false,
            }),
            HeaderSearch::Ambiguous => Search::Nobody(Reason::HeaderAmbiguous),
            HeaderSearch::Missing if methods.header_missing == HeaderMissing::Stop => {
                Search::Nobody(Reason::HeaderStripped)
            }
            HeaderSearch::Missing | HeaderSearch::NotConfigured => Search::Missing(None),
        }
    }

    fn authenticating_user(&self) -> Search {
        match self.user {
            None => Search::Missing(None),
            Some(user) if user.is_shared() => Search::Missing(Some(Reason::SharedUser)),
            Some(user) => {
                let strength = match self.source {
                    STATED => Strength::Vouched,
                    _ => Strength::Enclosed,
                };
                let method = Method::AuthenticatingUser;
                self.found(method, &user.to_string(), self.source.to_owned(), strength)
            }
        }
    }

    fn script(&self) -> Search {
        match self.methods.scripts.search(&self.reading.headers) {
            ScriptSearch::Found(owner, provenance) => {
                self.owned(Method::ScriptHeader, &owner, provenance, Strength::Enclosed)
            }
            ScriptSearch::Ambiguous => Search::Nobody(Reason::HeaderAmbiguous),
            ScriptSearch::Missing => Search::Missing(None),
        }
    }

    /// A stated address is the reporter's word of its own TCP session; a recovered one rests on headers.
    fn source_ip(&self) -> Search {
        let Some(ip) = self.reading.report.source_ip else {
            return Search::Missing(None);
        };
        let Some((network, owner)) = self.methods.sources.owner(ip) else {
            return Search::Missing(None);
        };
        let (strength, from) = match self.reading.derived.get("source_ip") {
            None => (Strength::Vouched, "Source-IP"),
            Some(source) => (Strength::Enclosed, source.as_str()),
        };
        let provenance = format!("{ip} in {network}, from {from}");
        self.owned(Method::SourceIp, owner, provenance, strength)
    }

    fn sender(&self, method: Method, only_stated: bool) -> Search {
        let reading = self.reading;
        let derived = reading.derived.get("original_mail_from");
        let sender = reading.report.original_mail_from.as_deref();
        // A digest or a mask is a person, but none that could be locked.
        let sender = sender.filter(|s| s.contains('@'));
        match (sender, derived) {
            (Some(sender), None) => {
                let provenance = "Original-Mail-From".to_owned();
                self.found(method, sender, provenance, Strength::Claimed)
            }
            (Some(sender), Some(source)) if !only_stated => {
                let provenance = format!("envelope sender, from {source}");
                self.found(method, sender, provenance, Strength::Claimed)
            }
            _ => Search::Missing(None),
        }
    }
}
