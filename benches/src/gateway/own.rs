//! The gateway under test, as in production: `--config FILE`, no page, functions that are processes of the packaged
//! bootstrap.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::directory::Directory;
use super::processes::Processes;
use super::server::{Purpose, Server, free_address};
use crate::Result;
use crate::redis::Redis;
use crate::subject::BOOTSTRAP;

/// What differs from the defaults.
pub const CONFIGURED: &str = "\
limits of connections, of an address and of frames out of reach; `WS_PUSH_ENCODING=raw`; everything else at its default, \
among it 8 processes a function and a ping of every client each 20 s";

pub fn start(file: &Path, purpose: Purpose) -> Result<Server> {
    let directory = Directory::make()?;
    let (listen, push_listen) = (free_address()?, free_address()?);
    let redis = (purpose == Purpose::Room).then(Redis::start).transpose()?;
    let room = redis
        .as_ref()
        .map(|redis| format!("WS_PUSH_TO = \"all\"\nWS_STORE = \"redis://127.0.0.1:{}\"", redis.port));
    let mut certificate = None;
    let mut tls = String::new();
    if purpose == Purpose::EchoOverTls {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
        certificate = Some(directory.write("certificate.pem", &cert.pem())?);
        directory.write("key.pem", &signing_key.serialize_pem())?;
        tls += "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"";
    }
    let bootstrap = fs::canonicalize(BOOTSTRAP).map_err(|e| format!("{BOOTSTRAP}: {e}"))?;
    let process = format!("\"process:{}\"", bootstrap.display());
    let config = directory.write(
        "gateway.toml",
        &format!(
            "listen = \"{listen}\"\n\
             push_listen = \"{push_listen}\"\n\
             push_token = \"bench\"\n\
             {tls}\n\
             [limits]\n\
             connections = 100000\n\
             connections_per_ip = 100000\n\
             handshakes_per_second_per_ip = 1000000\n\
             frames_per_second = 1000000\n\
             [[api]]\n\
             path = \"/\"\n\
             register = {process}\n\
             transfer = {process}\n\
             cleanup = {process}\n\
             idle_timeout_seconds = 86400\n\
             [api.env]\n\
             WS_PUSH_ENCODING = \"raw\"\n\
             {}\n",
            room.unwrap_or_default()
        ),
    )?;
    let command = || {
        let mut command = match purpose {
            Purpose::EchoWithFewFiles => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -S -n 1024 && exec \"$0\" \"$@\""]).arg(file);
                shell
            }
            _ => Command::new(file),
        };
        command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let checked = command().arg("--check").output()?;
    if !checked.status.success() {
        return Err(format!("{}: {}", file.display(), String::from_utf8_lossy(&checked.stderr).trim()).into());
    }
    let process = command().stderr(Stdio::null()).spawn().map_err(|e| format!("{}: {e}", file.display()))?;
    let mut server = Server {
        address: listen,
        path: "/",
        certificate,
        publish: None,
        processes: Processes::one(process),
        _beside: Box::new((directory, redis)),
    };
    server.await_ready(&[listen, push_listen])?;
    Ok(server)
}
