//! The PROXY protocol, versions 1 and 2: who the client behind a proxy is. The header is read octet for octet
//! up to its end and no further: what follows belongs to the session, or to TLS.

use ppp::{v1, v2};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header taken. Version 1 needs 107 octets; version 2 may carry 65,551, but addresses take 232 and
/// what proxies add some hundred.
const MOST: usize = 4096;
/// The longest line of version 1, its CRLF included.
const MOST_LINE: usize = 107;
/// The shortest: `PROXY UNKNOWN` and CRLF. One less than what comes before the length in version 2.
const LEAST: usize = 15;
/// Signature, version and command, family, length.
const FIXED: usize = 16;
const LINE_BEGIN: &[u8] = b"PROXY ";
/// Version 2, command LOCAL.
const LOCAL: u8 = 0x20;

/// Why there is no header to go by.
#[derive(Debug, thiserror::Error)]
pub enum NoHeader {
    /// What came is none.
    #[error("{0}")]
    Bad(&'static str),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// How far a header has come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// So many octets more belong to it at least.
    More(usize),
    /// It is whole.
    Whole(Option<IpAddr>),
}

/// Reads a header. None when the proxy speaks for nobody but itself, as in health checks, or does not know for
/// whom: then the connection's own address counts. How long this may take is up to the caller.
///
/// # Errors
/// When there is none, or only a part.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<IpAddr>, NoHeader> {
    let mut head = Vec::with_capacity(MOST_LINE);
    loop {
        match look(&head).map_err(NoHeader::Bad)? {
            Progress::Whole(client) => return Ok(client.map(|client| client.to_canonical())),
            Progress::More(more) => {
                let mut more = (&mut *stream).take(more as u64);
                if more.read_buf(&mut head).await? == 0 {
                    return Err(NoHeader::Bad("it ended too soon"));
                }
            }
        }
    }
}

/// Looks at all that has come so far.
fn look(head: &[u8]) -> Result<Progress, &'static str> {
    let begins = |with: &[u8]| head.iter().zip(with).all(|(a, b)| a == b);
    if begins(v2::PROTOCOL_PREFIX) {
        if head.len() < FIXED {
            // A whole line of version 1 is shorter; nothing is known yet if nothing has come.
            return Ok(Progress::More(LEAST.max(head.len() + 1) - head.len()));
        }
        look_binary(head)
    } else if begins(LINE_BEGIN) {
        look_line(head)
    } else {
        Err("it is neither version 1 nor 2")
    }
}

fn look_binary(head: &[u8]) -> Result<Progress, &'static str> {
    let whole = FIXED + usize::from(u16::from_be_bytes([head[FIXED - 2], head[FIXED - 1]]));
    if whole > MOST {
        return Err("it is too long");
    }
    if head.len() < whole {
        return Ok(Progress::More(whole - head.len()));
    }
    // Whatever else a LOCAL header says is to be ignored.
    if head[v2::PROTOCOL_PREFIX.len()] == LOCAL {
        return Ok(Progress::Whole(None));
    }
    let header = v2::Header::try_from(head).map_err(|_| "version 2 does not read so")?;
    if header.len() != head.len() {
        return Err("version 2 does not read so");
    }
    if header.protocol == v2::Protocol::Datagram {
        return Err("it speaks of datagrams");
    }
    Ok(Progress::Whole(match header.addresses {
        v2::Addresses::IPv4(pair) => Some(pair.source_address.into()),
        v2::Addresses::IPv6(pair) => Some(pair.source_address.into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    }))
}

fn look_line(head: &[u8]) -> Result<Progress, &'static str> {
    if !head.ends_with(b"\n") {
        if head.len() >= MOST_LINE {
            return Err("the line is too long");
        }
        // Nothing is known of what comes behind a whole line.
        return Ok(Progress::More(LEAST.saturating_sub(head.len()).max(1)));
    }
    let header = v1::Header::try_from(head).map_err(|_| "version 1 does not read so")?;
    if header.header.len() != head.len() {
        return Err("version 1 does not read so");
    }
    Ok(Progress::Whole(match header.addresses {
        v1::Addresses::Tcp4(pair) => Some(pair.source_address.into()),
        v1::Addresses::Tcp6(pair) => Some(pair.source_address.into()),
        v1::Addresses::Unknown => None,
    }))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
