//! One connection: moves octets between a stream and its session, and waits, with a deadline for every wait.
//! The stream may be anything that reads and writes.

use super::deadlines::{Deadlines, Due};
use super::session::Session;
use super::step::{Awaits, Step};
use super::{Edge, Receipt, reply};
use crate::clock::tick;
use bytes::BytesMut;
use std::future::ready;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Room made for a command, for the first one of a session that was idle, and for text.
const COMMAND_READ: usize = 2 * 1024;
const IDLE_READ: usize = 256;
const TEXT_READ: usize = 32 * 1024;
/// After a close of our own we read on for a moment: unread input would make the kernel reset the connection
/// and take our last reply from the client.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 64;

enum Event {
    Read(io::Result<usize>),
    Due,
    Stop,
}

/// Carries a session to its end, or to where TLS takes over: then stream and session are given back.
pub async fn converse<S>(
    mut stream: S,
    mut session: Session,
    edge: &Edge,
    shutdown: &CancellationToken,
    deadlines: &mut Deadlines<'_>,
) -> Option<(S, Session)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let settings = &edge.settings;
    let mut input = BytesMut::new();
    let mut timer = pin!(sleep_until(deadlines.next()));
    let mut stop = pin!(shutdown.cancelled());
    loop {
        match session.advance(&mut input) {
            Step::Deliver(delivery) => {
                let taken = edge.inbox.deliver(delivery.envelope, delivery.message);
                let receipt = timeout(settings.delivery_timeout, taken).await;
                if session.listens() {
                    input.reserve(COMMAND_READ);
                    tokio::select! {
                        biased;
                        _ = stream.read_buf(&mut input) => {}
                        () = ready(()) => {}
                    }
                }
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
            Step::Pause(pause) => {
                // A stop, or the session's end, is seen to at the next wait.
                tokio::select! {
                    () = &mut stop => {}
                    () = sleep(deadlines.at_most(pause, tick())) => {}
                }
                continue;
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
        deadlines.note(awaits, tick());
        if deadlines.next() < timer.deadline() {
            timer.as_mut().reset(deadlines.next());
        }
        let between = matches!(awaits, Awaits::Command(_));
        input.reserve(match awaits {
            Awaits::Text(_) => TEXT_READ,
            _ if input.capacity() == 0 => IDLE_READ,
            _ => COMMAND_READ,
        });
        // The read comes last, or a client that never pauses would keep the others from being asked.
        let event = tokio::select! {
            biased;
            () = &mut stop, if between => Event::Stop,
            () = &mut timer => Event::Due,
            read = stream.read_buf(&mut input) => Event::Read(read),
        };
        match event {
            Event::Read(Ok(octets @ 1..)) => deadlines.came(octets),
            Event::Read(_) => {
                if !between {
                    tracing::info!("client left in the midst of a message");
                }
                return None;
            }
            Event::Due => {
                match deadlines.passed(tick()) {
                    Some(Due::End(reply)) => session.break_off(&reply),
                    Some(Due::Rest) => give_back(&mut input, session.output()),
                    None => {}
                }
                timer.as_mut().reset(deadlines.next());
            }
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

/// Gives back what was made room for, all but what is in use.
fn give_back(input: &mut BytesMut, output: &mut Vec<u8>) {
    *input = BytesMut::from(&input[..]);
    output.shrink_to_fit();
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

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
