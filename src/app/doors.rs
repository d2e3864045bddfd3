//! Opens the listeners that are configured: binds what is ours, takes over what the service manager holds.

use super::StartError;
use crate::config::{Address, Listener as Configured, Mode, Protocol, Settings, Tls};
use crate::smtp::{self, Door, Listener, TlsMode};
use listenfd::ListenFd;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

/// Connections that the kernel lets wait; at most as many as net.core.somaxconn.
const BACKLOG: u32 = 1024;

/// A door that is open.
#[derive(Debug)]
pub struct Open {
    /// The socket.
    pub listener: Listener,
    /// What its sessions see of it.
    pub door: Arc<Door>,
    /// Where it is; the port is the true one.
    pub address: String,
}

/// Opens all doors, the main one first.
///
/// # Errors
/// When one cannot be opened; it is named.
pub fn open(settings: &Settings) -> Result<Vec<Open>, StartError> {
    let main = Configured {
        name: Door::default().name,
        address: settings.smtp.listen.clone(),
        protocol: Protocol::Smtp,
        tls: match settings.smtp.tls.files() {
            Some(_) => Tls::Starttls,
            None => Tls::Off,
        },
        auth: !settings.smtp.users.is_empty(),
        proxy: Vec::new(),
        mode: None,
        group: None,
    };
    let main = [("smtp.listen".to_owned(), &main)];
    let others = settings.smtp.listeners.iter().enumerate().map(|(i, door)| {
        let key = format!("smtp.listeners[{i}].address of '{}'", door.name);
        (key, door)
    });
    let mut passed = Passed::default();
    let mut open = Vec::new();
    for (key, configured) in main.into_iter().chain(others) {
        let listeners = sockets(configured, &mut passed).map_err(|cause| StartError::Listen {
            key,
            address: configured.address.to_string(),
            cause,
        })?;
        let door = Arc::new(door(configured));
        open.extend(listeners.into_iter().map(|listener| {
            Open {
                address: listener
                    .tcp_address()
                    .map_or_else(|| configured.address.to_string(), |tcp| tcp.to_string()),
                door: Arc::clone(&door),
                listener,
            }
        }));
    }
    passed.tell_of_leftovers();
    Ok(open)
}

fn door(configured: &Configured) -> Door {
    Door {
        name: configured.name.clone(),
        protocol: match configured.protocol {
            Protocol::Smtp => smtp::Protocol::Smtp,
            Protocol::Lmtp => smtp::Protocol::Lmtp,
        },
        tls: match configured.tls {
            Tls::Off => TlsMode::Off,
            Tls::Starttls => TlsMode::Offered,
            Tls::Required => TlsMode::Required,
            Tls::Implicit => TlsMode::Implicit,
        },
        auth: configured.auth,
        proxy: configured.proxy.clone(),
    }
}

fn sockets(configured: &Configured, passed: &mut Passed) -> io::Result<Vec<Listener>> {
    match &configured.address {
        Address::Off => Ok(Vec::new()),
        Address::Tcp(address) => Ok(vec![bind(*address)?.into()]),
        Address::Unix(path) => {
            let Mode(mode) = configured.mode.unwrap_or_default();
            let group = configured.group.as_deref().map(group).transpose()?;
            Ok(vec![Listener::at_path(path, mode, group)?])
        }
        Address::Systemd(name) => passed.take(name),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the daemon before us may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the service manager passes may block.
fn tcp(socket: std::net::TcpListener) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket)?.into())
}

/// A group's number. Names are looked up on this machine; of groups from elsewhere the number must be given.
fn group(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let known = std::fs::read_to_string("/etc/group")?;
    let number = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        fields.nth(1).filter(|_| name == group)?.parse().ok()
    });
    number.ok_or_else(|| {
        let what = format!("there is no group '{group}' in /etc/group");
        io::Error::new(ErrorKind::NotFound, what)
    })
}

/// The sockets that the service manager passes (sd_listen_fds(3)), looked up when the first is asked for.
#[derive(Default)]
struct Passed(Option<(ListenFd, Vec<String>)>);

impl Passed {
    /// All sockets of this name.
    fn take(&mut self, name: &str) -> io::Result<Vec<Listener>> {
        if self.0.is_none() {
            let names = sd_notify::listen_fds_with_names()?;
            let names: Vec<String> = names.map(|(_, name)| name).collect();
            let sockets = match names.is_empty() {
                true => ListenFd::empty(),
                false => ListenFd::from_env(),
            };
            self.0 = Some((sockets, names));
        }
        let mut found = Vec::new();
        if let Some((sockets, names)) = &mut self.0 {
            for (i, _) in names.iter().enumerate().filter(|(_, known)| *known == name) {
                // Which kind it is shows when it is taken.
                match sockets.take_tcp_listener(i) {
                    Ok(Some(socket)) => found.push(tcp(socket)?.inherited()),
                    Ok(None) => {}
                    Err(_) => {
                        if let Some(socket) = sockets.take_unix_listener(i)? {
                            socket.set_nonblocking(true)?;
                            let socket = UnixListener::from_std(socket)?;
                            found.push(Listener::from(socket).inherited());
                        }
                    }
                }
            }
        }
        match found.is_empty() {
            false => Ok(found),
            true => Err(io::Error::new(
                ErrorKind::NotFound,
                "the service manager passes no such socket: see FileDescriptorName= in systemd.socket(5)",
            )),
        }
    }

    fn tell_of_leftovers(&mut self) {
        if let Some((sockets, names)) = &mut self.0 {
            for (i, name) in names.iter().enumerate() {
                if let Ok(Some(_)) = sockets.take_raw_fd(i) {
                    tracing::warn!(
                        name,
                        "the service manager passes a socket that no listener asks for"
                    );
                }
            }
        }
    }
}
