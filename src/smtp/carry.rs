//! Carries a connection from its first octet to its last, under TLS from the beginning or from STARTTLS on. The
//! conversation itself does not know which stream it runs over.

use super::Edge;
use super::connection::converse;
use super::deadlines::Deadlines;
use super::door::TlsMode;
use super::session::Session;
use crate::clock::tick;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// Carries a session to its end.
pub async fn carry<S>(stream: S, session: Session, edge: &Edge, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut deadlines = Deadlines::new(&edge.settings, tick());
    let secured = match session.peer().door.tls {
        TlsMode::Implicit => Some((stream, session)),
        _ => converse(stream, session, edge, shutdown, &mut deadlines).await,
    };
    if let Some((stream, session)) = secured {
        // Apart, so that sessions that never come here need no room for it.
        Box::pin(secure(stream, session, edge, shutdown, &mut deadlines)).await;
    }
}

/// The handshake, and what is said after it. Without a certificate there is nothing to say.
async fn secure<S>(
    stream: S,
    mut session: Session,
    edge: &Edge,
    shutdown: &CancellationToken,
    deadlines: &mut Deadlines<'_>,
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
        converse(stream, session, edge, shutdown, deadlines).await;
    }
}
