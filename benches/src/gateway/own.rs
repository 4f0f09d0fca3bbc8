//! The gateway under test, as in production: `--config FILE`, no page, functions that are processes of the packaged
//! bootstrap.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

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

/// Out of reach.
pub const LIMITS: &str = "\
[limits]
connections = 100000
connections_per_ip = 100000
handshakes_per_second_per_ip = 1000000
frames_per_second = 1000000
";

pub fn start(file: &Path, purpose: Purpose) -> Result<Server> {
    let directory = Directory::make()?;
    let (listen, push_listen) = (free_address()?, free_address()?);
    let redis = purpose.is_room().then(Redis::start).transpose()?;
    let room = redis.as_ref().map(room);
    let mut certificate = None;
    let mut tls = String::new();
    let compression = purpose == Purpose::CompressedRoom;
    if purpose == Purpose::EchoOverTls {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
        certificate = Some(directory.write("certificate.pem", &cert.pem())?);
        directory.write("key.pem", &signing_key.serialize_pem())?;
        tls += "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"";
    }
    let functions = packaged_functions()?;
    let config = directory.write(
        "gateway.toml",
        &format!(
            "listen = \"{listen}\"\n\
             push_listen = \"{push_listen}\"\n\
             push_token = \"bench\"\n\
             compression = {compression}\n\
             {tls}\n\
             {LIMITS}\
             [[api]]\n\
             path = \"/\"\n\
             {functions}\n\
             idle_timeout_seconds = 86400\n\
             [api.env]\n\
             WS_PUSH_ENCODING = \"raw\"\n\
             {}\n",
            room.unwrap_or_default()
        ),
    )?;
    let process = spawn(file, &config, purpose == Purpose::EchoWithFewFiles)?;
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

/// The three functions as processes of the packaged bootstrap.
pub fn packaged_functions() -> Result<String> {
    let bootstrap = fs::canonicalize(BOOTSTRAP).map_err(|e| format!("{BOOTSTRAP}: {e}"))?;
    let process = format!("\"process:{}\"", bootstrap.display());
    Ok(format!("register = {process}\ntransfer = {process}\ncleanup = {process}"))
}

/// Variables of the bootstrap with which each frame goes to all clients.
pub fn room(redis: &Redis) -> String {
    format!("WS_PUSH_TO = \"all\"\nWS_STORE = \"redis://127.0.0.1:{}\"", redis.port)
}

/// Has the gateway check its configuration, and starts it.
pub fn spawn(file: &Path, config: &Path, with_few_files: bool) -> Result<Child> {
    let command = || {
        let mut command = Command::new(file);
        if with_few_files {
            command = Command::new("sh");
            command.args(["-c", "ulimit -S -n 1024 && exec \"$0\" \"$@\""]).arg(file);
        }
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let checked = command().arg("--check").output()?;
    if !checked.status.success() {
        return Err(format!("{}: {}", file.display(), String::from_utf8_lossy(&checked.stderr).trim()).into());
    }
    Ok(command().stderr(Stdio::null()).spawn().map_err(|e| format!("{}: {e}", file.display()))?)
}
