//! The signature of a webhook, as <https://www.standardwebhooks.com> describes it, so that receivers find a
//! library for it: HMAC-SHA-256 over identifier, time and body. Pure.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// The header that names the message: the order's identifier, the same at each try.
pub const ID: &str = "webhook-id";
/// The header with the seconds since 1970 at which it was signed.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signature: `v1,` and base64.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret in base64 begins with.
const PREFIX: &str = "whsec_";
/// The shortest key, in octets.
const LEAST: usize = 16;

/// The key.
pub(super) struct Key(hmac::Key);

impl Key {
    /// From `whsec_` and base64, or any other text, whose octets are then the key.
    pub(super) fn new(secret: &SecretString) -> Result<Self, &'static str> {
        let text = secret.expose_secret();
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|_| "begins with whsec_ but is not base64 behind it")?,
            None => text.as_bytes().to_vec(),
        };
        if key.len() < LEAST {
            return Err("is shorter than 16 octets");
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The value of the signature's header.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.0, &signed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification gives.
    #[test]
    fn as_the_specification_signs() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = Key::new(&secret).unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_are_none() {
        for bad in ["", "short", "whsec_", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
            assert!(Key::new(&SecretString::from(bad)).is_err(), "{bad}");
        }
    }
}
