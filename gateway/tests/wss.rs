//! Clients connect with `wss://`: versions, resumption, and certificates that are replaced while clients are there.

use std::{fs, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{
    HandshakeKind, ProtocolVersion,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use scf_websocket_gateway::{ClientSettings, tls::CertificateFiles};
use scf_websocket_test_harness::{Gateway, InProcess, SOON, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use self::authority::{Authority, NAME, Pair};

#[path = "../src/server/tls/authority.rs"]
pub mod authority;

mod certificate {
    pub(super) fn provider() -> rustls::crypto::CryptoProvider {
        rustls::crypto::ring::default_provider()
    }
}

fn settings(files: CertificateFiles) -> ClientSettings {
    let mut settings = ClientSettings::default();
    settings.tls = Some(files);
    settings
}

async fn serve(authority: &Authority) -> Gateway {
    let settings = settings(authority.files());
    let pushes = ([127, 0, 0, 1], 0).into();
    InProcess::echo().gateway(|builder| builder.clients(settings).push_listen(pushes)).start().await
}

/// A client over TLS.
pub struct Client(WebSocketStream<TlsStream<TcpStream>>);

impl Client {
    async fn connect(gateway: &Gateway, connector: &TlsConnector) -> Self {
        Self::connect_to(gateway, connector, "/").await
    }

    pub async fn connect_to(gateway: &Gateway, connector: &TlsConnector, path: &str) -> Self {
        let addr = gateway.clients.trim_start_matches("wss://").trim_end_matches('/');
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let name = ServerName::try_from(NAME).expect("a name");
        let stream = connector.connect(name, stream).await.expect("TLS");
        let uri = format!("ws://{NAME}{path}").parse().expect("an address");
        let builder = ClientBuilder::from_uri(uri);
        Self(timeout(SOON, builder.connect_on(stream)).await.expect("in time").expect("accepted").0)
    }

    pub async fn ask(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await.expect("sent");
        loop {
            let answer = timeout(SOON, self.0.next()).await.expect("in time").expect("open").expect("valid");
            if answer.is_text() {
                return assert_eq!(answer.as_text(), Some(text));
            }
        }
    }

    fn session(&self) -> &rustls::ClientConnection {
        self.0.get_ref().get_ref().1
    }

    /// The code and the text of the close frame.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            let message = timeout(SOON, self.0.next()).await.expect("in time").expect("open").expect("valid");
            if let Some((code, reason)) = message.as_close() {
                return (code.into(), reason.to_owned());
            }
        }
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().expect("a certificate")[0].clone().into_owned()
    }
}

#[tokio::test]
async fn both_versions_are_served_and_sessions_are_resumed() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let gateway = serve(&authority).await;
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let connector = authority.client(&[version]);
        let mut first = Client::connect(&gateway, &connector).await;
        assert_eq!(first.session().protocol_version(), Some(number));
        assert_eq!(first.session().handshake_kind(), Some(HandshakeKind::Full));
        first.ask("hello").await;
        let mut again = Client::connect(&gateway, &connector).await;
        assert_eq!(again.session().handshake_kind(), Some(HandshakeKind::Resumed), "{number:?}");
        again.ask(&"a large frame, in several records ".repeat(10_000)).await;
    }
    for (outcome, count) in [("full", 2.0), ("resumed", 2.0)] {
        let series = format!(r#"scf_gateway_tls_handshakes_total{{outcome="{outcome}"}}"#);
        gateway.wait_for_metric(&series, count).await;
    }
}

#[tokio::test]
async fn a_client_without_tls_gets_no_answer_and_others_notice_nothing() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let gateway = serve(&authority).await;
    let mut client = Client::connect(&gateway, &authority.client(&[&TLS13])).await;
    let plain = format!("ws://{}/", gateway.running().addr()).parse().expect("an address");
    let builder = ClientBuilder::from_uri(plain);
    assert!(timeout(SOON, builder.connect()).await.expect("in time").is_err());
    gateway.wait_for_metric(r#"scf_gateway_tls_handshakes_total{outcome="failed"}"#, 1.0).await;
    client.ask("still here").await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_is_cut() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let mut settings = settings(authority.files());
    settings.timeouts.tls_handshake = Duration::from_millis(300);
    let pushes = ([127, 0, 0, 1], 0).into();
    let gateway =
        InProcess::echo().gateway(|builder| builder.clients(settings).push_listen(pushes)).start().await;
    let mut stream = TcpStream::connect(gateway.running().addr()).await.expect("a connection");
    stream.write_all(&[0x16, 0x03]).await.expect("the beginning of a record");
    assert_eq!(timeout(SOON, stream.read(&mut [0; 64])).await.expect("in time").expect("no reset"), 0);
    gateway.wait_for_metric(r#"scf_gateway_tls_handshakes_total{outcome="timed_out"}"#, 1.0).await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_changes_nothing_and_a_new_one_closes_no_connection() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(2000, 3000), authority.issue(2000, 3000));
    authority.install(&old);
    let gateway = serve(&authority).await;
    let mut client = Client::connect(&gateway, &authority.client(&[&TLS13])).await;
    let served = client.certificate();
    let half = new.certificate[..new.certificate.len() / 2].to_owned();
    let unusable = [
        authority.issue(2000, 2001),
        Pair { certificate: half, key: new.key.clone() },
        Pair { certificate: new.certificate.clone(), key: old.key.clone() },
        Pair { certificate: String::new(), key: new.key.clone() },
    ];
    let reloads = |outcome| format!(r#"scf_gateway_reloads_total{{what="certificate",outcome="{outcome}"}}"#);
    for (count, pair) in (1_u8..).zip(unusable) {
        authority.install(&pair);
        gateway.running().set_clients(settings(authority.files()));
        let newcomer = Client::connect(&gateway, &authority.client(&[&TLS13])).await;
        assert_eq!(newcomer.certificate(), served);
        // The watch may have noticed it too.
        assert!(gateway.metric(&reloads("rejected")) >= f64::from(count));
    }
    authority.install(&new);
    gateway.running().set_clients(settings(authority.files()));
    let newcomer = Client::connect(&gateway, &authority.client(&[&TLS13])).await;
    assert_ne!(newcomer.certificate(), served);
    assert!((gateway.metric(&reloads("applied")) - 1.0).abs() < f64::EPSILON);
    client.ask("still here").await;
}

#[tokio::test]
async fn new_files_are_noticed_without_a_signal() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let gateway = serve(&authority).await;
    let files = authority.files();
    let new = authority.issue(2000, 2999);
    // As a tool for certificates does it: the new files take the place of the old ones.
    for (file, text) in [(files.certificate, new.certificate), (files.key, new.key)] {
        let beside = file.with_extension("new");
        fs::write(&beside, text).expect("a file");
        fs::rename(beside, file).expect("renamed");
    }
    let applied = r#"scf_gateway_reloads_total{what="certificate",outcome="applied"}"#;
    eventually("the new certificate", || (gateway.metric(applied) > 0.5).then_some(())).await;
    let expires = gateway.metric("scf_gateway_certificate_expires_timestamp_seconds");
    assert!(expires > 3e10, "{expires}");
}
