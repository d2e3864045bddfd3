//! The outgoing user: the account at the filter that a message was sent by. Without it no lock can be asked for, and it
//! bounds the harm of a forged identity: the lock reaches only inside one outgoing user.

use crate::domain::identity::OutgoingUser;
use crate::domain::report::Reading;
use crate::domain::results::smtp_auth;
use std::borrow::Cow;

/// Where a report itself states the outgoing user.
pub(super) const STATED: &str = "smtp.auth of the report's Authentication-Results";

/// What was found of the outgoing user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSearch {
    /// Who, and where it was read.
    Found(OutgoingUser, &'static str),
    /// Different ones are named.
    Ambiguous,
    /// None is named where it may be believed.
    Missing,
}

/// The outgoing user. The feedback part is the reporter's own word and comes first. The enclosed headers are
/// looked at only when `trust_enclosed`, and must agree among themselves: the spammer may write any of them,
/// and cannot take away those that the filter adds.
pub fn outgoing_user(reading: &Reading<'_>, trust_enclosed: bool) -> UserSearch {
    let stated = &reading.report.authentication_results;
    let mut stated = stated.iter().filter_map(|value| smtp_auth(value));
    if let Some(user) = stated.next() {
        return match stated.all(|other| other == user) {
            true => UserSearch::Found(user, STATED),
            false => UserSearch::Ambiguous,
        };
    }
    if !trust_enclosed {
        return UserSearch::Missing;
    }
    let headers = &reading.headers;
    let mut found: Option<(OutgoingUser, &'static str)> = None;
    let pairs = [
        (
            "X-Spampanel-Domain",
            "X-Spampanel-Username",
            "X-Spampanel-Domain and -Username of the enclosed message",
        ),
        (
            "X-SpamExperts-Domain",
            "X-SpamExperts-Username",
            "X-SpamExperts-Domain and -Username of the enclosed message",
        ),
    ];
    let named = pairs.iter().flat_map(|(domain, username, source)| {
        let domains: Vec<_> = headers.all(domain).collect();
        let usernames: Vec<_> = headers.all(username).collect();
        let longest = domains.len().max(usernames.len());
        let at = |list: &[Cow<'_, str>], i: usize| list.get(i).map(ToString::to_string);
        (0..longest).map(move |i| {
            let domain = at(&domains, i).unwrap_or_default();
            let username = at(&usernames, i).unwrap_or_default();
            (OutgoingUser::new(&domain, &username), *source)
        })
    });
    let authenticated = headers.all("Authentication-Results").filter_map(|value| {
        let user = smtp_auth(&value)?;
        Some((
            Some(user),
            "smtp.auth of the enclosed Authentication-Results",
        ))
    });
    for (user, source) in named.chain(authenticated) {
        match (user, &found) {
            // A half, or one that cannot be: somebody meddled with it.
            (None, _) => return UserSearch::Ambiguous,
            (Some(user), Some((first, _))) if user != *first => return UserSearch::Ambiguous,
            (Some(_), Some(_)) => {}
            (Some(user), None) => found = Some((user, source)),
        }
    }
    match found {
        Some((user, source)) => UserSearch::Found(user, source),
        None => UserSearch::Missing,
    }
}
