//! A certificate authority: made, read back, and signing.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kubezonnet_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::BACKDATED;
use crate::tls::{Leaf, validity};

/// For how long an authority is valid from when it is made.
const LIFE: Duration = Duration::from_hours(365 * 24);

/// A certificate authority with its key.
#[derive(Clone)]
pub struct Authority {
    certificate: String,
    key: String,
    end: Timestamp,
}

impl std::fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes one with a new key.
    ///
    /// # Errors
    ///
    /// If the machine has no random numbers, or the time is beyond what certificates can say.
    pub fn make(now: Timestamp) -> anyhow::Result<Self> {
        Self::make_until(now, now.plus(LIFE))
    }

    /// The same with another end.
    ///
    /// # Errors
    ///
    /// As [`Self::make`].
    pub fn make_until(now: Timestamp, end: Timestamp) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = time(now.minus(BACKDATED))?;
        params.not_after = time(end)?;
        // Each has a name of its own: who verifies finds the right one by it.
        let name = format!("kubezonnet authority {}", now.0);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Self::read(&certificate, &key.serialize_pem())
    }

    /// Reads one back.
    ///
    /// # Errors
    ///
    /// If certificate or key is broken, or it is no authority.
    pub fn read(certificate: &str, key: &str) -> anyhow::Result<Self> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .context("its certificate cannot be read")?;
        let (_, end) = validity(&der)?;
        let authority = Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            end,
        };
        let issuer = authority.issuer()?;
        let (_, parsed) = X509Certificate::from_der(&der).context("its certificate is broken")?;
        ensure!(
            parsed.public_key().raw == issuer.key().subject_public_key_info(),
            "its key is that of another certificate"
        );
        ensure!(
            issuer.key_usages().is_empty()
                || issuer.key_usages().contains(&KeyUsagePurpose::KeyCertSign),
            "its certificate may not sign others"
        );
        Ok(authority)
    }

    /// Its certificate as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key as PEM.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When it ends.
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// Makes a server's certificate for those names, with a new key. It does not outlive the authority.
    ///
    /// # Errors
    ///
    /// If a name is none, or the machine has no random numbers.
    pub fn issue(&self, names: &[String], end: Timestamp, now: Timestamp) -> anyhow::Result<Leaf> {
        let mut params = CertificateParams::new(names).context("a --tls-name is no name")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = time(now.minus(BACKDATED))?;
        params.not_after = time(end.min(self.end))?;
        let common = names.first().map_or("kubezonnet-server", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuer()?)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Leaf::new(vec![leaf.der().clone()], key)
    }

    fn issuer(&self) -> anyhow::Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(&self.key).context("its key cannot be read")?;
        Issuer::from_ca_cert_pem(&self.certificate, key).context("its certificate cannot be used")
    }
}

fn time(at: Timestamp) -> anyhow::Result<OffsetDateTime> {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).context("the clock is beyond the year 9999")
}
