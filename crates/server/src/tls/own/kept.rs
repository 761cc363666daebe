//! The authorities as they are kept in the Secret, and what is to be done with them at a time.
//!
//! ```text
//! current ───────────────────────────────────▶ previous ───▶ gone, once it has ended
//!            next: made, published ─▶ a week ─▶ current
//! ```
//!
//! A new authority is published beside the old one for a week before anything is signed by it, so
//! that every agent trusts it by then; the old one stays published until it ends, for replicas and
//! agents that are late.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::ByteString;
use kubezonnet_model::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::Authority;
use crate::tls::validity;

/// How long before the end of an authority the next is made.
const INTRODUCED_BEFORE: Duration = Duration::from_hours(90 * 24);

/// How long the next authority is published before it signs. A mounted `ConfigMap` is up to date after two
/// minutes, and agents read it with each window; a week is for agents whose node is away.
const PUBLISHED_FOR: Duration = Duration::from_hours(7 * 24);

/// What is left of an authority that is of no use any more: nothing that it signs lasts.
const LAST_MOMENTS: Duration = Duration::from_hours(1);

/// The keys of the Secret.
const CURRENT: [&str; 2] = ["ca.crt", "ca.key"];
const NEXT: [&str; 2] = ["next.crt", "next.key"];
const NEXT_PUBLISHED: &str = "next.published";
const PREVIOUS: &str = "previous.crt";

/// The authorities.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The one that signs.
    pub current: Authority,
    /// The one that will, if it is time to make it known.
    pub next: Option<Next>,
    /// Certificates (PEM) of those that signed before, and their ends.
    pub previous: Vec<(String, Timestamp)>,
}

/// An authority that will sign.
#[derive(Debug, Clone)]
pub struct Next {
    /// It.
    pub authority: Authority,
    /// Since when agents can know it; `None` until that was seen.
    pub published: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make an authority that signs at once: there is none of use.
    Replace,
    /// Make the next one.
    Introduce,
    /// Note that the next one is published now.
    Note,
    /// Sign with the next one from now on.
    Promote,
    /// Forget previous ones that have ended.
    Retire,
}

impl Kept {
    /// What is to be done at a time, given what is published then; `None`: nothing.
    pub fn step(&self, published: &str, now: Timestamp) -> Option<Step> {
        if self.previous.iter().any(|(_, end)| *end <= now) {
            return Some(Step::Retire);
        }
        let is_over = |authority: &Authority| authority.end() <= now.plus(LAST_MOMENTS);
        let Some(next) = &self.next else {
            if is_over(&self.current) {
                return Some(Step::Replace);
            }
            let soon = self.current.end() <= now.plus(INTRODUCED_BEFORE);
            return soon.then_some(Step::Introduce);
        };
        if is_over(&next.authority) {
            return Some(Step::Replace);
        }
        if is_over(&self.current) {
            // Late is better than not at all: agents that are there read it with their next window.
            return Some(Step::Promote);
        }
        if !published.contains(next.authority.certificate()) {
            // It is published after this look; that is seen at the next.
            return None;
        }
        match next.published {
            None => Some(Step::Note),
            Some(since) if since.plus(PUBLISHED_FOR) <= now => Some(Step::Promote),
            Some(_) => None,
        }
    }

    /// A beginning: one authority that signs at once.
    ///
    /// # Errors
    ///
    /// As [`Authority::make`].
    pub fn begin(now: Timestamp) -> anyhow::Result<Self> {
        Ok(Self {
            current: Authority::make(now)?,
            next: None,
            previous: Vec::new(),
        })
    }

    /// How it is once a step is done.
    ///
    /// # Errors
    ///
    /// As [`Authority::make`].
    pub fn after(mut self, step: Step, now: Timestamp) -> anyhow::Result<Self> {
        match step {
            Step::Replace => self.succeed(Authority::make(now)?),
            Step::Introduce => {
                self.next = Some(Next {
                    authority: Authority::make(now)?,
                    published: None,
                });
            }
            Step::Note => {
                if let Some(next) = &mut self.next {
                    next.published = Some(now);
                }
            }
            Step::Promote => {
                if let Some(next) = self.next.take() {
                    self.succeed(next.authority);
                }
            }
            Step::Retire => self.previous.retain(|(_, end)| *end > now),
        }
        Ok(self)
    }

    fn succeed(&mut self, authority: Authority) {
        let old = std::mem::replace(&mut self.current, authority);
        self.previous
            .push((old.certificate().to_owned(), old.end()));
        self.next = None;
    }

    /// The certificates that agents are to trust, as PEM: the one that signs first.
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|next| next.authority.certificate());
        let previous = self
            .previous
            .iter()
            .map(|(certificate, _)| certificate.as_str());
        let all = [self.current.certificate()]
            .into_iter()
            .chain(next)
            .chain(previous);
        let all: Vec<_> = all.map(str::trim_end).collect();
        all.join("\n") + "\n"
    }

    /// Reads what a Secret holds; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// Says which key is missing or broken.
    pub fn read(data: &BTreeMap<String, ByteString>) -> anyhow::Result<Option<Self>> {
        let text = |key: &str| -> anyhow::Result<Option<&str>> {
            let Some(bytes) = data.get(key).filter(|bytes| !bytes.0.is_empty()) else {
                return Ok(None);
            };
            let text = std::str::from_utf8(&bytes.0);
            Ok(Some(text.with_context(|| format!("{key} is no text"))?))
        };
        let authority = |[certificate, key]: [&str; 2]| match (text(certificate)?, text(key)?) {
            (None, None) => Ok(None),
            (Some(pem), Some(secret)) => {
                let read = Authority::read(pem, secret);
                read.map(Some)
                    .with_context(|| format!("{certificate} is of no use"))
            }
            _ => bail!("of {certificate} and {key} one is missing"),
        };
        let Some(current) = authority(CURRENT)? else {
            return Ok(None);
        };
        let next = authority(NEXT)?.map(|authority| -> anyhow::Result<Next> {
            let published = match text(NEXT_PUBLISHED)? {
                None => None,
                Some(text) => {
                    let seconds: u64 = text
                        .trim()
                        .parse()
                        .with_context(|| format!("{NEXT_PUBLISHED} is no number of seconds"))?;
                    Some(Timestamp(seconds.saturating_mul(1000)))
                }
            };
            Ok(Next {
                authority,
                published,
            })
        });
        Ok(Some(Self {
            current,
            next: next.transpose()?,
            previous: previous(text(PREVIOUS)?.unwrap_or_default())?,
        }))
    }

    /// What a Secret is to hold.
    pub fn write(&self) -> BTreeMap<String, ByteString> {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, text: &str| {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        };
        let mut put_authority = |[certificate, key]: [&str; 2], authority: &Authority| {
            put(certificate, authority.certificate());
            put(key, authority.key());
        };
        put_authority(CURRENT, &self.current);
        if let Some(next) = &self.next {
            put_authority(NEXT, &next.authority);
            if let Some(at) = next.published {
                put(NEXT_PUBLISHED, &(at.0 / 1000).to_string());
            }
        }
        if !self.previous.is_empty() {
            let all: Vec<_> = self
                .previous
                .iter()
                .map(|(pem, _)| pem.trim_end())
                .collect();
            put(PREVIOUS, &all.join("\n"));
        }
        data
    }
}

/// The certificates in a PEM text, each by itself, with their ends.
fn previous(text: &str) -> anyhow::Result<Vec<(String, Timestamp)>> {
    const END: &str = "-----END CERTIFICATE-----";
    let blocks = text.split_inclusive(END).map(str::trim);
    blocks
        .filter(|block| !block.is_empty())
        .map(|block| {
            let der = CertificateDer::from_pem_slice(block.as_bytes())
                .with_context(|| format!("{PREVIOUS} cannot be read"))?;
            let (_, end) = validity(&der)?;
            Ok((format!("{block}\n"), end))
        })
        .collect()
}

#[cfg(test)]
mod tests;
