//! nginx and `HAProxy` in front of three nodes of a cluster, set up by the files in `deploy/gateway/`: while one of the
//! nodes is stopping, no client is refused and every push arrives.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use scf_websocket_test_harness::{Gateway, Need, Redis, from_file, needs, request};
use serde_json::json;

use super::{CLIENT, Proxy, Socket, connect, edited, next, nginx_folder, proxy_addr};
use scf_websocket_test_harness::debian_file;

use crate::{cluster::node::send, wss::authority::Authority};

const NODES: [&str; 3] = ["10.0.0.5", "10.0.0.6", "10.0.0.7"];

fn node(redis: &Redis, proxy: &str) -> Gateway {
    let functions =
        ["register", "transfer", "cleanup"].map(|role| format!("{role} = \"process:$RUNTIMES/echo.py\"\n"));
    let text = format!(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         cluster = \"{}\"\ndrain_seconds = 3600\n[proxy]\ntrusted = [\"127.0.0.1/32\"]\n{proxy}\n\
         [[api]]\npath = \"/\"\n{}function_timeout_seconds = 30\n[api.env]\nRECORD = \"$FOLDER/record\"\n",
        redis.url(),
        functions.concat()
    );
    from_file(&text).start()
}

fn host(url: &str) -> &str {
    url.trim_start_matches("http://").split('/').next().unwrap_or_default()
}

/// The ids of all clients, node by node.
fn ids(nodes: &[Gateway]) -> Vec<Vec<String>> {
    let id = |event: serde_json::Value| event["websocket"]["secConnectionID"].as_str().map(str::to_owned);
    nodes.iter().map(|node| node.events("register").into_iter().filter_map(id).collect()).collect()
}

async fn push(pushes: SocketAddr, id: &str, data: &str) {
    let body = json!({ "websocket": send(id, data) }).to_string();
    let headers = [("Connection", "close")];
    let reply = request(&pushes.to_string(), "POST", "/api-local", &headers, body.as_bytes()).await;
    assert_eq!((reply.status, reply.err_no()), (200, 0), "{reply:?}");
}

async fn next_text(socket: &mut Socket) -> String {
    loop {
        let message = next(socket).await;
        if let Some(text) = message.as_text() {
            return text.to_owned();
        }
        assert!(message.is_ping(), "{message:?}");
    }
}

async fn check(nodes: &[Gateway], proxy: SocketAddr, pushes: SocketAddr, authority: &Authority) {
    let mut sockets = Vec::new();
    for number in 1..=9 {
        sockets.push(connect(proxy, authority).await);
        nodes_have(nodes, number).await;
    }
    for (node, ids) in nodes.iter().zip(ids(nodes)) {
        assert_eq!(ids.len(), 3, "each node has as many clients");
        assert_eq!(node.events("register")[0]["requestContext"]["sourceIp"], CLIENT.to_string());
        for id in ids {
            push(pushes, &id, "hello").await;
        }
    }
    for socket in &mut sockets {
        assert_eq!(next_text(socket).await, "hello");
    }

    nodes[0].signal("TERM");
    nodes[0].wait_for_log("closing 3 connections over 3600 s").await;
    let mut newcomers = Vec::new();
    for _ in 0..30 {
        newcomers.push(connect(proxy, authority).await);
    }
    nodes_have(nodes, 39).await;
    let ids = ids(nodes);
    assert_eq!(ids[0].len(), 3, "none goes to the one that is stopping");
    for id in ids[1..].iter().flatten() {
        push(pushes, id, "still here").await;
    }
    for socket in &mut newcomers {
        assert_eq!(next_text(socket).await, "still here");
    }
}

async fn nodes_have(nodes: &[Gateway], clients: usize) {
    scf_websocket_test_harness::eventually(&format!("{clients} clients"), || {
        (ids(nodes).iter().map(Vec::len).sum::<usize>() == clients).then_some(())
    })
    .await;
}

/// A file of `deploy/gateway/` with the addresses of these nodes and of the proxy in it.
fn documented(file: &str, nodes: &[Gateway], pushes: SocketAddr, replaced: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/gateway").join(file);
    let text = fs::read_to_string(path).expect("the file");
    let mut replaced = replaced.to_vec();
    let addresses: Vec<_> =
        NODES.iter().map(|node| [format!("{node}:9000"), format!("{node}:9001")]).collect();
    for (node, [clients, push]) in nodes.iter().zip(&addresses) {
        // HAProxy asks at the admin address.
        let port = match file {
            "haproxy.cfg" => {
                let admin = node.page.as_deref().map(host).expect("an admin address");
                format!(" port {}", admin.rsplit_once(':').expect("a port").1)
            }
            _ => String::new(),
        };
        replaced.push((clients, format!("{}{port}", node.addr())));
        replaced.push((push, format!("{}{port}", host(&node.push))));
    }
    replaced.push(("10.0.0.4:9001", pushes.to_string()));
    // The comment at the top of the file has some of them too.
    let (_, text) = text.split_once("\n\n").expect("a comment at the top");
    edited(text, &replaced)
}

#[tokio::test]
async fn nginx_in_front_of_three_nodes() {
    let Some(nginx) = debian_file("nginx", "usr/sbin/nginx") else { return };
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [(); 3].map(|()| node(&redis, ""));
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let (proxy, pushes, files) = (proxy_addr(7445), proxy_addr(7446), authority.files());
    let live = "/etc/letsencrypt/live/example.com";
    let text = documented(
        "nginx-cluster.conf",
        &nodes,
        pushes,
        &[
            ("listen 443 ssl", format!("listen {proxy} ssl")),
            (&format!("{live}/fullchain.pem"), files.certificate.display().to_string()),
            (&format!("{live}/privkey.pem"), files.key.display().to_string()),
            ("worker_connections 50000", "worker_connections 200".to_owned()),
            ("worker_rlimit_nofile 100000;", String::new()),
        ],
    );
    let folder = nginx_folder(&authority, &text);
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf")).stdin(Stdio::null());
    let _proxy = Proxy(command.spawn().expect("nginx starts"));
    check(&nodes, proxy, pushes, &authority).await;
}

/// `HAProxy`, and where its libraries are that a bare Debian lacks.
fn haproxy() -> Option<(PathBuf, String)> {
    let folder = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let libraries = [
        ("liblua5.3-0", "liblua5.3.so.0"),
        ("libopentracing-c-wrapper0", "libopentracing-c-wrapper.so.0"),
        ("libopentracing1", "libopentracing.so.1"),
    ];
    let mut folders = Vec::new();
    for (package, file) in libraries {
        let library = debian_file(package, &format!("{folder}/{file}"))?;
        folders.push(library.parent()?.display().to_string());
    }
    Some((debian_file("haproxy", "usr/sbin/haproxy")?, folders.join(":")))
}

#[tokio::test]
async fn haproxy_in_front_of_three_nodes() {
    let Some((haproxy, libraries)) = haproxy() else { return };
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [(); 3].map(|()| node(&redis, "proxy_protocol = true"));
    let authority = Authority::new();
    let pair = authority.issue(2000, 3000);
    let folder = authority.folder.path();
    let certificate = folder.join("both.pem");
    fs::write(&certificate, format!("{}{}", pair.certificate, pair.key)).expect("a file");
    let (proxy, pushes) = (proxy_addr(7447), proxy_addr(7448));
    let text = documented(
        "haproxy.cfg",
        &nodes,
        pushes,
        &[
            ("bind :443", format!("bind {proxy}")),
            ("/etc/haproxy/example.com.pem", certificate.display().to_string()),
            ("maxconn 50000", "maxconn 200".to_owned()),
        ],
    );
    let setup = folder.join("haproxy.cfg");
    fs::write(&setup, text).expect("a file");
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(&setup).env("LD_LIBRARY_PATH", libraries).stdin(Stdio::null());
    let _proxy = Proxy(command.spawn().expect("HAProxy starts"));
    check(&nodes, proxy, pushes, &authority).await;
}
