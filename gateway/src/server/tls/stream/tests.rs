use futures_util::FutureExt as _;
use rustls::{
    AlertDescription, SupportedProtocolVersion,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split},
    task::yield_now,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::server::tls::{
    Tls,
    authority::{Authority, NAME},
};

/// More than a record, and what one read adds.
const BUFFERED_BYTES: usize = 24 * 1024;

fn tls() -> (Authority, Tls) {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let tls = Tls::load(authority.files()).expect("a certificate");
    (authority, tls)
}

type Connected = (TlsStream<DuplexStream>, ServerTlsStream<DuplexStream>);

async fn shake_hands(tls: &Tls, connector: &TlsConnector, capacity: usize) -> io::Result<Connected> {
    let (near, far) = duplex(capacity);
    let name = ServerName::try_from(NAME).expect("a name");
    tokio::try_join!(connector.connect(name, near), tls.accept(far))
}

/// A client and its connection, where so many bytes are on their way at most.
async fn connect(version: &'static SupportedProtocolVersion, capacity: usize) -> Connected {
    let (authority, tls) = tls();
    shake_hands(&tls, &authority.client(&[version]), capacity).await.expect("a connection")
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).expect("small")).collect()
}

/// Sends everything in one task, closes, and receives in another one.
async fn exchange<S>(stream: S, bytes: Vec<u8>) -> Vec<u8>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut reader, mut writer) = split(stream);
    let written = tokio::spawn(async move {
        writer.write_all(&bytes).await?;
        writer.shutdown().await
    });
    let mut received = Vec::new();
    // Without close_notify it is an error.
    reader.read_to_end(&mut received).await.expect("all of it");
    written.await.expect("no panic").expect("written");
    received
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn large_transfers_run_both_ways_at_once_and_end_with_close_notify() {
    let (authority, tls) = tls();
    for version in [&TLS12, &TLS13] {
        for capacity in [1, 1000, 64 * 1024] {
            let (near, far) = duplex(capacity);
            let (question, answer) = (pattern(20_000 + 10 * capacity), pattern(20_000 + 20 * capacity));
            let name = ServerName::try_from(NAME).expect("a name");
            let asking = authority.client(&[version]).connect(name, near);
            let asking = async { exchange(asking.await.expect("a connection"), question.clone()).await };
            let answering = tls.accept(far);
            let answering = async { exchange(answering.await.expect("a connection"), answer.clone()).await };
            let (answered, asked) = tokio::join!(asking, answering);
            assert!(asked == question && answered == answer, "{version:?} {capacity}");
        }
    }
}

#[tokio::test]
async fn many_small_messages_arrive_in_order() {
    let (mut client, server) = connect(&TLS13, 1000).await;
    let echo = tokio::spawn(async move {
        let (mut reader, mut writer) = split(server);
        tokio::io::copy(&mut reader, &mut writer).await
    });
    for round in 0..100_u8 {
        for _ in 0..20 {
            client.write_all(&[round; 10]).await.expect("sent");
            client.flush().await.expect("sent");
        }
        let mut received = [0; 200];
        client.read_exact(&mut received).await.expect("echoed");
        assert_eq!(received, [round; 200]);
    }
    drop(client);
    let error = echo.await.expect("no panic").expect_err("the client has said nothing");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_idle_stream_has_no_buffer() {
    let (client, mut server) = connect(&TLS13, 64 * 1024).await;
    assert!(server.read(&mut [0; 10]).now_or_never().is_none());
    assert_eq!(server.records.buffered(), 0);
    server.write_all(b"hello").await.expect("sent");
    assert_eq!(server.records.buffered(), 0);

    let (mut stream, mut session) = client.into_inner();
    io::Write::write_all(&mut session.writer(), b"a question").expect("encrypted");
    let mut record = Vec::new();
    session.write_tls(&mut record).expect("a record");
    let (begin, end) = record.split_at(7);
    stream.write_all(begin).await.expect("sent");
    let mut received = [0; 10];
    assert!(server.read(&mut received).now_or_never().is_none());
    assert!((begin.len()..BUFFERED_BYTES).contains(&server.records.buffered()));
    stream.write_all(end).await.expect("sent");
    server.read_exact(&mut received[..2]).await.expect("a part");
    server.read_exact(&mut received[2..]).await.expect("the rest");
    assert_eq!(&received, b"a question");
    assert!(server.read(&mut received).now_or_never().is_none());
    assert_eq!(server.records.buffered(), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_makes_writing_wait() {
    let (client, mut server) = connect(&TLS13, 1000).await;
    let bytes = pattern(100_000);
    let mut accepted = 0;
    while let Some(count) = server.write(&bytes[accepted..]).now_or_never() {
        accepted += count.expect("accepted");
    }
    assert_eq!(accepted, WRITE_BYTES);
    assert!(server.flush().now_or_never().is_none());
    assert!((WRITE_BYTES - 1000..BUFFERED_BYTES).contains(&server.records.buffered()));
    let rest = bytes[accepted..].to_vec();
    let (_, received) = tokio::join!(exchange(server, rest), exchange(client, Vec::new()));
    assert!(received == bytes);
}

#[tokio::test]
async fn what_is_not_read_waits_with_the_peer() {
    let (client, mut server) = connect(&TLS13, 1 << 20).await;
    let bytes = pattern(500_000);
    let sent = tokio::spawn(exchange(client, bytes.clone()));
    let mut received = Vec::new();
    for _ in 0..20_000 {
        received.push(server.read_u8().await.expect("a byte"));
        assert!(server.records.buffered() < 2 * BUFFERED_BYTES, "{}", server.records.buffered());
    }
    received.extend(exchange(server, Vec::new()).await);
    assert!(received == bytes);
    sent.await.expect("no panic");
}

#[tokio::test]
async fn futures_that_are_dropped_lose_nothing() {
    let (client, mut server) = connect(&TLS13, 1000).await;
    let (question, answer) = (pattern(50_000), pattern(40_000));
    let sent = tokio::spawn(exchange(client, question.clone()));
    let (mut read, mut written) = (Vec::<u8>::new(), 0);
    let mut buffer = [0; 1000];
    while read.len() < question.len() || written < answer.len() {
        if let Some(count) = server.read(&mut buffer).now_or_never() {
            read.extend(&buffer[..count.expect("read")]);
        }
        if let Some(count) = server.write(&answer[written..]).now_or_never() {
            written += count.expect("written");
        }
        yield_now().await;
    }
    server.shutdown().await.expect("shut down");
    assert!(read == question && sent.await.expect("no panic") == answer);
}

#[tokio::test]
async fn slices_are_joined_to_a_record() {
    let (mut client, mut server) = connect(&TLS13, 64 * 1024).await;
    let bytes = pattern(20_000);
    let slices = [&b"head"[..], b"", &bytes, &bytes].map(IoSlice::new);
    assert_eq!(server.write_vectored(&slices).await.expect("sent"), WRITE_BYTES);
    assert_eq!(server.write_vectored(&slices[..2]).await.expect("sent"), 4);
    let mut received = vec![0; WRITE_BYTES + 4];
    client.read_exact(&mut received).await.expect("received");
    assert!(received == [b"head", &bytes[..WRITE_BYTES - 4], b"head"].concat());
}

#[tokio::test]
async fn after_the_peers_close_notify_it_can_still_be_written_to() {
    for version in [&TLS12, &TLS13] {
        let (mut client, mut server) = connect(version, 1000).await;
        client.write_all(b"question").await.expect("sent");
        client.shutdown().await.expect("shut down");
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.expect("close_notify");
        assert_eq!(
            (&question[..], server.read(&mut [0; 9]).await.expect("still the end")),
            (&b"question"[..], 0)
        );
        server.write_all(b"answer").await.expect("sent");
        server.shutdown().await.expect("shut down");
        let error = server.write(b"more").await.expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("close_notify");
        assert_eq!((&answer[..], server.records.buffered()), (&b"answer"[..], 0));
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_close_notify_is_an_error() {
    let (client, mut server) = connect(&TLS13, 1000).await;
    drop(client);
    for _ in 0..2 {
        let error = server.read(&mut [0; 10]).await.expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    let (_authority, tls) = tls();
    let (mut near, far) = duplex(1000);
    near.write_all(b"\x16\x03").await.expect("sent");
    drop(near);
    assert_eq!(tls.accept(far).await.expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_client_learns_why_its_handshake_fails() {
    let (authority, tls) = tls();
    for version in [&TLS12, &TLS13] {
        let mut config = (**authority.client(&[version]).config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let (near, far) = duplex(1000);
        let name = ServerName::try_from(NAME).expect("a name");
        let (client, server) = tokio::join!(connector.connect(name, near), tls.accept(far));
        let error = server.expect_err("no handshake");
        assert_eq!(error.to_string(), rustls::Error::NoApplicationProtocol.to_string());
        let error = client.expect_err("no handshake");
        assert_eq!(alert(&error), Some(AlertDescription::NoApplicationProtocol));
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_receives_an_alert() {
    let (mut client, mut server) = connect(&TLS13, 1000).await;
    client.write_all(b"sound").await.expect("sent");
    client.flush().await.expect("sent");
    let (stream, _) = client.get_mut();
    stream.write_all(b"\x17\x03\x03\0\x20no record at all, but as long 32").await.expect("sent");
    let mut received = [0; 10];
    assert_eq!(server.read(&mut received).await.expect("what came before"), 5);
    for _ in 0..2 {
        let error = server.read(&mut received).await.expect_err("not a record");
        assert_eq!((error.kind(), alert(&error)), (io::ErrorKind::InvalidData, None));
    }
    assert!(server.write(b"answer").await.is_err());
    server.shutdown().await.expect("shut down");
    let error = client.read(&mut received).await.expect_err("an alert");
    assert_eq!(alert(&error), Some(AlertDescription::BadRecordMac));
    assert_eq!(server.records.buffered(), 0);
}

#[tokio::test]
async fn a_message_of_a_handshake_in_endless_parts_is_refused() {
    let (_authority, tls) = tls();
    let (mut near, far) = duplex(1000);
    let sending = async {
        // A ClientHello of 65,000 bytes, one by one.
        let mut sent = near.write_all(b"\x16\x03\x03\0\x04\x01\0\xfd\xe8").await;
        while sent.is_ok() {
            sent = near.write_all(b"\x16\x03\x03\0\x01x").await;
        }
    };
    let (accepted, ()) = tokio::join!(tls.accept(far), sending);
    assert_eq!(accepted.expect_err("refused").to_string(), "a message of the handshake is too long");
}

#[tokio::test]
async fn sessions_are_resumed_and_keys_are_updated() {
    let (authority, tls) = tls();
    for version in [&TLS12, &TLS13] {
        let connector = authority.client(&[version]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut client, mut server) =
                shake_hands(&tls, &connector, 64 * 1024).await.expect("a connection");
            assert_eq!(server.handshake_kind(), Some(kind), "{version:?}");
            for round in 0..50 {
                if version == &TLS13 {
                    client.get_mut().1.refresh_traffic_keys().expect("new keys");
                }
                client.write_u8(round).await.expect("sent");
                client.flush().await.expect("sent");
                assert_eq!(server.read_u8().await.expect("received"), round);
                server.write_u8(round).await.expect("sent");
                server.flush().await.expect("sent");
                assert_eq!(client.read_u8().await.expect("received"), round);
            }
        }
    }
}
