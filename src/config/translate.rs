//! From settings to the domain's own types: feeds, methods, rules.

use super::HeaderMissing;
use super::settings::Settings;
use crate::domain::attribution::{self, HeaderRule, Methods, PRESETS};
use crate::domain::feed::Feed;
use crate::domain::filing::Policy;
use regex::Regex;
use std::collections::HashSet;

impl Settings {
    /// The feeds as the domain knows them.
    pub fn to_feeds(&self) -> Vec<Feed> {
        let feeds = self.feeds.iter();
        feeds.map(|feed| feed.to_domain(&self.proving)).collect()
    }

    /// Recipients, in lower case, whose mail must come under TLS: those of feeds that demand it, unless a feed
    /// that does not has the same.
    pub fn to_tls_recipients(&self) -> HashSet<String> {
        let of = |tls: bool| {
            let feeds = self.feeds.iter().filter(move |feed| feed.tls == tls);
            feeds.flat_map(|feed| {
                let tables = feed.proofs().into_iter();
                tables
                    .flat_map(|table| table.recipients)
                    .map(|r| r.to_ascii_lowercase())
            })
        };
        let others: HashSet<String> = of(false).collect();
        of(true).filter(|r| !others.contains(r)).collect()
    }

    /// How identities are found.
    ///
    /// # Errors
    /// When a pattern is not a regular expression, which [`super::check`] rules out.
    pub fn to_methods(&self) -> Result<Methods, regex::Error> {
        let header = |header: &super::Header| {
            Ok(HeaderRule {
                name: header.name.clone(),
                capture: header.capture.as_deref().map(Regex::new).transpose()?,
            })
        };
        let all = &self.identification;
        let mut headers: Vec<HeaderRule> =
            all.headers.iter().map(header).collect::<Result<_, _>>()?;
        for (_, names) in all
            .presets
            .iter()
            .flat_map(|wanted| PRESETS.iter().filter(move |(name, _)| name == wanted))
        {
            let new = |name: &&str| !headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
            let names: Vec<&str> = names.iter().copied().filter(|n| new(n)).collect();
            headers.extend(names.into_iter().map(HeaderRule::named));
        }
        Ok(Methods {
            order: all.methods.clone(),
            headers,
            header_missing: match all.header_missing {
                HeaderMissing::NextMethod => attribution::HeaderMissing::NextMethod,
                HeaderMissing::Stop => attribution::HeaderMissing::Stop,
            },
            normal: all.to_normal_form(),
            shared: all.to_shared(),
            own: self.own.to_own(),
            // Contradictions in them were refused before.
            scripts: all.to_scripts().unwrap_or_default(),
            sources: all.to_sources().unwrap_or_default(),
            traces: attribution::Traces {
                envelope_from: all.trace_envelope_from,
            },
            tokens: all.token.to_tokens(),
            dkim: all.dkim.to_own_dkim(),
        })
    }

    /// The rules, and the targets that get an order for each crossing.
    pub fn to_policy(&self) -> Policy {
        Policy {
            rules: self.rules.iter().map(super::Rule::to_domain).collect(),
            restraints: self.restraint.to_restraints(),
            caps: self
                .to_feeds()
                .into_iter()
                .filter(|feed| !feed.caps.is_none())
                .map(|feed| (feed.name, feed.caps))
                .collect(),
            reopen_after_seconds: self.lock.reopen_after.0.as_secs(),
            life: self.lock.to_life(),
            targets: self.to_routing(),
        }
    }
}
