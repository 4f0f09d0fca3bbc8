//! nchan, a module of nginx, from Debian's packages.

use std::process::{Command, Stdio};

use super::directory::Directory;
use super::processes::Processes;
use super::server::{Helper, Publish, Purpose, Server, free_address};
use crate::Result;

pub const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// What differs from the defaults.
pub const CONFIGURED: &str = "\
`nchan_shared_memory_size 512m`, 2 worker processes, `worker_connections 32768`, `backlog=4096`, no access log; \
`nchan_websocket_ping_interval 20s`, as the gateway pings";

pub fn start(purpose: Purpose) -> Result<Server> {
    let directory = Directory::make()?;
    let (listen, publish) = (free_address()?, free_address()?);
    let backend = Helper::start("ws-backend")?;
    let folder = directory.path().display();
    let deflate =
        if purpose == Purpose::CompressedRoom { "nchan_deflate_message_for_websocket on;" } else { "" };
    let config = directory.write(
        "nginx.conf",
        &format!(
            "load_module {MODULE};
             daemon off;
             pid {folder}/pid;
             error_log {folder}/error.log warn;
             worker_processes 2;
             events {{ worker_connections 32768; }}
             http {{
                 access_log off;
                 client_body_temp_path {folder}/body;
                 proxy_temp_path {folder}/proxy;
                 fastcgi_temp_path {folder}/fastcgi;
                 uwsgi_temp_path {folder}/uwsgi;
                 scgi_temp_path {folder}/scgi;
                 nchan_shared_memory_size 512m;
                 upstream backend {{ server {}; keepalive 64; }}
                 server {{
                     listen {listen} backlog=4096;
                     nchan_websocket_ping_interval 20s;
                     nchan_subscriber_first_message newest;
                     nchan_authorize_request /authorize;
                     location = /room {{ nchan_subscriber websocket; nchan_channel_id room; }}
                     location = /echo {{ nchan_pubsub websocket; nchan_channel_id $connection; }}
                     location = /authorize {{
                         internal;
                         proxy_pass http://backend;
                         proxy_http_version 1.1;
                         proxy_set_header Connection \"\";
                         proxy_pass_request_body off;
                         proxy_set_header Content-Length \"\";
                     }}
                 }}
                 server {{
                     listen {publish};
                     location = /publish {{ nchan_publisher; nchan_channel_id room; {deflate} }}
                 }}
             }}
             {}
",
            backend.address,
            user()
        ),
    )?;
    let process = Command::new("nginx")
        .arg("-p")
        .arg(directory.path())
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut server = Server {
        address: listen,
        path: if purpose.is_room() { "/room" } else { "/echo" },
        certificate: None,
        publish: Some(Publish { address: publish, path: "/publish", body: "PAYLOAD" }),
        processes: Processes::tree(vec![process]),
        _beside: Box::new((directory, backend)),
    };
    server.await_ready(&[listen, publish])?;
    Ok(server)
}

/// Started as root, nginx would change to a user who cannot read the directory.
fn user() -> &'static str {
    if rustix::process::geteuid().is_root() { "user root;" } else { "" }
}
