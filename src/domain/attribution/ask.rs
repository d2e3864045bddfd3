//! One report, asked by one method: what each of them makes of it.

use super::dkim::{self, DkimSearch};
use super::header::{HeaderSearch, by_header};
use super::places::{self, TokenSearch};
use super::script::ScriptSearch;
use super::search::{Asked, Found, Search};
use super::source::Owner;
use super::token::Failure;
use super::user::STATED;
use super::{HeaderMissing, IdentificationMethod as Method, Reason};
use crate::domain::strength::Strength;

impl Asked<'_> {
    pub(super) fn ask(&self, method: Method) -> Search {
        match method {
            Method::IdentificationHeader => self.header(),
            Method::AuthenticatingUser => self.authenticating_user(),
            Method::ScriptHeader => self.script(),
            Method::SourceIp => self.source_ip(),
            Method::EnvelopeSender => self.sender(method, false),
            Method::OriginalMailFrom => self.sender(method, true),
            // Asked already.
            Method::Token | Method::Dkim | Method::ReceivedTrace => Search::Missing(None),
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

    pub(super) fn token(&self, failures: &mut Vec<Failure>) -> Search {
        let at = self.context.received_at;
        let recipients = self.context.recipients;
        match places::search(&self.methods.tokens, self.reading, recipients, at, failures) {
            TokenSearch::Found(name, user, provenance) => {
                match self.found(Method::Token, &name, provenance, Strength::Signed) {
                    Search::Found(found) => Search::Found(Found { user, ..found }),
                    other => other,
                }
            }
            TokenSearch::Ambiguous => Search::Nobody(Reason::Conflicting),
            TokenSearch::Missing => Search::Missing(failures.first().map(|f| match f {
                Failure::UnknownKey => Reason::TokenUnknownKey,
                Failure::BadMac => Reason::TokenBadMac,
                Failure::Expired => Reason::TokenExpired,
                Failure::Malformed => Reason::TokenMalformed,
            })),
        }
    }

    pub(super) fn dkim(&self) -> Search {
        let methods = self.methods;
        let headers = &self.reading.headers;
        let (rules, normal) = (&methods.headers, &methods.normal);
        match dkim::search(
            self.context.signatures,
            headers,
            rules,
            &methods.dkim,
            normal,
        ) {
            DkimSearch::Found(value, provenance) => {
                self.found(Method::Dkim, &value, provenance, Strength::Signed)
            }
            DkimSearch::Ambiguous => Search::Nobody(Reason::Conflicting),
            DkimSearch::Invalid => Search::Missing(Some(Reason::SignatureInvalid)),
            DkimSearch::Unchecked => Search::Missing(Some(Reason::SignatureUnchecked)),
            DkimSearch::Missing => Search::Missing(None),
        }
    }

    pub(super) fn trace(&self) -> Search {
        let (hops, proven) = (self.context.hops, self.context.proven);
        match self.methods.traces.find(hops, self.chain, proven) {
            None => Search::Missing(None),
            Some(trace) => self.found(
                Method::ReceivedTrace,
                trace.name,
                trace.provenance,
                trace.strength,
            ),
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
