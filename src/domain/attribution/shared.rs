//! The shared class: identities behind which many customers sit. A lock would hit them all, so such an identity is
//! recorded and shown but never locked automatically.

use super::IdentificationMethod;
use crate::domain::identity::Identity;
use crate::domain::pattern::IdentityPattern;
use std::net::IpAddr;

/// What is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Identities that are known to be.
    pub patterns: Vec<IdentityPattern>,
    /// Whether an identity that reads like a domain (`customer.example`) is one. Off, only the outgoing user's own
    /// domain, our domains, and `@domain` are.
    pub domains: bool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            domains: true,
        }
    }
}

impl Shared {
    /// Why the identity is shared; none where it is one customer's. A web host named by its script is one site.
    pub fn why(
        &self,
        identity: &Identity,
        method: IdentificationMethod,
        own_domains: &[String],
    ) -> Option<&'static str> {
        let value = identity.value.as_str();
        if self.patterns.iter().any(|p| p.matches(identity)) {
            return Some("by identification.shared");
        }
        let bare = value.trim_matches(|c| "[]".contains(c));
        let bare = bare.strip_prefix("ipv6:").unwrap_or(bare);
        let (local, domain) = match value.rsplit_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, value),
        };
        if bare.parse::<IpAddr>().is_ok()
            || local.is_some_and(|local| local.parse::<IpAddr>().is_ok())
        {
            return Some("it is an address of a whole server");
        }
        if matches!(local, Some("" | "*")) {
            return Some("its username is empty");
        }
        if local.is_some() {
            return None;
        }
        let user = identity.outgoing_user.as_ref();
        let known = user.is_some_and(|user| user.domain == domain)
            || own_domains.iter().any(|own| own == domain);
        let reads_so = self.domains
            && !matches!(
                method,
                IdentificationMethod::ScriptHeader
                    | IdentificationMethod::Token
                    | IdentificationMethod::SourceIp
            )
            && reads_like_a_domain(domain);
        (known || reads_so).then_some("it is a whole domain")
    }
}

/// Two labels or more, the last of letters (or an A-label).
fn reads_like_a_domain(text: &str) -> bool {
    let mut labels = text.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let top_fits =
        top.starts_with("xn--") || top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic());
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let mut rest = labels.peekable();
    top_fits && rest.peek().is_some() && rest.all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::OutgoingUser;
    use IdentificationMethod::{IdentificationHeader, ScriptHeader};

    #[test]
    fn what_is_shared() {
        let shared = Shared {
            patterns: vec!["webmail-*".parse().unwrap()],
            domains: true,
        };
        let own = ["our.example".to_owned()];
        let why = |shared: &Shared, value: &str, method| {
            let identity = Identity {
                outgoing_user: OutgoingUser::parse("srv@single"),
                value: value.into(),
            };
            shared.why(&identity, method, &own).is_some()
        };
        for value in [
            "192.0.2.1",
            "[192.0.2.1]",
            "2001:db8::1",
            "[ipv6:2001:db8::1]",
            "192.0.2.1@b.example",
            "@b.example",
            "*@b.example",
            "b.example",
            "single",
            "our.example",
            "webmail-3@b.example",
        ] {
            assert!(why(&shared, value, IdentificationHeader), "{value}");
        }
        for value in ["bob@b.example", "bob", "1001", "bob.", "a..b", "bob.4"] {
            assert!(!why(&shared, value, IdentificationHeader), "{value}");
        }
        assert!(!why(&shared, "shop.example", ScriptHeader));
        assert!(why(&shared, "our.example", ScriptHeader));
        let lax = Shared {
            domains: false,
            ..shared
        };
        assert!(!why(&lax, "bob.smith", IdentificationHeader));
    }
}
