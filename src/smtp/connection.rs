//! One connection: moves octets between a stream and its session, and waits, with a deadline for every wait.
//! The stream may be anything that reads and writes.

use super::session::Session;
use super::step::{Awaits, Step};
use super::{Edge, Receipt, reply};
use bytes::BytesMut;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Room made for a command, and for text.
const COMMAND_READ: usize = 2 * 1024;
const TEXT_READ: usize = 32 * 1024;
/// After a close of our own we read on for a moment: unread input would make the kernel reset the connection
/// and take our last reply from the client.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 64;

enum Event {
    Read(io::Result<usize>),
    Timeout,
    Stop,
}

/// Carries a session to its end, or to where TLS takes over: then stream and session are given back. `life` is
/// the end of its time.
pub async fn converse<S>(
    mut stream: S,
    mut session: Session,
    edge: &Edge,
    shutdown: &CancellationToken,
    mut life: Pin<&mut Sleep>,
) -> Option<(S, Session)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings = &edge.settings;
    let mut input = BytesMut::new();
    let mut turn = pin!(sleep(settings.command_timeout));
    let mut stop = pin!(shutdown.cancelled());
    let mut awaited = session.awaits();
    loop {
        match session.advance(&mut input) {
            Step::Deliver(delivery) => {
                let taken = edge.inbox.deliver(delivery.envelope, delivery.message);
                let receipt = timeout(settings.delivery_timeout, taken).await;
                session.answer(&receipt.unwrap_or_else(|_| {
                    Receipt::TryLater("Not stored in time, try again".to_owned())
                }));
                drop(delivery.hold);
                continue;
            }
            Step::Authenticate(credentials) => {
                let verdict = edge.verify(session.peer().client, credentials).await;
                session.authenticated(verdict);
                continue;
            }
            // The input is empty: the session sees to that.
            Step::StartTls => {
                let written = write(&mut stream, &mut session, edge).await;
                return written.is_ok().then_some((stream, session));
            }
            Step::Write => match write(&mut stream, &mut session, edge).await {
                Ok(()) => continue,
                Err(_) => return None,
            },
            Step::Close => break,
            Step::Read => {}
        }
        if write(&mut stream, &mut session, edge).await.is_err() {
            return None;
        }
        let awaits = session.awaits();
        let in_text = matches!(awaits, Awaits::Text(_));
        // A deadline stands for a whole command or text, however slowly it trickles in.
        if awaits != awaited {
            awaited = awaits;
            turn.set(sleep(match in_text {
                true => settings.data_timeout,
                false => settings.command_timeout,
            }));
        }
        input.reserve(if in_text { TEXT_READ } else { COMMAND_READ });
        // The read comes last, or a client that never pauses would keep the others from being asked.
        let event = tokio::select! {
            biased;
            () = &mut stop, if !in_text => Event::Stop,
            () = &mut turn => Event::Timeout,
            () = &mut life => Event::Timeout,
            read = stream.read_buf(&mut input) => Event::Read(read),
        };
        match event {
            Event::Read(Ok(1..)) => {}
            Event::Read(_) => {
                if in_text {
                    tracing::info!("client left in the midst of a message");
                }
                return None;
            }
            Event::Timeout => session.break_off(&reply::TIMEOUT),
            Event::Stop => session.break_off(&reply::STOPPING),
        }
    }
    if write(&mut stream, &mut session, edge).await.is_ok() {
        // Under TLS even this writes, and so may wait.
        let linger = async {
            if stream.shutdown().await.is_ok() {
                drain(&mut stream, &mut input).await;
            }
        };
        let _ = timeout(LINGER, linger).await;
    }
    None
}

/// Writes what waits. A client that does not read it in time is given up.
async fn write<S>(stream: &mut S, session: &mut Session, edge: &Edge) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let output = session.output();
    if output.is_empty() {
        return Ok(());
    }
    let all = async {
        stream.write_all(output).await?;
        stream.flush().await
    };
    let done = timeout(edge.settings.write_timeout, all).await;
    output.clear();
    done.unwrap_or_else(|_| {
        edge.count.refusal("slow_reader");
        tracing::info!(
            reason = "slow_reader",
            "gave up a client that does not read"
        );
        Err(io::ErrorKind::TimedOut.into())
    })
}

async fn drain<S>(stream: &mut S, input: &mut BytesMut)
where
    S: AsyncRead + Unpin,
{
    for _ in 0..LINGER_READS {
        input.clear();
        input.reserve(TEXT_READ);
        match stream.read_buf(input).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}
