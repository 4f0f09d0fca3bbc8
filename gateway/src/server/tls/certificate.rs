//! A certificate chain and its private key, read from two PEM files and checked before anything uses them.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustls::{
    Error as RustlsError, InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};
use x509_parser::{certificate::Validity, parse_x509_certificate, time::ASN1Time};

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's certificate and the intermediate ones behind it, in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM, not encrypted.
    pub key: PathBuf,
}

/// A certificate that can be served.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain and the key.
    pub key: std::sync::Arc<CertifiedKey>,
    /// Until when it is valid.
    pub expires: SystemTime,
    validity: Validity,
}

impl Certificate {
    /// Whether clients accept it at this time. The path is that of its file.
    pub(crate) fn check_time(&self, path: &Path) -> Result<(), CertificateError> {
        let (now, Validity { not_before, not_after }) = (ASN1Time::now(), &self.validity);
        if now < *not_before {
            return Err(CertificateError::NotYetValid(path.to_owned(), not_before.to_string()));
        }
        if now > *not_after {
            return Err(CertificateError::Expired(path.to_owned(), not_after.to_string()));
        }
        Ok(())
    }
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate's file cannot be read.
    #[error("cannot read the certificate {}: {}", .0.display(), .1)]
    ReadCertificate(PathBuf, #[source] io::Error),
    /// The key's file cannot be read.
    #[error("cannot read the key {}: {}", .0.display(), .1)]
    ReadKey(PathBuf, #[source] io::Error),
    /// The file holds no complete certificate.
    #[error("no complete PEM certificate in {}: {}", .0.display(), .1)]
    Certificate(PathBuf, String),
    /// The file holds no complete private key that can be used.
    #[error("no usable PEM private key in {}: {}", .0.display(), .1)]
    Key(PathBuf, String),
    /// The key is that of another certificate.
    #[error(
        "the key {} does not belong to the certificate {}",
        .0.key.display(), .0.certificate.display()
    )]
    Mismatch(CertificateFiles),
    /// The certificate is valid only up to this time.
    #[error("the certificate {} expired at {}", .0.display(), .1)]
    Expired(PathBuf, String),
    /// The certificate is valid only from this time on.
    #[error("the certificate {} is not valid before {}", .0.display(), .1)]
    NotYetValid(PathBuf, String),
}

impl CertificateError {
    /// Whether the key's file is at fault rather than the certificate's.
    #[must_use]
    pub(crate) fn is_about_key(&self) -> bool {
        matches!(self, Self::ReadKey(..) | Self::Key(..) | Self::Mismatch(_))
    }
}

/// The bytes of both files.
#[derive(Hash)]
pub(super) struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    /// Reads the files and checks what is in them. A certificate that has expired is one all the same.
    pub fn load(&self) -> Result<Certificate, CertificateError> {
        self.parse(&self.read()?)
    }

    pub(super) fn read(&self) -> Result<Pem, CertificateError> {
        let certificate = std::fs::read(&self.certificate)
            .map_err(|error| CertificateError::ReadCertificate(self.certificate.clone(), error))?;
        let key =
            std::fs::read(&self.key).map_err(|error| CertificateError::ReadKey(self.key.clone(), error))?;
        Ok(Pem { certificate, key })
    }

    pub(super) fn parse(&self, pem: &Pem) -> Result<Certificate, CertificateError> {
        let chain = chain(&self.certificate, &pem.certificate)?;
        let (_, parsed) = parse_x509_certificate(&chain[0])
            .map_err(|error| CertificateError::Certificate(self.certificate.clone(), error.to_string()))?;
        let validity = parsed.validity().clone();
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|error| CertificateError::Key(self.key.clone(), sentence(&error)))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch(self.clone())
            }
            RustlsError::InvalidCertificate(why) => {
                CertificateError::Certificate(self.certificate.clone(), format!("{why:?}"))
            }
            other => CertificateError::Key(self.key.clone(), other.to_string()),
        })?;
        let seconds = u64::try_from(validity.not_after.timestamp()).unwrap_or_default();
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Ok(Certificate { key: std::sync::Arc::new(key), expires, validity })
    }
}

/// The cryptography of all TLS here.
pub(super) fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The certificates of a file; at least one.
fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let fail = |why: String| CertificateError::Certificate(path.to_owned(), why);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| fail(sentence(&error)))?;
    if chain.is_empty() {
        return Err(fail("there is no BEGIN CERTIFICATE in it".to_owned()));
    }
    Ok(chain)
}

/// The library shows the end that it looks for as numbers.
fn sentence(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!(
                "there is no -----END {}-----: the file has been cut",
                String::from_utf8_lossy(end_marker)
            )
        }
        error => error.to_string(),
    }
}
