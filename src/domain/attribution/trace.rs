//! Received traces: the login that one of our own servers wrote down when it took the message in (Postfix's and Zimbra's
//! `(Authenticated sender: a@b)`, Exim's `authenticated_id` where its Received line is set to hold it). Only the entry of
//! our own chain counts: lines above it tell which of our servers handed it on, lines below it are anybody's.

use super::hop::{Chain, Hop};
use crate::domain::strength::Strength;

/// How traces are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Whether the envelope sender in our line is taken for the login where the client authenticated and the line does
    /// not say as whom (Exim's `esmtpsa ... (envelope-from <a@b>)`). Only where customers may send under their own
    /// addresses alone; it is worth no more than an identification header.
    pub envelope_from: bool,
}

/// A login by our own word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trace<'h> {
    pub name: &'h str,
    pub provenance: String,
    pub strength: Strength,
}

impl Traces {
    /// The login at the entry of our chain. Our own word is as good as a proven feed's; where the feed is not proven,
    /// anybody may have made up the whole report.
    pub(super) fn find<'h>(self, hops: &'h [Hop], chain: Chain, proven: bool) -> Option<Trace<'h>> {
        let Chain::Ours { entry, .. } = chain else {
            return None;
        };
        let hop = hops.get(entry)?;
        let trace = |name, what, strength| Trace {
            name,
            provenance: format!("{what} in the Received line of our own {}", hop.by),
            strength,
        };
        match (&hop.login, &hop.envelope_from) {
            (Some(login), _) => {
                let strength = match proven {
                    true => Strength::Vouched,
                    false => Strength::Enclosed,
                };
                Some(trace(login, "login", strength))
            }
            (None, Some(sender)) if self.envelope_from && hop.is_authenticated => {
                let what = "envelope sender of an authenticated session";
                Some(trace(sender, what, Strength::Enclosed))
            }
            _ => None,
        }
    }
}
