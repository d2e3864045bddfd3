//! A DNS server on a loopback port, as small as can be: TXT and A answers from a table that tests change while
//! it runs, and trouble on request.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Debug, Default)]
struct Zone {
    texts: Mutex<BTreeMap<String, String>>,
    /// Answers nothing but SERVFAIL while it is set.
    trouble: AtomicBool,
    /// Answers nothing at all while it is set.
    silent: AtomicBool,
    asked: AtomicUsize,
    stop: AtomicBool,
}

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct Dns {
    zone: Arc<Zone>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Dns {
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let zone = Arc::new(Zone::default());
        let served = Arc::clone(&zone);
        thread::spawn(move || {
            let mut query = [0; 1500];
            while !served.stop.load(Ordering::Relaxed) {
                let Ok((size, client)) = socket.recv_from(&mut query) else {
                    continue;
                };
                served.asked.fetch_add(1, Ordering::Relaxed);
                if !served.silent.load(Ordering::Relaxed)
                    && let Some(answer) = served.answer(&query[..size])
                {
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        Self { zone, address }
    }

    /// What a name's TXT record says.
    pub fn text(&self, name: &str, text: &str) {
        let mut texts = self.zone.texts.lock().unwrap();
        texts.insert(name.to_lowercase(), text.to_owned());
    }

    /// Lets every answer fail, or no more.
    pub fn trouble(&self, trouble: bool) {
        self.zone.trouble.store(trouble, Ordering::Relaxed);
    }

    /// Lets no answer come, or again.
    pub fn silent(&self, silent: bool) {
        self.zone.silent.store(silent, Ordering::Relaxed);
    }

    /// How many queries came.
    pub fn asked(&self) -> usize {
        self.zone.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.zone.stop.store(true, Ordering::Relaxed);
    }
}

impl Zone {
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
        let question = query.get(12..at + 4)?;
        let name = labels.join(".");
        let texts = self.texts.lock().unwrap();
        let text = texts.get(&name);
        let (code, text) = match (self.trouble.load(Ordering::Relaxed), text) {
            (true, _) => (2, None),
            (_, Some(text)) if kind == 16 => (0, Some(text)),
            (_, Some(_)) => (0, None),
            (_, None) => (3, None),
        };
        let mut answer = query[..2].to_vec();
        answer.extend([
            0x81,
            0x80 | code,
            0,
            1,
            0,
            u8::from(text.is_some()),
            0,
            0,
            0,
            0,
        ]);
        answer.extend(question);
        if let Some(text) = text {
            let mut data = Vec::new();
            for part in text.as_bytes().chunks(255) {
                data.push(part.len() as u8);
                data.extend(part);
            }
            // A pointer to the question's name; TXT, IN, a second to live.
            answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1]);
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}
