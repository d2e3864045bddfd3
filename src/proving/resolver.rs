//! The DNS resolver: the system's servers or configured ones, with a cache that obeys times to live, short
//! timeouts and no search list.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How names are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The servers; none for the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take to answer.
    pub timeout: Duration,
    /// Answers that are kept.
    pub cache: u64,
}

/// The longest that any answer is kept, so that a key that was taken back is soon not believed any more.
const LONGEST_KEPT: Duration = Duration::from_secs(3600);
/// The longest that a refusal is kept.
const LONGEST_REFUSAL: Duration = Duration::from_secs(300);

/// A resolver. Where the system's configuration cannot be read, this machine is asked (resolv.conf(5)).
///
/// # Errors
/// When it cannot be set up.
pub fn resolver(settings: &Settings) -> Result<TokioResolver, NetError> {
    let configured = || settings.servers.iter().map(server).collect();
    let (servers, mut options) = match settings.servers.is_empty() {
        false => (configured(), ResolverOpts::default()),
        true => match read_system_conf() {
            Ok((system, options)) => (system.name_servers().to_vec(), options),
            Err(error) => {
                tracing::warn!(%error, "the system's DNS configuration cannot be read; asking this machine");
                let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
                (vec![server(&here)], ResolverOpts::default())
            }
        },
    };
    options.timeout = settings.timeout;
    options.attempts = 2;
    options.cache_size = settings.cache;
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(LONGEST_KEPT);
    options.negative_max_ttl = Some(LONGEST_REFUSAL);
    // Names are asked as they are: neither our domain nor a search list.
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// Whether a text is a name that may be asked for: labels of letters, digits, `-` and `_`.
pub fn is_name(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names() {
        for name in ["a.example", "s1", "s1._x.a-b.example."] {
            assert!(is_name(name), "{name}");
        }
        let long = "a.".repeat(200);
        for name in [
            "",
            "a..b",
            "a b",
            "a\u{e9}.example",
            "*.example",
            long.as_str(),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
