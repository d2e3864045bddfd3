//! Whether the doors make sense: each by itself, and together.

use super::check::{Problems, name, too_wide};
use super::listeners::{Address, Listener, Protocol, Tls};
use super::settings::Settings;
use ipnet::IpNet;
use std::collections::HashSet;
use std::net::IpAddr;

/// The main door's name in logs and metrics.
const MAIN: &str = "smtp";

/// RFC 2033 section 5: LMTP must not be used on the port of SMTP.
const SMTP_PORT: u16 = 25;

/// Everything that makes no sense about the listeners.
pub(super) fn listeners(settings: &Settings, problems: &mut Problems) {
    let smtp = &settings.smtp;
    let all = smtp.listeners.iter().map(|listener| &listener.address);
    let local = smtp.listen.is_local() && smtp.listeners.iter().all(is_local);
    problems.demand(
        !smtp.recipients.is_empty() || local,
        "smtp.recipients",
        "is empty, so mail for anybody would be taken; that is allowed on a loopback address only: \
         name your abuse addresses",
    );
    problems.demand(
        smtp.listen != Address::Off || !smtp.listeners.is_empty(),
        "smtp.listen",
        "is off and there are no smtp.listeners: nothing would come in",
    );
    // Port 0 is another one each time.
    let fixed = |address: &&Address| match address {
        Address::Off => false,
        Address::Tcp(address) => address.port() != 0,
        Address::Unix(_) | Address::Systemd(_) => true,
    };
    plain(&smtp.rate_exempt, "smtp.rate_exempt", problems);
    plain(&smtp.normalise, "smtp.normalise", problems);
    let mut names = HashSet::from([MAIN.to_owned()]);
    let mut taken: HashSet<&Address> = [&smtp.listen].into_iter().filter(fixed).collect();
    for (i, (listener, address)) in smtp.listeners.iter().zip(all).enumerate() {
        let key = format!("smtp.listeners[{i}]");
        name(problems, &key, &listener.name, &mut names);
        problems.demand(
            !fixed(&address) || taken.insert(address),
            format!("{key}.address"),
            format!("{address} is used twice"),
        );
        problems.demand(
            listener.tls == Tls::Off || smtp.tls.files().is_some(),
            format!("{key}.tls"),
            "needs smtp.tls.certificate_file and key_file",
        );
        one(listener, &key, problems);
    }
}

/// Clients' addresses are unmapped, so a mapped network would hold nobody.
pub(super) fn plain(networks: &[IpNet], key: &str, problems: &mut Problems) {
    for net in networks {
        let mapped =
            matches!(net.addr(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        problems.demand(
            !mapped,
            key,
            format!("{net} must be written as an IPv4 network"),
        );
    }
}

/// With PROXY, whoever the proxy serves comes in.
fn is_local(listener: &Listener) -> bool {
    listener.address.is_local() && listener.proxy.is_empty()
}

fn one(listener: &Listener, key: &str, problems: &mut Problems) {
    let unix = matches!(listener.address, Address::Unix(_));
    problems.demand(
        listener.address != Address::Off,
        format!("{key}.address"),
        "must not be off: leave the listener out",
    );
    problems.demand(
        unix || (listener.mode.is_none() && listener.group.is_none()),
        format!("{key}.mode"),
        "mode and group are for Unix sockets; the service manager sets its own",
    );
    problems.demand(
        !unix || listener.tls == Tls::Off,
        format!("{key}.tls"),
        "makes no sense on a Unix socket: nobody listens in there",
    );
    problems.demand(
        !unix || listener.proxy.is_empty(),
        format!("{key}.proxy"),
        "makes no sense on a Unix socket: who connects there has no address",
    );
    problems.demand(
        !listener.auth || listener.tls != Tls::Off,
        format!("{key}.auth"),
        "needs tls: passwords are not taken in the clear",
    );
    let lmtp_on_25 = listener.protocol == Protocol::Lmtp
        && matches!(listener.address, Address::Tcp(address) if address.port() == SMTP_PORT);
    problems.demand(
        !lmtp_on_25,
        format!("{key}.protocol"),
        "LMTP must not be spoken on port 25 (RFC 2033 section 5)",
    );
    plain(&listener.proxy, &format!("{key}.proxy"), problems);
    for net in listener.proxy.iter().filter(|net| too_wide(net)) {
        problems.add(
            format!("{key}.proxy"),
            format!("{net} is too wide for proxies: at least /8, for IPv6 at least /16"),
        );
    }
}
