//! Carries a connection from its first octet to its last, under TLS from the beginning or from STARTTLS on. The
//! conversation itself does not know which stream it runs over.

use super::Edge;
use super::connection::converse;
use super::door::TlsMode;
use super::session::Session;
use std::pin::{Pin, pin};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// Carries a session to its end.
pub async fn carry<S>(stream: S, session: Session, edge: &Edge, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut life = pin!(sleep(edge.settings.session_timeout));
    let secured = match session.peer().door.tls {
        TlsMode::Implicit => Some((stream, session)),
        _ => converse(stream, session, edge, shutdown, life.as_mut()).await,
    };
    if let Some((stream, session)) = secured {
        // Apart, so that sessions that never come here need no room for it.
        Box::pin(secure(stream, session, edge, shutdown, life)).await;
    }
}

/// The handshake, and what is said after it. Without a certificate there is nothing to say.
async fn secure<S>(
    stream: S,
    mut session: Session,
    edge: &Edge,
    shutdown: &CancellationToken,
    life: Pin<&mut Sleep>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(tls) = &edge.keys.tls else {
        tracing::error!("TLS is asked for and there is no certificate");
        return;
    };
    let done = tokio::select! {
        () = shutdown.cancelled() => None,
        done = Box::pin(tls.accept(stream)) => done,
    };
    if let Some((stream, security)) = done {
        session.secured(security);
        converse(stream, session, edge, shutdown, life).await;
    }
}
