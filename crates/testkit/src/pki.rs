//! Certificates for tests and the demo: an authority, and what it signs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::Error;

/// A certificate authority that lasts for as long as somebody has it.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// If the machine has no random numbers.
    pub fn make(name: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// Its certificate as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate of a server with these names and addresses.
    ///
    /// # Errors
    ///
    /// If one of them is none.
    pub fn server(&self, names: &[&str]) -> Result<Issued, Error> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// Signs a certificate of a client of that name.
    ///
    /// # Errors
    ///
    /// If the machine has no random numbers.
    pub fn client(&self, name: &str) -> Result<Issued, Error> {
        self.sign(&client(name)?)
    }

    /// The same, but its time was over that long ago.
    ///
    /// # Errors
    ///
    /// As [`Self::client`].
    pub fn expired_client(&self, name: &str, ago: Duration) -> Result<Issued, Error> {
        let mut params = client(name)?;
        params.not_after = std::time::SystemTime::now()
            .checked_sub(ago)
            .ok_or_else(|| Error::Invalid("that is before all time".to_owned()))?
            .into();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes both into a folder, as `name.crt` and `name.key`, and returns where they are.
    ///
    /// # Errors
    ///
    /// If one cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), Error> {
        let certificate = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        write(&key, &self.key)?;
        write(&certificate, &self.certificate)?;
        Ok((certificate, key))
    }
}

fn client(name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Replaces a file at once: who reads it finds the old text or the new, and nothing between.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(Error::io(format!("write {}", path.display())))
}
