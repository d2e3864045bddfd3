//! Where mail comes in: the doors besides the main one, and what an address may look like.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Nowhere: it is switched off.
    Off,
    /// `192.0.2.25:25` or `[2001:db8::25]:25`.
    Tcp(SocketAddr),
    /// `unix:/run/arfd/lmtp`.
    Unix(PathBuf),
    /// `systemd:smtp`: what the service manager passes under this name (`FileDescriptorName=`).
    Systemd(String),
}

impl Default for Address {
    /// Reached from this machine only.
    fn default() -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 2525)))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl Address {
    /// Whether nobody but this machine reaches it. What the service manager listens at is not known here.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Off | Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Systemd(_) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            Ok(Self::Off)
        } else if let Some(path) = text.strip_prefix("unix:") {
            // Longer ones do not fit into a socket's address, unix(7).
            match path.starts_with('/') && path.len() < 108 && !path.contains('\0') {
                true => Ok(Self::Unix(path.into())),
                false => Err("a Unix socket needs an absolute path of at most 107 octets"),
            }
        } else if let Some(name) = text.strip_prefix("systemd:") {
            let fine = |c: char| c.is_ascii_graphic() && c != ':';
            match !name.is_empty() && name.len() <= 255 && name.chars().all(fine) {
                true => Ok(Self::Systemd(name.to_owned())),
                false => Err("systemd: needs the name that FileDescriptorName= gives"),
            }
        } else {
            text.parse().map(Self::Tcp).map_err(|_| {
                "expected an address and port such as 192.0.2.25:25 or [2001:db8::25]:25, \
                 unix:/PATH, systemd:NAME, or off"
            })
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What a listener does about TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Nothing.
    #[default]
    Off,
    /// STARTTLS is offered.
    Starttls,
    /// No mail without STARTTLS.
    Required,
    /// TLS from the first octet on.
    Implicit,
}

/// A door besides the main one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// For logs and metrics.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// What is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// What it does about TLS.
    #[serde(default)]
    pub tls: Tls,
    /// Whether clients may authenticate.
    #[serde(default)]
    pub auth: bool,
    /// The networks of proxies that say by the PROXY protocol who the client is.
    #[serde(default)]
    pub proxy: Vec<IpNet>,
    /// Who may connect to a Unix socket, as in `"0660"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The group that a Unix socket is given, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Permissions of a file, written in octal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Default for Mode {
    /// The daemon's user and group.
    fn default() -> Self {
        Self(0o660)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        let mode = u32::from_str_radix(&text, 8).ok();
        mode.filter(|mode| digits && *mode <= 0o777)
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom("expected permissions in octal digits such as \"0660\"")
            })
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{self:?}"))
    }
}
