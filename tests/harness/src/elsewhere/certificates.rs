//! A certificate authority of the test's own.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// An authority, whose certificate is in a file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The authority's certificate, PEM.
    pub file: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "the authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = env::temp_dir().join(format!("gateway-test-{}-{number}.pem", std::process::id()));
        fs::write(&file, certificate.pem()).expect("a file for the certificate");
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A certificate for `127.0.0.1` and `localhost` and its key, in files that go with the authority's.
    pub fn server_files(&self) -> [PathBuf; 2] {
        let (certificate, key) = self.issue(&["127.0.0.1", "localhost"]);
        let files = ["certificate", "key"].map(|name| self.file.with_extension(name));
        for (file, text) in files.iter().zip([certificate.pem(), key.serialize_pem()]) {
            fs::write(file, text).expect("a file for the server");
        }
        files
    }

    /// Accepts TLS connections as `127.0.0.1` and `localhost`.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_for(&["127.0.0.1", "localhost"])
    }

    /// Accepts TLS connections with a certificate for these names.
    pub fn acceptor_for(&self, names: &[&str]) -> TlsAcceptor {
        let (certificate, key) = self.issue(names);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits");
        TlsAcceptor::from(Arc::new(config))
    }

    fn issue(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, "a server of a test");
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for file in ["pem", "certificate", "key"] {
            let _ = fs::remove_file(self.file.with_extension(file));
        }
    }
}
