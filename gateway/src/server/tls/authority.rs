//! A certification authority for tests, and the files that it issues.

use std::{fs, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, pki_types::CertificateDer};
use tokio_rustls::TlsConnector;

use super::{CertificateFiles, certificate};

/// The name that certificates are issued for.
pub(crate) const NAME: &str = "gateway.test";

/// A certification authority, and a folder with the gateway's files.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pub(crate) folder: tempfile::TempDir,
}

/// A certificate and a key in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: Issuer::new(params, key), root, folder: tempfile::tempdir().expect("a folder") }
    }

    /// A certificate that is valid in these years.
    pub(crate) fn issue(&self, from: i32, to: i32) -> Pair {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn files(&self) -> CertificateFiles {
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name));
        CertificateFiles { certificate, key }
    }

    pub(crate) fn install(&self, pair: &Pair) {
        let CertificateFiles { certificate, key } = self.files();
        fs::write(certificate, &pair.certificate).expect("a file");
        fs::write(key, &pair.key).expect("a file");
    }

    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(certificate::provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}
