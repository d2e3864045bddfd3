//! What a look-up service answers: JSON with the identity that the filter knows, its outgoing user, the account and a
//! contact, all of them optional. Read within bounds; anything else is trouble, never a guess.

use super::rows::LONGEST;
use crate::domain::alias::Alias;
use crate::domain::attribution::NormalForm;
use crate::domain::identity::{Identity, OutgoingUser};
use serde::Deserialize;

/// Where it is said.
const SOURCE: &str = "aliases.url";

#[derive(Deserialize)]
struct Said {
    identity: Option<String>,
    username: Option<String>,
    domain: Option<String>,
    account: Option<Account>,
    contact: Option<String>,
}

/// Customers' numbers are numbers to many.
#[derive(Deserialize)]
#[serde(untagged)]
enum Account {
    Text(String),
    Number(u64),
}

/// Reads an answer about an identity; None when nothing is known of it.
///
/// # Errors
/// Why the answer is none. What it held is not repeated.
pub(super) fn read(
    status: u16,
    body: &[u8],
    named: &Identity,
    form: &NormalForm,
) -> Result<Option<Alias>, String> {
    match status {
        200 => {}
        204 | 404 => return Ok(None),
        status => return Err(format!("HTTP status {status}")),
    }
    let said: Option<Said> =
        serde_json::from_slice(body).map_err(|_| "the answer is not the JSON that is wanted")?;
    let Some(said) = said else {
        return Ok(None);
    };
    let value = match &said.identity {
        None => named.value.clone(),
        Some(text) => form.of(text).ok_or("its identity is none")?,
    };
    let outgoing_user = match (&said.domain, &said.username) {
        (None, None) => named.outgoing_user.clone(),
        (Some(domain), username) => {
            let username = username.as_deref().unwrap_or_default();
            Some(OutgoingUser::new(domain, username).ok_or("its domain and username are none")?)
        }
        (None, Some(_)) => return Err("its username has no domain".to_owned()),
    };
    let account = said.account.map(|account| match account {
        Account::Text(text) => text,
        Account::Number(number) => number.to_string(),
    });
    for text in [&account, &said.contact].into_iter().flatten() {
        if text.len() > LONGEST || text.contains(char::is_control) {
            return Err("its account or contact is too long, or no text".to_owned());
        }
    }
    let known = said.identity.is_some() || said.domain.is_some();
    if !known && account.is_none() && said.contact.is_none() {
        return Ok(None);
    }
    Ok(Some(Alias {
        identity: Identity {
            outgoing_user,
            value,
        },
        account,
        contact: said.contact,
        source: SOURCE.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let named = Identity {
            outgoing_user: OutgoingUser::parse("relay@shop.example"),
            value: "bob".into(),
        };
        let known = |status, body: &str| {
            let found = read(status, body.as_bytes(), &named, &NormalForm::default());
            found.map(|alias| alias.map(|a| (a.identity.to_string(), a.account)))
        };
        let bob = "bob (outgoing user relay@shop.example)".to_owned();
        for (status, body) in [(404, "<html>"), (204, ""), (200, "null"), (200, "{}")] {
            assert_eq!(known(status, body), Ok(None), "{status} {body}");
        }
        let number = known(200, r#"{"account": 4711, "more": [1]}"#);
        assert_eq!(number, Ok(Some((bob.clone(), Some("4711".into())))));
        let all =
            r#"{"identity": "<Shop@Shop.example>", "username": "mta", "domain": "Shop.example"}"#;
        let shop = "shop@shop.example (outgoing user mta@shop.example)".to_owned();
        assert_eq!(known(200, all), Ok(Some((shop, None))));
        for (status, body) in [
            (500, "{}"),
            (301, ""),
            (401, "{}"),
            (200, ""),
            (200, "<html>"),
            (200, "[]"),
            (200, r#"{"identity": ""}"#),
            (200, r#"{"identity": "a b"}"#),
            (200, r#"{"username": "x"}"#),
            (200, r#"{"domain": ""}"#),
            (200, r#"{"account": "a\u0000"}"#),
            (200, r#"{"account": -1}"#),
        ] {
            assert!(known(status, body).is_err(), "{status} {body}");
        }
        let long = format!(r#"{{"account": "{}"}}"#, "x".repeat(LONGEST + 1));
        assert!(known(200, &long).is_err());
    }
}
