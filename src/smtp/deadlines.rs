//! By when the client of one connection must have done what. All deadlines share one timer, which is moved only
//! when the nearest comes closer: a busy session hardly ever touches it.

use super::Settings;
use super::reply::{self, Reply};
use super::step::Awaits;
use std::time::Duration;
use tokio::time::Instant;

/// A session that awaits a command for so long gives back the room that it read text into.
const REST: Duration = Duration::from_secs(5);

/// What a deadline that has passed asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// To end the session with this.
    End(Reply),
    /// To give back what an idle session does not need.
    Rest,
}

/// The deadlines of a connection.
#[derive(Debug)]
pub struct Deadlines<'a> {
    settings: &'a Settings,
    awaits: Option<Awaits>,
    life: Instant,
    command: Option<Instant>,
    /// The message under way.
    message: Option<(u64, Instant)>,
    /// When the rate is looked at next, and what came since it was last.
    rate: Option<(Instant, u64)>,
    rest: Option<Instant>,
}

impl<'a> Deadlines<'a> {
    /// Those of a session that begins.
    pub fn new(settings: &'a Settings, now: Instant) -> Self {
        Self {
            settings,
            awaits: None,
            life: after(now, settings.session_timeout),
            command: None,
            message: None,
            rate: None,
            rest: None,
        }
    }

    /// Takes note of what is awaited now. A deadline stands for a whole command or message, however slowly it
    /// trickles in.
    pub fn note(&mut self, awaits: Awaits, now: Instant) {
        if self.awaits == Some(awaits) {
            return;
        }
        self.awaits = Some(awaits);
        let (message, command) = match awaits {
            Awaits::Command(_) => (None, true),
            Awaits::Chunk { message, .. } => (Some(message), true),
            Awaits::Text(message) => (Some(message), false),
        };
        self.command = command.then(|| after(now, self.settings.command_timeout));
        self.rest = matches!(awaits, Awaits::Command(_)).then(|| after(now, REST));
        if message != self.message.map(|(known, _)| known) {
            self.message = message.map(|m| (m, after(now, self.settings.data_timeout)));
            self.rate = match self.settings.min_data_rate {
                0 => None,
                _ => message.map(|_| (after(now, self.settings.data_rate_window), 0)),
            };
        }
    }

    /// Octets came in.
    pub fn came(&mut self, octets: usize) {
        if let Some((_, sum)) = &mut self.rate {
            *sum += octets as u64;
        }
    }

    /// A span cut short by the end of the session.
    pub fn at_most(&self, span: Duration, now: Instant) -> Duration {
        span.min(self.life.saturating_duration_since(now))
    }

    /// The nearest of them.
    pub fn next(&self) -> Instant {
        let some = [
            self.command,
            self.message.map(|(_, at)| at),
            self.rate.map(|(at, _)| at),
            self.rest,
        ];
        some.into_iter().flatten().fold(self.life, Instant::min)
    }

    /// What has passed by now, if anything has.
    pub fn passed(&mut self, now: Instant) -> Option<Due> {
        let message = self.message.map(|(_, at)| at);
        for (at, end) in [
            (Some(self.life), reply::SESSION_TIMEOUT),
            (message, reply::DATA_TIMEOUT),
            (self.command, reply::COMMAND_TIMEOUT),
        ] {
            if at.is_some_and(|at| at <= now) {
                return Some(Due::End(end));
            }
        }
        if let Some((at, sum)) = &mut self.rate
            && *at <= now
        {
            let window = self.settings.data_rate_window;
            let least = u128::from(self.settings.min_data_rate) * window.as_millis() / 1_000;
            if u128::from(*sum) < least {
                return Some(Due::End(reply::TOO_SLOW));
            }
            (*at, *sum) = (after(now, window), 0);
        }
        if self.rest.is_some_and(|at| at <= now) {
            self.rest = None;
            return Some(Due::Rest);
        }
        None
    }
}

/// Spans beyond what the clock can tell never pass.
fn after(now: Instant, span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    now.checked_add(span).unwrap_or(now + FAR)
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
