use std::{cell::RefCell, fs, io, path::Path};

use rustls::{
    HandshakeKind, ProtocolVersion,
    pki_types::{CertificateDer, ServerName},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    authority::{Authority, NAME, Pair},
    *,
};

/// A connection to a server that sends back each byte.
async fn connect(tls: &Tls, client: &TlsConnector) -> io::Result<TlsStream<DuplexStream>> {
    let (near, far) = duplex(64 * 1024);
    let accepting = tls.accept(far);
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(accepting.await?);
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let mut stream = client.connect(ServerName::try_from(NAME).expect("a name"), near).await?;
    echo(&mut stream).await?;
    Ok(stream)
}

/// Also takes the session tickets off the connection, which come with the first bytes.
async fn echo(stream: &mut TlsStream<DuplexStream>) -> io::Result<()> {
    stream.write_all(b"x").await?;
    stream.flush().await?;
    stream.read_u8().await.map(|byte| assert_eq!(byte, b'x'))
}

fn certificate_of(stream: &TlsStream<DuplexStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    chain[0].clone().into_owned()
}

fn der(pair: &Pair) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate")
}

/// Reads the files that are watched again, as after a change.
fn reload(tls: &Tls) -> Result<Reloaded, CertificateError> {
    tls.look(&mut tls.watched.lock(), true)
}

#[tokio::test]
async fn clients_of_both_versions_connect_and_resume_their_sessions() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let tls = Tls::load(authority.files()).expect("a certificate");
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = authority.client(&[version]);
        let first = connect(&tls, &client).await.expect("a connection");
        let (_, session) = first.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
        let second = connect(&tls, &client).await.expect("a connection");
        assert_eq!(second.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{expected:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_open_ones_go_on() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3001));
    authority.install(&old);
    let tls = Tls::load(authority.files()).expect("a certificate");
    let mut open = connect(&tls, &authority.client(&[&TLS13])).await.expect("a connection");
    assert_eq!(certificate_of(&open), der(&old));
    assert_eq!(reload(&tls).expect("the same certificate"), Reloaded::Unchanged);

    let expired_before = tls.expires();
    authority.install(&new);
    assert_eq!(reload(&tls).expect("a new certificate"), Reloaded::Replaced);
    assert!(tls.expires() > expired_before);
    let fresh = connect(&tls, &authority.client(&[&TLS13])).await.expect("a connection");
    assert_eq!(certificate_of(&fresh), der(&new));
    echo(&mut open).await.expect("the open connection goes on");
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3000));
    authority.install(&old);
    let tls = Tls::load(authority.files()).expect("a certificate");
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let bad = [
        ("a half-written certificate", Pair { certificate: half(&new.certificate), key: new.key.clone() }),
        ("a half-written key", Pair { certificate: new.certificate.clone(), key: half(&new.key) }),
        ("an empty certificate", Pair { certificate: String::new(), key: new.key.clone() }),
        ("an empty key", Pair { certificate: new.certificate.clone(), key: String::new() }),
        (
            "a new certificate, whose key is not there yet",
            Pair { certificate: new.certificate.clone(), key: old.key.clone() },
        ),
        ("an expired certificate", authority.issue(2000, 2001)),
        ("a certificate of the future", authority.issue(2999, 3000)),
    ];
    for (what, pair) in bad {
        authority.install(&pair);
        let error = reload(&tls).expect_err(what).to_string();
        assert!(error.contains(".pem"), "{what}: {error}");
        let stream = connect(&tls, &authority.client(&[&TLS13])).await.expect(what);
        assert_eq!(certificate_of(&stream), der(&old), "{what}");
    }
    fs::remove_file(authority.files().key).expect("a file");
    assert!(matches!(reload(&tls), Err(CertificateError::ReadKey(..))));

    authority.install(&new);
    assert_eq!(reload(&tls).expect("a pair at last"), Reloaded::Replaced);
    let stream = connect(&tls, &authority.client(&[&TLS13])).await.expect("a connection");
    assert_eq!(certificate_of(&stream), der(&new));
}

#[tokio::test]
async fn other_files_take_the_place_of_the_first_once_they_can_be_used() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3000));
    authority.install(&old);
    let tls = Tls::load(authority.files()).expect("a certificate");
    let [certificate, key] = ["cert2.pem", "key2.pem"].map(|name| authority.folder.path().join(name));
    let others = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
    assert!(matches!(tls.reload(others), Err(CertificateError::ReadCertificate(..))));
    assert_eq!(served(&tls), der(&old));
    fs::write(certificate, &new.certificate).expect("a file");
    fs::write(key, &new.key).expect("a file");
    assert_eq!(reload(&tls).expect("the other files"), Reloaded::Replaced);
    assert_eq!(served(&tls), der(&new));
}

/// Keeps what each thread logs, and so each test.
struct Log;

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Info
            && record.target().starts_with("scf_websocket_gateway::server::tls")
        {
            LOGGED.with_borrow_mut(|lines| lines.push(format!("{} {}", record.level(), record.args())));
        }
    }

    fn flush(&self) {}
}

fn logged() -> Vec<String> {
    LOGGED.take()
}

#[tokio::test(start_paused = true)]
async fn each_change_of_the_files_is_logged_once() {
    // Another test may have set it already.
    let _ = log::set_logger(&Log);
    log::set_max_level(log::LevelFilter::Info);
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3000));
    authority.install(&old);
    let tls = Arc::new(Tls::load(authority.files()).expect("a certificate"));
    let watching = Arc::clone(&tls);
    let watch = tokio::spawn(async move { watching.watch(|_| ()).await });
    tokio::time::sleep(WATCH_INTERVAL * 3).await;
    assert_eq!(logged(), Vec::<String>::new());

    authority.install(&Pair { certificate: new.certificate.clone(), key: old.key.clone() });
    tokio::time::sleep(WATCH_INTERVAL * 5).await;
    let [warning] = logged().try_into().expect("one line");
    assert!(
        warning.starts_with("WARN the key ") && warning.contains("does not belong to the certificate"),
        "{warning}"
    );
    assert!(warning.contains("; the certificate in use stays, valid for "), "{warning}");
    assert!(reload(&tls).is_err());
    assert_eq!(logged().len(), 1, "a reload that was asked for says so again");

    authority.install(&new);
    tokio::time::sleep(WATCH_INTERVAL * 5).await;
    let [line] = logged().try_into().expect("one line");
    assert!(line.starts_with("INFO new certificate ") && line.contains(" days"), "{line}");
    watch.abort();
}

/// There is no other to serve.
#[tokio::test(start_paused = true)]
async fn an_expired_certificate_is_served_at_the_start_and_said_every_day() {
    let _ = log::set_logger(&Log);
    log::set_max_level(log::LevelFilter::Info);
    let authority = Authority::new();
    let (expired, new) = (authority.issue(2000, 2001), authority.issue(2000, 3000));
    authority.install(&expired);
    let tls = Arc::new(Tls::load(authority.files()).expect("it is served"));
    assert_eq!(served(&tls), der(&expired));
    let watching = Arc::clone(&tls);
    let watch = tokio::spawn(async move { watching.watch(|_| ()).await });
    tokio::time::sleep(WATCH_INTERVAL * 3).await;
    let [error] = logged().try_into().expect("one line");
    assert!(error.starts_with("ERROR the certificate ") && error.contains(" expired at Jan  1"), "{error}");
    tokio::time::sleep(WARN_INTERVAL).await;
    assert_eq!(logged(), [error]);
    authority.install(&new);
    tokio::time::sleep(WARN_INTERVAL * 2).await;
    let [line] = logged().try_into().expect("one line");
    assert!(line.starts_with("INFO new certificate "), "{line}");
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn new_files_are_noticed_without_being_asked() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3000));
    authority.install(&old);
    let tls = Arc::new(Tls::load(authority.files()).expect("a certificate"));
    let watching = Arc::clone(&tls);
    let watch = tokio::spawn(async move { watching.watch(|_| ()).await });
    authority.install(&Pair { certificate: new.certificate.clone(), key: old.key.clone() });
    tokio::time::sleep(WATCH_INTERVAL * 2).await;
    assert_eq!(served(&tls), der(&old));
    authority.install(&new);
    tokio::time::sleep(WATCH_INTERVAL * 2).await;
    assert_eq!(served(&tls), der(&new));
    watch.abort();
}

fn served(tls: &Tls) -> CertificateDer<'static> {
    tls.served.0.load().key.cert[0].clone()
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let authority = Authority::new();
    let pair = authority.issue(2000, 3000);
    authority.install(&pair);
    let CertificateFiles { certificate, key } = authority.files();
    let message = |certificate: &Path, key: &Path| {
        let files = CertificateFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let checked = files.load().and_then(|loaded| loaded.check_time(&files.certificate));
        checked
            .expect_err("a mistake")
            .to_string()
            .replace(&format!("{}/", authority.folder.path().display()), "")
    };
    let swapped = message(&key, &certificate);
    assert!(swapped.starts_with("no complete PEM certificate in key.pem"), "{swapped}");
    let twice = message(&certificate, &certificate);
    assert!(twice.starts_with("no usable PEM private key in cert.pem"), "{twice}");
    let missing = message(&authority.folder.path().join("no.pem"), &key);
    assert!(missing.starts_with("cannot read the certificate no.pem: No such file"), "{missing}");
    authority.install(&Pair { certificate: pair.certificate[..200].to_owned(), key: pair.key });
    let cut = message(&certificate, &key);
    assert!(cut.ends_with("there is no -----END CERTIFICATE-----: the file has been cut"), "{cut}");
    authority.install(&authority.issue(2000, 2001));
    let expired = message(&certificate, &key);
    assert!(expired.starts_with("the certificate cert.pem expired at Jan  1 00:00:00 2001"), "{expired}");
}
