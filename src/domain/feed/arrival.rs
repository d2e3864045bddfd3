//! What the SMTP session told about a message: the facts that proofs are held against. They are kept with a
//! report that cannot be proven yet, so that the proof can be taken again later.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What SMTP told about a message: the facts that proofs are held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The client's address, `::ffff:` unmapped.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// The envelope sender; empty for the null sender.
    pub mail_from: String,
    /// The envelope recipients.
    pub rcpt_to: Vec<String>,
    /// How the client's session was secured.
    #[serde(default)]
    pub security: Security,
}

/// How a session was secured: what the client proved of itself besides its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// Whether the message came under TLS.
    pub tls: bool,
    /// The client's certificate, checked against the configured authorities.
    pub certificate: Option<Certificate>,
    /// The name it authenticated as (RFC 4954).
    pub login: Option<String>,
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of its DER form, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The DNS names it was issued for (RFC 5280 section 4.2.1.6), in lower case.
    pub names: Vec<String>,
}

/// Whether mail for an address is taken where these are: each takes its plus-tags too, as in `abuse+x@` for
/// `abuse@`. So the reply at SMTP does not tell which tag is a secret one.
pub fn takes(recipients: &[String], address: &str) -> bool {
    let base = || {
        let (local, domain) = address.rsplit_once('@')?;
        let (user, _) = local.split_once('+')?;
        (!user.is_empty()).then(|| format!("{user}@{domain}"))
    };
    let is = |address: &str| recipients.iter().any(|r| r.eq_ignore_ascii_case(address));
    is(address) || base().is_some_and(|base| is(&base))
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn plus_tags_are_taken_where_their_base_is() {
        let taken = ["Abuse@a.example".to_owned(), "x+y@a.example".to_owned()];
        for (address, want) in [
            ("abuse@A.example", true),
            ("abuse+any+thing@a.example", true),
            ("abuse+@a.example", true),
            ("abuse+x@b.example", false),
            ("other@a.example", false),
            ("x@a.example", false),
            ("x+y@a.example", true),
            ("x+z@a.example", false),
            ("+abuse@a.example", false),
            ("abuse", false),
        ] {
            assert_eq!(takes(&taken, address), want, "{address}");
        }
    }
}
