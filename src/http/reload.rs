//! Reloading over HTTP: `POST /api/v1/reload` reads the configuration again, and answers with what was taken up
//! and what needs a restart. Only with the bearer token of the configuration.

use super::locks::{Switching, problem, unauthorised};
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Whoever can reload.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Reloads; what was done as JSON, or why nothing was, naming file, line and key.
    async fn reload(&self) -> Result<serde_json::Value, String>;
}

/// What the handler needs.
#[derive(Clone)]
pub(super) struct Reloading {
    pub(super) access: Switching,
    pub(super) reload: Arc<dyn Reload>,
}

/// Reloads.
pub(super) async fn post(State(at): State<Reloading>, headers: HeaderMap) -> Response {
    if !at.access.allows(&headers) {
        return unauthorised();
    }
    match at.reload.reload().await {
        Ok(done) => Json(done).into_response(),
        Err(why) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}
