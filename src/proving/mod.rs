//! Asking DNS what a proof needs: which of a message's DKIM signatures verify, and whether SPF lets its client
//! send. Nothing here decides what that proves; it is bounded in look-ups, in time and in messages at once.

mod letter;
pub mod own_signature;
pub mod resolver;

use crate::clock::Clock;
use crate::domain::attribution::KeyCheck;
use crate::domain::feed::checks::{Checks, DkimCheck, Outcome, SpfCheck, SpfIdentity};
use crate::domain::feed::{Arrival, Enquiry};
use crate::metrics::Metrics;
use jiff::Timestamp;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, SpfResult};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest domain that is asked about.
const LONGEST_DOMAIN: usize = 253;
/// The longest public key's record that is kept, in characters: an RSA key of 8192 bits has about 1,400.
const LONGEST_RECORD: usize = 2_048;

/// Bounds of proving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long everything about one message may take.
    pub timeout: Duration,
    /// Signatures of one message that are verified.
    pub max_signatures: usize,
    /// Messages at a time; others wait as long as one may take.
    pub concurrency: usize,
    /// Our own name, for SPF's macros.
    pub hostname: String,
}

/// Asks DNS.
pub struct Prover {
    dns: MessageAuthenticator,
    settings: Settings,
    slots: Semaphore,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Prover {
    /// A prover that asks this resolver.
    pub fn new(
        dns: hickory_resolver::TokioResolver,
        settings: Settings,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            dns: MessageAuthenticator(dns),
            slots: Semaphore::new(settings.concurrency),
            settings,
            clock,
            metrics,
        }
    }

    /// Finds out what the enquiry asks about a message that came at `received_at`. It always answers: what
    /// could not be found out in time is a `TempError`.
    pub async fn find_out(
        &self,
        enquiry: &Enquiry,
        arrival: &Arrival,
        message: &[u8],
        received_at: Timestamp,
    ) -> Checks {
        let begun = self.clock.elapsed();
        let mut found = Checks::default();
        let asked = async {
            // Never closed, so there is always a permit in the end.
            let _slot = self.slots.acquire().await;
            self.dkim(enquiry, arrival, message, received_at, &mut found)
                .await;
            self.spf(enquiry, arrival, &mut found).await;
            self.keys(enquiry, &mut found).await;
        };
        let in_time = tokio::time::timeout(self.settings.timeout, asked).await;
        if in_time.is_err() {
            found = self.too_late(found, enquiry, arrival, message, received_at);
        }
        let took = self.clock.elapsed().saturating_sub(begun);
        self.metrics.proving_seconds.observe(took.as_secs_f64());
        let results = found.dkim.iter().map(|check| ("dkim", check.result));
        let policies = found.spf.iter().map(|check| ("spf", check.result));
        let keys = found.keys.iter().map(|check| ("own_key", check.result));
        for (method, result) in results.chain(policies).chain(keys) {
            let result = match result {
                Outcome::Pass => "pass",
                Outcome::Fail => "fail",
                Outcome::TempError => "temperror",
                Outcome::Skipped => continue,
            };
            let labels = [method, result];
            self.metrics.proving_checks.with_label_values(&labels).inc();
        }
        found
    }

    /// Which signatures are worth a look-up: those that would prove something if they verified, the first few.
    fn wanted(
        &self,
        enquiry: &Enquiry,
        arrival: &Arrival,
        checks: &Checks,
        received_at: Timestamp,
    ) -> Vec<Result<(), String>> {
        let mut left = self.settings.max_signatures;
        let of = |check: &DkimCheck| {
            if !resolver::is_name(&check.domain) || !resolver::is_name(&check.selector) {
                return Err("its domain or selector is not a name".to_owned());
            }
            let mut why = None;
            for demand in &enquiry.dkim {
                match demand.flaw(check, checks, &arrival.rcpt_to, received_at) {
                    None if left == 0 => return Err("one signature too many".to_owned()),
                    None => {
                        left -= 1;
                        return Ok(());
                    }
                    Some(flaw) => why = Some(flaw.as_str()),
                }
            }
            Err(why.unwrap_or("nothing asks for it").to_owned())
        };
        checks.dkim.iter().map(of).collect()
    }

    async fn dkim(
        &self,
        enquiry: &Enquiry,
        arrival: &Arrival,
        message: &[u8],
        received_at: Timestamp,
        found: &mut Checks,
    ) {
        if enquiry.dkim.is_empty() {
            return;
        }
        if let Some(headers) = letter::parse(letter::headers(message)) {
            letter::describe(&headers, message, found);
        }
        let wanted = self.wanted(enquiry, arrival, found, received_at);
        for (check, wanted) in found.dkim.iter_mut().zip(&wanted) {
            check.note = wanted.as_ref().err().cloned();
        }
        // The body is hashed only where a signature could prove something.
        if !wanted.iter().any(Result::is_ok) {
            return;
        }
        let Some(mut parsed) = letter::parse(message) else {
            return;
        };
        let signatures = std::mem::take(&mut parsed.dkim_headers);
        for (i, mut signature) in signatures.into_iter().enumerate() {
            if !matches!(wanted.get(i), Some(Ok(()))) {
                continue;
            }
            // Its end was held against the time of receipt, which may be long ago; and it must not make us ask
            // for more than its key (RFC 6541, RFC 6651).
            signature.header.x = 0;
            signature.header.r = false;
            signature.header.atps = None;
            parsed.dkim_headers = vec![signature];
            let result = self.verify(&parsed).await;
            if let Some(check) = found.dkim.get_mut(i) {
                (check.result, check.note) = result;
            }
        }
    }

    async fn verify(&self, message: &AuthenticatedMessage<'_>) -> (Outcome, Option<String>) {
        let outputs = self.dns.verify_dkim(message).await;
        // Those that could not be read come first; ours is the one with a signature.
        let output = outputs.iter().find(|output| output.signature().is_some());
        match output.map(|output| output.result()) {
            Some(DkimResult::Pass) => (Outcome::Pass, None),
            Some(DkimResult::TempError(error)) => (Outcome::TempError, Some(letter::short(error))),
            Some(
                DkimResult::Fail(error) | DkimResult::Neutral(error) | DkimResult::PermError(error),
            ) => (Outcome::Fail, Some(letter::short(error))),
            Some(DkimResult::None) | None => (Outcome::Fail, None),
        }
    }

    /// The identities whose policies the enquiry asks for.
    fn senders<'a>(enquiry: &Enquiry, arrival: &'a Arrival) -> Vec<(SpfIdentity, &'a str)> {
        let sender = arrival.mail_from.rsplit_once('@').map(|(_, d)| d);
        let sender = sender.map(|domain| (SpfIdentity::MailFrom, domain));
        let all = sender
            .into_iter()
            .chain([(SpfIdentity::Helo, arrival.helo.as_str())]);
        all.filter(|(_, domain)| {
            let wanted = |d: &String| crate::domain::feed::checks::same_domain(d, domain);
            domain.len() <= LONGEST_DOMAIN && enquiry.spf.iter().any(wanted)
        })
        .collect()
    }

    async fn spf(&self, enquiry: &Enquiry, arrival: &Arrival, found: &mut Checks) {
        for (identity, domain) in Self::senders(enquiry, arrival) {
            let (client, us) = (arrival.client, self.settings.hostname.as_str());
            let parameters = match identity {
                SpfIdentity::MailFrom => {
                    SpfParameters::verify_mail_from(client, &arrival.helo, us, &arrival.mail_from)
                }
                SpfIdentity::Helo => SpfParameters::verify_ehlo(client, &arrival.helo, us),
            };
            // The library holds it to ten look-ups (RFC 7208 section 4.6.4).
            let output = self.dns.check_host(Parameters::new(parameters)).await;
            found.spf.push(SpfCheck {
                identity,
                domain: domain.to_lowercase(),
                result: match output.result() {
                    SpfResult::Pass => Outcome::Pass,
                    SpfResult::TempError => Outcome::TempError,
                    _ => Outcome::Fail,
                },
                note: output.result().to_string().to_lowercase(),
            });
        }
    }

    /// Fetches public keys of our own. They are not secret, and kept with the report as what it was verified by.
    async fn keys(&self, enquiry: &Enquiry, found: &mut Checks) {
        for (domain, selector) in &enquiry.keys {
            let name = format!("{selector}._domainkey.{domain}.");
            let answer = match resolver::is_name(&name) {
                true => self
                    .dns
                    .txt_raw_lookup(name)
                    .await
                    .map_err(|e| (outcome(&e), letter::short(&e))),
                false => Err((
                    Outcome::Fail,
                    "its domain or selector is not a name".to_owned(),
                )),
            };
            let (result, text) = match answer {
                Ok(record) => (Outcome::Pass, String::from_utf8_lossy(&record).into_owned()),
                Err(why) => why,
            };
            found.keys.push(KeyCheck {
                domain: domain.clone(),
                selector: selector.clone(),
                result,
                text: text.chars().take(LONGEST_RECORD).collect(),
            });
        }
    }

    /// What is known when time is up: everything that was to be found out and is not yet, is trouble with DNS.
    fn too_late(
        &self,
        mut found: Checks,
        enquiry: &Enquiry,
        arrival: &Arrival,
        message: &[u8],
        received_at: Timestamp,
    ) -> Checks {
        let late = || Some("no answer in time".to_owned());
        if found.dkim.is_empty()
            && !enquiry.dkim.is_empty()
            && let Some(parsed) = letter::parse(letter::headers(message))
        {
            letter::describe(&parsed, message, &mut found);
        }
        let wanted = self.wanted(enquiry, arrival, &found, received_at);
        for (check, wanted) in found.dkim.iter_mut().zip(wanted) {
            match (check.result, wanted) {
                (Outcome::Skipped, Ok(())) => {
                    (check.result, check.note) = (Outcome::TempError, late());
                }
                (Outcome::Skipped, Err(why)) => check.note = Some(why),
                _ => {}
            }
        }
        for (identity, domain) in Self::senders(enquiry, arrival) {
            if !found.spf.iter().any(|check| check.identity == identity) {
                found.spf.push(SpfCheck {
                    identity,
                    domain: domain.to_lowercase(),
                    result: Outcome::TempError,
                    note: "no answer in time".to_owned(),
                });
            }
        }
        let known = found.keys.len();
        for (domain, selector) in enquiry.keys.iter().skip(known) {
            found.keys.push(KeyCheck {
                domain: domain.clone(),
                selector: selector.clone(),
                result: Outcome::TempError,
                text: "no answer in time".to_owned(),
            });
        }
        found
    }
}

/// Whether asking again may help.
fn outcome(error: &mail_auth::Error) -> Outcome {
    match error {
        mail_auth::Error::Dns(mail_auth::DnsError::Resolver(_)) => Outcome::TempError,
        _ => Outcome::Fail,
    }
}
