//! TLS to a push address and to Redis, with a certificate authority of the tests' own. Run with the feature `tls`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use scf_websocket_test_harness::{CONNECTING, DATA_RECV, Function, Need, Redis, error, needs, response};

const EXPIRED: (i32, i32) = (2001, 2002);
const VALID: (i32, i32) = (2001, 2999);

/// Files of a certificate authority and of a certificate that it has issued to a server.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// The server's certificate is for this host and these years.
    fn issue(host: &str, (from, to): (i32, i32)) -> Self {
        let mut authority = CertificateParams::new([]).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().expect("a key");
        let root = authority.self_signed(&authority_key).expect("a root certificate");
        let mut server = CertificateParams::new([host.to_owned()]).expect("parameters");
        server.not_before = date_time_ymd(from, 1, 1);
        server.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let authority = Issuer::new(authority, authority_key);
        let certificate = server.signed_by(&key, &authority).expect("a certificate");
        let issued = Self { folder: tempfile::tempdir().expect("a folder") };
        for (name, pem) in
            [("root", root.pem()), ("certificate", certificate.pem()), ("key", key.serialize_pem())]
        {
            fs::write(issued.path(name), pem).expect("written");
        }
        issued
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the authority's certificate, for `SSL_CERT_FILE`.
    fn root(&self) -> String {
        self.file("root")
    }

    fn file(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().expect("UTF-8")
    }

    /// Serves a push address that accepts every push, until the tests end.
    fn push_address(&self) -> PushServer {
        let certificate = CertificateDer::from_pem_file(self.path("certificate")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.path("key")).expect("a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a configuration");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                // A client that refuses the certificate ends the connection.
                let _ = serve(BufReader::new(StreamOwned::new(session, tcp)));
            }
        });
        PushServer { port, connections }
    }

    /// A Redis server that speaks TLS on the port that is returned too.
    fn redis(&self) -> (Redis, u16) {
        let (certificate, key, root) = (self.file("certificate"), self.file("key"), self.root());
        Redis::start_with_tls(&[
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &root,
            "--tls-auth-clients",
            "no",
        ])
    }
}

/// A push address with TLS.
struct PushServer {
    port: u16,
    connections: Arc<AtomicUsize>,
}

/// Accepts the pushes of one connection.
fn serve(mut client: BufReader<impl Read + Write>) -> std::io::Result<()> {
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if client.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        client.read_exact(&mut vec![0; length])?;
        let answer = r#"{"errNo":0,"errMsg":"ok"}"#;
        write!(client.get_mut(), "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
        client.get_mut().flush()?;
    }
}

fn transfer(host: &str, port: u16, trusted: Option<&str>) -> Function {
    let url = format!("https://{host}:{port}/api");
    let mut env = vec![("WS_ROLE", "transfer"), ("WS_PUSH_URL", url.as_str())];
    env.extend(trusted.map(|file| ("SSL_CERT_FILE", file)));
    Function::start(&env)
}

fn register(host: &str, port: u16, trusted: Option<&str>) -> Function {
    let store = format!("rediss://{host}:{port}");
    let mut env = vec![("WS_ROLE", "register"), ("WS_STORE", store.as_str())];
    env.extend(trusted.map(|file| ("SSL_CERT_FILE", file)));
    Function::start(&env)
}

/// What a push and a registration report where the server's certificate is not accepted.
fn refusals(certificates: &Certificates, host: &str, trusted: Option<&str>) -> [String; 2] {
    let push = error(&transfer(host, certificates.push_address().port, trusted).invoke(DATA_RECV));
    let (_redis, port) = certificates.redis();
    [push, register(host, port, trusted).not_recorded("a")]
}

#[test]
fn pushes_arrive_over_one_kept_connection() {
    let certificates = Certificates::issue("localhost", VALID);
    let server = certificates.push_address();
    let function = transfer("localhost", server.port, Some(&certificates.root()));
    for _ in 0..3 {
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    }
    let output = function.process.output();
    assert!(!output.contains("WARN"), "{output}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_certificate_may_be_issued_for_an_address() {
    let certificates = Certificates::issue("127.0.0.1", VALID);
    let function = transfer("127.0.0.1", certificates.push_address().port, Some(&certificates.root()));
    assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
}

#[test]
fn a_client_is_recorded_in_redis() {
    if !needs(Need::Redis) {
        return;
    }
    let certificates = Certificates::issue("localhost", VALID);
    let (redis, port) = certificates.redis();
    let function = register("localhost", port, Some(&certificates.root()));
    assert!(response(&function.invoke(CONNECTING)).contains(r#""errNo":0"#));
    let room = redis.command("ZRANGE ws:connections:default 0 -1");
    assert!(room.contains("xawexasdfewezdfsdfeasdfffa=="), "{room}");
}

#[test]
fn an_unknown_authority_is_refused() {
    if !needs(Need::Redis) {
        return;
    }
    let certificates = Certificates::issue("localhost", VALID);
    for refusal in refusals(&certificates, "localhost", None) {
        assert!(refusal.contains("it is issued by no public authority: set SSL_CERT_FILE to"), "{refusal}");
    }
    let other = Certificates::issue("localhost", VALID);
    let other = other.root();
    for refusal in refusals(&certificates, "localhost", Some(&other)) {
        let expected = format!("issued by none of the authorities in {other}: set SSL_CERT_FILE to");
        assert!(refusal.contains(&expected), "{refusal}");
    }
}

#[test]
fn a_wrong_host_name_is_refused() {
    if !needs(Need::Redis) {
        return;
    }
    let certificates = Certificates::issue("gateway.example", VALID);
    for refusal in refusals(&certificates, "localhost", Some(&certificates.root())) {
        assert!(refusal.contains("gateway.example"), "{refusal}");
        let advice = "use a host name that the certificate is issued for, or issue one for localhost";
        assert!(refusal.contains(advice), "{refusal}");
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    if !needs(Need::Redis) {
        return;
    }
    let certificates = Certificates::issue("localhost", EXPIRED);
    for refusal in refusals(&certificates, "localhost", Some(&certificates.root())) {
        assert!(refusal.contains("expired"), "{refusal}");
        assert!(refusal.contains("; renew the server's certificate"), "{refusal}");
    }
}

#[test]
fn a_file_without_certificates_is_an_error_that_names_it() {
    let certificates = Certificates::issue("localhost", VALID);
    let missing = certificates.file("missing");
    for (file, expected) in [(missing, "which cannot be read"), (certificates.file("key"), "no certificate")]
    {
        let function = transfer("localhost", certificates.push_address().port, Some(&file));
        let message = error(&function.invoke(DATA_RECV));
        assert!(message.contains(&format!("SSL_CERT_FILE is {file}, which")), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
