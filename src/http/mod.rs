//! What can be seen of the daemon from outside: metrics for Prometheus, and whether it lives and is ready.

mod locks;
mod reload;

pub use reload::Reload;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the store may take to answer a probe or a scrape.
const PROBE: Duration = Duration::from_secs(5);
/// The largest body of a request, in octets.
const LARGEST_BODY: usize = 16 * 1024;

/// What the handlers need.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The store, asked for its health and the orders' states.
    pub store: Arc<dyn Store>,
    /// False while the daemon starts and once it drains.
    pub ready: Arc<AtomicBool>,
}

/// Who may change something over HTTP: who bears the token.
#[derive(Clone)]
pub struct Access {
    /// The token; empty for nobody.
    pub token: SecretString,
    /// Tells when.
    pub clock: Arc<dyn Clock>,
    /// Who reads the configuration again.
    pub reload: Arc<dyn Reload>,
}

/// The routes.
pub fn router(seen: Seen, access: &Access) -> Router {
    let token = access.token.expose_secret();
    let switching = match token {
        "" => Router::new(),
        _ => {
            let switching = locks::Switching::new(seen.clone(), Arc::clone(&access.clock), token);
            let reloading = reload::Reloading {
                access: switching.clone(),
                reload: Arc::clone(&access.reload),
            };
            Router::new()
                .route("/api/v1/locks", get(locks::get).post(locks::post))
                .with_state(switching)
                .merge(
                    Router::new()
                        .route("/api/v1/reload", post(reload::post))
                        .with_state(reloading),
                )
                .layer(DefaultBodyLimit::max(LARGEST_BODY))
        }
    };
    Router::new()
        .merge(switching)
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(seen)
}

/// Serves until told to stop.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    seen: Seen,
    access: Access,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(seen, &access))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn index() -> &'static str {
    concat!(
        "arfd ",
        env!("CARGO_PKG_VERSION"),
        "\n\n/metrics  figures for Prometheus\n/healthz  the process lives\n/readyz   reports can be taken\n"
    )
}

async fn healthz() -> &'static str {
    "alive\n"
}

/// Ready means: started, not draining, and the store answers.
async fn readyz(State(seen): State<Seen>) -> Response {
    let not = |why: String| {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        )
            .into_response()
    };
    if !seen.ready.load(Ordering::Relaxed) {
        return not("starting or stopping".to_owned());
    }
    match tokio::time::timeout(PROBE, seen.store.ping()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            not("the store does not work".to_owned())
        }
        Err(_) => not("the store does not answer".to_owned()),
    }
}

async fn metrics(State(seen): State<Seen>) -> Response {
    match tokio::time::timeout(PROBE, seen.store.order_counts()).await {
        Ok(Ok(counts)) => {
            for (state, count) in counts {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                seen.metrics
                    .orders
                    .with_label_values(&[state.as_str()])
                    .set(count);
            }
        }
        // All other figures are still worth having.
        Ok(Err(error)) => tracing::warn!(%error, "the orders could not be counted"),
        Err(_) => tracing::warn!("the orders could not be counted in time"),
    }
    match tokio::time::timeout(PROBE, seen.store.incident_counts()).await {
        Ok(Ok(counts)) => {
            for (state, count) in counts {
                let labels = [state.as_str()];
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                seen.metrics.incidents.with_label_values(&labels).set(count);
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "the incidents could not be counted"),
        Err(_) => tracing::warn!("the incidents could not be counted in time"),
    }
    match tokio::time::timeout(PROBE, seen.store.lock_switch()).await {
        Ok(Ok(switch)) => seen.metrics.locks_paused.set(switch.paused.into()),
        Ok(Err(error)) => tracing::warn!(%error, "whether locks are paused could not be read"),
        Err(_) => tracing::warn!("whether locks are paused could not be read in time"),
    }
    match seen.metrics.render() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
