//! PROXY headers: what they say, that nothing behind them is swallowed, and that nothing is made of wrong ones.

use super::*;
use proptest::prelude::*;

/// Reads from octets that come in pieces of `piece`; gives the client and what is left behind the header.
fn read_in(pieces: &[u8], piece: usize) -> Result<(Option<IpAddr>, Vec<u8>), NoHeader> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(async {
        let mut stream = tokio_test_stream(pieces, piece);
        let client = read(&mut stream).await?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        Ok((client, rest))
    })
}

/// A stream that gives at most `piece` octets at a time.
fn tokio_test_stream(octets: &[u8], piece: usize) -> impl AsyncRead + Unpin {
    struct Pieces(Vec<u8>, usize, usize);
    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let end = (self.1 + self.2.min(buffer.remaining())).min(self.0.len());
            buffer.put_slice(&self.0[self.1..end]);
            self.1 = end;
            std::task::Poll::Ready(Ok(()))
        }
    }
    Pieces(octets.to_vec(), 0, piece)
}

fn binary(command: u8, family: u8, addresses: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut header = v2::PROTOCOL_PREFIX.to_vec();
    header.extend([command, family]);
    header.extend(((addresses.len() + extra.len()) as u16).to_be_bytes());
    header.extend(addresses);
    header.extend(extra);
    header
}

fn ipv4(source: [u8; 4]) -> Vec<u8> {
    let mut addresses = source.to_vec();
    addresses.extend([192, 0, 2, 25, 0x12, 0x34, 0, 25]);
    addresses
}

fn ipv6(source: &str) -> Vec<u8> {
    let mut addresses = source
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets()
        .to_vec();
    addresses.extend([0; 16]);
    addresses.extend([0x12, 0x34, 0, 25]);
    addresses
}

#[test]
fn headers_name_the_client_and_leave_what_follows() {
    let tls = [0x20, 0, 5, 1, 0, 0, 0, 0];
    let headers: Vec<(Vec<u8>, Option<&str>)> = vec![
        (
            b"PROXY TCP4 198.51.100.7 192.0.2.25 4660 25\r\n".to_vec(),
            Some("198.51.100.7"),
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::25 4660 25\r\n".to_vec(),
            Some("2001:db8::7"),
        ),
        (
            b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4660 25\r\n".to_vec(),
            Some("198.51.100.7"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN 1 2 3 4\r\n".to_vec(), None),
        (
            b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
              ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                .to_vec(),
            None,
        ),
        (
            binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), b""),
            Some("198.51.100.7"),
        ),
        (
            binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), &tls),
            Some("198.51.100.7"),
        ),
        // Broken extras are ignored like any.
        (
            binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), &[1, 255, 255]),
            Some("198.51.100.7"),
        ),
        (
            binary(0x21, 0x21, &ipv6("2001:db8::7"), b""),
            Some("2001:db8::7"),
        ),
        (
            binary(0x21, 0x21, &ipv6("::ffff:198.51.100.7"), b""),
            Some("198.51.100.7"),
        ),
        (binary(0x20, 0x00, b"", b""), None),
        (binary(0x20, 0x11, b"", b""), None),
        (binary(0x20, 0x11, &ipv4([198, 51, 100, 7]), b""), None),
        (binary(0x21, 0x00, b"", &tls), None),
        (binary(0x21, 0x31, &[b'/'; 216], b""), None),
        (
            binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), &[4; 4068]),
            Some("198.51.100.7"),
        ),
    ];
    for (header, client) in headers {
        let client = client.map(|client| client.parse::<IpAddr>().unwrap());
        for behind in [&b""[..], b"EHLO x\r\n", b"PROXY UNKNOWN\r\n", b"\r\n"] {
            for piece in [1, 2, 7, 16, usize::MAX / 2] {
                let octets = [&header[..], behind].concat();
                let (got, rest) = read_in(&octets, piece).unwrap();
                assert_eq!((got, &rest[..]), (client, behind), "{header:?} by {piece}");
            }
        }
        // No part of it is enough.
        for end in 0..header.len() {
            assert!(read_in(&header[..end], 64).is_err(), "{:?}", &header[..end]);
        }
    }
}

#[test]
fn wrong_headers_are_none() {
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 92], b"\r\n".to_vec()].concat();
    assert_eq!(long.len(), 108);
    let mut lies = binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), b"");
    lies[15] = 11;
    let wrong: Vec<Vec<u8>> = vec![
        b"EHLO client.test\r\n".to_vec(),
        b"PROXIES TCP4 ...\r\n".to_vec(),
        b"proxy UNKNOWN\r\n".to_vec(),
        b"PROXY TCP4 198.51.100.7 192.0.2.25 4660 25\n".to_vec(),
        b"PROXY TCP4 198.51.100.7 192.0.2.25 4660 25\rX\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 192.0.2.25 4660 25\r\n".to_vec(),
        b"PROXY TCP4 198.51.100.7 192.0.2.25 4660\r\n".to_vec(),
        b"PROXY TCP4 198.51.100.7 192.0.2.25 4660 99999\r\n".to_vec(),
        b"PROXY UDP4 198.51.100.7 192.0.2.25 4660 25\r\n".to_vec(),
        long,
        lies,
        // Version 1 in the binary form, an unknown command, an unknown family, datagrams, addresses cut short.
        binary(0x11, 0x11, &ipv4([198, 51, 100, 7]), b""),
        binary(0x22, 0x11, &ipv4([198, 51, 100, 7]), b""),
        binary(0x21, 0x41, &ipv4([198, 51, 100, 7]), b""),
        binary(0x21, 0x12, &ipv4([198, 51, 100, 7]), b""),
        binary(0x21, 0x21, &ipv4([198, 51, 100, 7]), b""),
        binary(0x21, 0x11, &[1, 2, 3], b""),
        // Longer than any sensible one.
        binary(0x21, 0x11, &ipv4([198, 51, 100, 7]), &[4; 4069]),
        binary(0x20, 0x00, &[0; 65_535], b""),
    ];
    for header in wrong {
        for piece in [1, 13, usize::MAX / 2] {
            let octets = [&header[..], b"EHLO x\r\n"].concat();
            let told = read_in(&octets, piece);
            assert!(
                matches!(told, Err(NoHeader::Bad(_))),
                "{header:?}: {told:?}"
            );
        }
    }
}

#[test]
fn a_wrong_first_octet_is_enough() {
    for octets in [&b"E"[..], b"PX", b"\r\n\r\n\0\r\nQUIx", b" "] {
        assert!(look(octets).is_err(), "{octets:?}");
    }
}

proptest! {
    /// What is asked for is bounded, there is always something to ask for, and nothing panics.
    #[test]
    fn any_octets_end_in_a_word_within_bounds(
        start in prop_oneof![Just(&b""[..]), Just(LINE_BEGIN), Just(v2::PROTOCOL_PREFIX)],
        octets in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let octets = [start, &octets[..]].concat();
        let mut taken = 0;
        while let Ok(Progress::More(more)) = look(&octets[..taken]) {
            prop_assert!(more > 0 && taken + more <= MOST);
            if taken + more > octets.len() {
                break;
            }
            taken += more;
        }
    }
}
