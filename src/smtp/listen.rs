//! Sockets that listen: TCP and Unix, our own or handed over by a service manager. A Unix socket's file is put
//! there safely, and taken away when nobody listens any more.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

/// A connection.
pub type Stream = Either<TcpStream, UnixStream>;

/// What a client on a Unix socket goes by: it sits on this machine, as who connects over loopback does.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// Somebody else holds it too: what waits in it is not lost when we leave.
    inherited: bool,
    _file: Option<Placed>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self {
            socket: Socket::Tcp(socket),
            inherited: false,
            _file: None,
        }
    }
}

impl From<UnixListener> for Listener {
    fn from(socket: UnixListener) -> Self {
        Self {
            socket: Socket::Unix(socket),
            inherited: false,
            _file: None,
        }
    }
}

impl Listener {
    /// Listens at a path. What a process that is gone has left there is replaced.
    ///
    /// # Errors
    /// When somebody listens there, when something else than a socket stands there, or when the place, the mode or
    /// the group is not to be had.
    pub fn at_path(path: &Path, mode: u32, group: Option<u32>) -> io::Result<Self> {
        let lock = sole(path)?;
        clear(path)?;
        let socket = UnixListener::bind(path)?;
        let metadata = fs::symlink_metadata(path)?;
        let placed = Placed {
            path: path.to_owned(),
            is: (metadata.dev(), metadata.ino()),
            _lock: lock,
        };
        if group.is_some() {
            chown(path, None, group)?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(Self {
            socket: Socket::Unix(socket),
            inherited: false,
            _file: Some(placed),
        })
    }

    /// The same as one that a service manager holds as well.
    #[must_use]
    pub fn inherited(self) -> Self {
        Self {
            inherited: true,
            ..self
        }
    }

    /// Whether somebody else holds it too.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Where a TCP socket listens.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Waits for a connection. Gives it with the client's address, `::ffff:` unmapped; for a Unix socket, loopback.
    ///
    /// # Errors
    /// Of accept(2). The listener goes on.
    pub async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, from) = socket.accept().await?;
                Ok((Either::Left(stream), from.ip().to_canonical()))
            }
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Either::Right(stream), LOCAL))
            }
        }
    }
}

/// A socket's file of ours, taken away with the listener.
#[derive(Debug)]
struct Placed {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
    _lock: File,
}

impl Drop for Placed {
    fn drop(&mut self) {
        // Somebody may have put another in its place.
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.is);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket's file stays behind");
        }
    }
}

/// Of several that begin at once, one may clear and bind. Its lock ends with the process, however that ends.
fn sole(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(taken()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a socket that nobody listens at.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let what = "something stands there that is not a socket; it is left alone";
            return Err(io::Error::new(ErrorKind::AlreadyExists, what));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(taken()),
    }
}

fn taken() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "another process listens there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp");
        drop(net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let listener = Listener::at_path(&path, 0o620, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o620);
        let second = Listener::at_path(&path, 0o600, None).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        let (_client, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        assert!(accepted.unwrap().1.is_loopback());
        drop(listener);
        assert!(!path.exists());

        // One that takes no part in our locking.
        let other = net::UnixListener::bind(&path).unwrap();
        let refused = Listener::at_path(&path, 0o600, None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        drop(other);
        let ours = Listener::at_path(&path, 0o600, None).unwrap();
        fs::remove_file(&path).unwrap();
        let others = net::UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists(), "not ours any more");
        drop(others);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            let refused = Listener::at_path(path, 0o600, None).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }
}
