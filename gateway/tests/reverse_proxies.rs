//! nginx and Caddy in front of the gateway, set up by the files in `docs/`; [`several`] has those before several of it.

mod several;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{pki_types::ServerName, version::TLS13};
use scf_websocket_test_harness::{Gateway, InProcess, SOON, debian_file};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::wss::authority::{Authority, NAME};

/// Where the test's client connects from.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 1, 2, 3);

/// A proxy's process, which is ended with the test.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx passes SIGTERM on to its workers, which SIGKILL would leave behind.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// An address for the proxy that no other test has: the port is fixed, the loopback address is this process's own.
fn proxy_addr(port: u16) -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, 77, high, low), port).into()
}

/// A file of `docs/` with these parts replaced, each of which must be in it.
fn documented(file: &str, replaced: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    edited(&fs::read_to_string(path).expect("the file"), replaced)
}

fn edited(text: &str, replaced: &[(&str, String)]) -> String {
    replaced.iter().fold(text.to_owned(), |text, (part, by)| {
        assert!(text.contains(part), "there is no {part} in {text}");
        text.replace(part, by)
    })
}

/// A folder in which nginx runs with this file, and leaves nothing elsewhere.
fn nginx_folder(authority: &Authority, text: &str) -> PathBuf {
    let folder = authority.folder.path();
    let folder_text = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder_text}/{kind};"))
        .concat();
    let text = text.replace("http {", &format!("http {{\naccess_log off;\n{temporary}"));
    fs::write(
        folder.join("nginx.conf"),
        format!("pid {folder_text}/nginx.pid;\nerror_log stderr;\ndaemon off;\n{text}"),
    )
    .expect("a file");
    folder.to_owned()
}

async fn gateway() -> Gateway {
    let trusted = vec!["127.0.0.1/32".parse().expect("a network")];
    InProcess::echo().clients(|clients| clients.proxies.trusted = trusted).start().await
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Connects through the proxy, which may still be starting.
async fn connect(proxy: SocketAddr, authority: &Authority) -> Socket {
    let begun = Instant::now();
    let stream = loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((CLIENT, 0).into()).expect("a loopback address");
        match socket.connect(proxy).await {
            Ok(stream) => break stream,
            Err(error) => assert!(begun.elapsed() < SOON, "the proxy does not listen: {error}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    let name = ServerName::try_from(NAME).expect("a name");
    let stream = authority.client(&[&TLS13]).connect(name, stream).await.expect("TLS");
    let uri = format!("ws://{NAME}/?token=secret").parse().expect("an address");
    let builder = ClientBuilder::from_uri(uri);
    timeout(SOON, builder.connect_on(stream)).await.expect("in time").expect("accepted").0
}

async fn next(socket: &mut Socket) -> Message {
    timeout(SOON, socket.next()).await.expect("in time").expect("open").expect("valid")
}

/// A client comes through with its own address; frames, pushes and the close code pass both ways.
async fn check(gateway: Gateway, proxy: SocketAddr, authority: &Authority) {
    let mut socket = connect(proxy, authority).await;
    let event = &gateway.events("register")[0];
    assert_eq!(event["requestContext"]["sourceIp"], CLIENT.to_string());
    assert_eq!(event["queryString"]["token"], "secret");
    assert_eq!(event["headers"]["host"], NAME);
    let large = "x".repeat(100_000);
    for text in ["hello", &large] {
        socket.send(Message::text(text.to_owned())).await.expect("sent");
        assert_eq!(next(&mut socket).await.as_text(), Some(text));
    }
    socket.send(Message::text("fail".to_owned())).await.expect("sent");
    let close = next(&mut socket).await;
    let (code, reason) = close.as_close().expect("a close frame");
    assert!(u16::from(code) == 1011 && reason.starts_with("the transfer function failed"), "{close:?}");
    gateway.wait_for_events("cleanup", 1).await;
}

#[tokio::test]
async fn nginx_in_front() {
    let Some(nginx) = debian_file("nginx", "usr/sbin/nginx") else { return };
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let (gateway, addr) = (gateway().await, proxy_addr(7443));
    let files = authority.files();
    let live = "/etc/letsencrypt/live/example.com";
    let text = documented(
        "nginx.conf",
        &[
            ("listen 443 ssl", format!("listen {addr} ssl")),
            (&format!("{live}/fullchain.pem"), files.certificate.display().to_string()),
            (&format!("{live}/privkey.pem"), files.key.display().to_string()),
            ("127.0.0.1:9000", gateway.addr().to_owned()),
            ("server_name example.com", format!("server_name {NAME}")),
            ("worker_connections 20000", "worker_connections 100".to_owned()),
            ("worker_rlimit_nofile 40000;", String::new()),
        ],
    );
    let folder = nginx_folder(&authority, &text);
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf")).stdin(Stdio::null());
    let _proxy = Proxy(command.spawn().expect("nginx starts"));
    check(gateway, addr, &authority).await;
}

#[tokio::test]
async fn caddy_in_front() {
    let Some(caddy) = debian_file("caddy", "usr/bin/caddy") else { return };
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let (gateway, addr) = (gateway().await, proxy_addr(7444));
    let files = authority.files();
    let live = "/etc/letsencrypt/live/example.com";
    let text = documented(
        "Caddyfile",
        &[
            (&format!("{live}/fullchain.pem"), files.certificate.display().to_string()),
            (&format!("{live}/privkey.pem"), files.key.display().to_string()),
            ("127.0.0.1:9000\n}", format!("{}\n\tbind {}\n}}", gateway.addr(), addr.ip())),
            ("example.com {", format!("{NAME}:{} {{", addr.port())),
        ],
    );
    let folder = authority.folder.path();
    let setup = folder.join("Caddyfile");
    fs::write(&setup, format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}"))
        .expect("a file");
    let mut command = Command::new(caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&setup).env("HOME", folder);
    let _proxy = Proxy(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("Caddy starts"));
    check(gateway, addr, &authority).await;
}
