//! Pushpin from Debian's packages: the connection manager condure, proxy and handler, and zurl for its requests.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::directory::Directory;
use super::processes::Processes;
use super::server::{Helper, Publish, Purpose, Server, free_address};
use crate::Result;

/// What differs from the defaults.
pub const CONFIGURED: &str = "\
zurl's `deny=` emptied (it refuses loopback addresses) and its `max_open_requests` 20000; Pushpin's `client_maxconn` 32768, \
`message_rate` 1000000, `message_hwm` 1000000; one condure, proxy, handler and zurl each, as Debian starts them";

pub fn start(purpose: Purpose) -> Result<Server> {
    let directory = Directory::make()?;
    let (listen, publish) = (free_address()?, free_address()?);
    let backend = Helper::start("ws-backend")?;
    let folder = directory.path().display();
    let zurl_config = directory.write(
        "zurl.conf",
        &format!(
            "[General]\n\
             in_spec=ipc://{folder}/zurl-in\n\
             in_stream_spec=ipc://{folder}/zurl-in-stream\n\
             out_spec=ipc://{folder}/zurl-out\n\
             in_req_spec=ipc://{folder}/zurl-req\n\
             ipc_file_mode=660\n\
             defpolicy=allow\n\
             allow=\n\
             deny=\n\
             max_open_requests=20000\n\
             buffer_size=200000\n\
             timeout=600\n\
             in_hwm=100000\n\
             out_hwm=100000\n"
        ),
    )?;
    directory.write("routes", &format!("* {},over_http\n", backend.address))?;
    let config = directory.write(
        "pushpin.conf",
        &format!(
            "[global]\n\
             include={{libdir}}/internal.conf\n\
             rundir={folder}\n\
             ipc_prefix=pushpin-\n\
             port_offset=0\n\
             [runner]\n\
             services=condure,pushpin-proxy,pushpin-handler\n\
             http_port=127.0.0.1:{}\n\
             logdir={folder}\n\
             log_level=1\n\
             client_buffer_size=8192\n\
             client_maxconn=32768\n\
             [proxy]\n\
             routesfile=routes\n\
             updates_check=off\n\
             zurl_out_specs=ipc://{folder}/zurl-in\n\
             zurl_out_stream_specs=ipc://{folder}/zurl-in-stream\n\
             zurl_in_specs=ipc://{folder}/zurl-out\n\
             [handler]\n\
             push_in_spec=ipc://{folder}/push-in\n\
             push_in_sub_specs=ipc://{folder}/push-in-sub\n\
             command_spec=ipc://{folder}/command\n\
             push_in_http_addr=127.0.0.1\n\
             push_in_http_port={}\n\
             message_rate=1000000\n\
             message_hwm=1000000\n",
            listen.port(),
            publish.port()
        ),
    )?;
    let spawn = |program: &str, config: String| {
        let mut command = Command::new(program);
        command.arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|e| format!("{program}: {e}"))
    };
    let zurl = spawn("zurl", format!("--config={}", zurl_config.display()))?;
    let pushpin = spawn("pushpin", format!("--config={}", config.display()))?;
    let mut server = Server {
        address: listen,
        path: if purpose == Purpose::Room { "/room" } else { "/echo" },
        certificate: None,
        publish: Some(Publish {
            address: publish,
            path: "/publish/",
            body: r#"{"items":[{"channel":"room","formats":{"ws-message":{"content":"PAYLOAD"}}}]}"#,
        }),
        processes: Processes::tree(vec![zurl, pushpin]),
        _beside: Box::new((directory, backend)),
    };
    server.await_ready(&[listen, publish])?;
    // Its processes reach each other through ZeroMQ, which does not say when.
    thread::sleep(Duration::from_secs(1));
    Ok(server)
}
