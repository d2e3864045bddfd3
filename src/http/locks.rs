//! The switch of locks over HTTP: `GET` shows it, `POST` pauses or resumes. Only with the bearer token of the
//! configuration; without one configured the routes are not there.

use super::Seen;
use crate::clock::Clock;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// What is asked of the switch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Whether locks are to be paused.
    paused: bool,
    /// Who asks, for the audit trail.
    by: String,
    /// Why, for the audit trail.
    reason: String,
}

/// The longest name or reason.
const LONGEST: usize = 1_000;

/// What the handlers need besides.
#[derive(Clone)]
pub(super) struct Switching {
    pub(super) seen: Seen,
    pub(super) clock: Arc<dyn Clock>,
    /// A digest of the token, so that comparing takes the same time whatever was offered.
    token: blake3::Hash,
}

impl Switching {
    pub(super) fn new(seen: Seen, clock: Arc<dyn Clock>, token: &str) -> Self {
        Self {
            seen,
            clock,
            token: blake3::hash(token.as_bytes()),
        }
    }

    /// Whether the request bears the token (RFC 6750 section 2.1).
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let offered = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // blake3's own comparison takes constant time.
        offered.is_some_and(|(_, token)| blake3::hash(token.trim().as_bytes()) == self.token)
    }
}

pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    // RFC 9457.
    let body = serde_json::json!({
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}

pub(super) fn unauthorised() -> Response {
    let mut response = problem(
        StatusCode::UNAUTHORIZED,
        "the bearer token is missing or wrong",
    );
    let challenge = header::HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The switch as it stands.
pub(super) async fn get(State(at): State<Switching>, headers: HeaderMap) -> Response {
    if !at.allows(&headers) {
        return unauthorised();
    }
    match tokio::time::timeout(super::PROBE, at.seen.store.lock_switch()).await {
        Ok(Ok(switch)) => Json(switch).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "whether locks are paused could not be read");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not work")
        }
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
    }
}

/// Switches, and answers with the switch as it then stands.
pub(super) async fn post(
    State(at): State<Switching>,
    headers: HeaderMap,
    wish: Result<Json<Wish>, axum::extract::rejection::JsonRejection>,
) -> Response {
    if !at.allows(&headers) {
        return unauthorised();
    }
    let wish = match wish {
        Ok(Json(wish)) => wish,
        Err(error) => return problem(error.status(), &error.body_text()),
    };
    let fits = |text: &str| !text.trim().is_empty() && text.len() <= LONGEST;
    if !fits(&wish.by) || !fits(&wish.reason) {
        let detail = "by and reason must say something, in at most 1000 octets";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, detail);
    }
    let now = at.clock.now();
    let store = &at.seen.store;
    let switched = store.pause_locks(wish.paused, &wish.by, &wish.reason, now);
    match tokio::time::timeout(super::PROBE, switched).await {
        Ok(Ok(changed)) => {
            if changed {
                tracing::warn!(
                    paused = wish.paused,
                    by = wish.by,
                    reason = wish.reason,
                    "locks were switched"
                );
            }
            get(State(at), headers).await
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "locks could not be switched");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not work")
        }
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
    }
}
