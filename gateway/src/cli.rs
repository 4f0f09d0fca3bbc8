//! The command line: every flag, its default, and what is allowed.

use std::{
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs as _},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, builder::TypedValueParser as _, value_parser};
use scf_websocket_gateway::{
    Api, Builder, ClientSettings, Gateway, PageScope,
    config::{self, LogFormat},
    function::local::Processes,
    push::check_token,
};

const ABOUT: &str = "A WebSocket gateway in front of register, transfer and cleanup functions: on this machine, at an HTTP address, or in the cloud";
const LONG_ABOUT: &str = "\
A WebSocket gateway in front of register, transfer and cleanup functions: on this machine, at an HTTP address, or in the \
cloud.

In production everything is in a file (--config), which SIGHUP reads again; examples/gateway.toml has every key. \
Without a file there is one WebSocket API, whose functions are processes of one program (--bootstrap). They get the variables that SCF documents, WS_ROLE, \
WS_PUSH_URL (unless set), PATH, HOME, RUST_LOG and every WS_* variable of this program's own environment, and --env.

Of a flag given twice the last one counts. Exits with 0 after SIGINT or SIGTERM, 1 if it could not start, 2 if the \
command line or the file is wrong.";

/// The flags that describe one API, and where the gateway listens: what a file says too.
const OF_ONE_API: [&str; 16] = [
    "listen",
    "push_listen",
    "push_token",
    "bootstrap",
    "env",
    "max_instances",
    "max_waiting",
    "init_timeout",
    "timeout",
    "memory",
    "idle_timeout",
    "send_queue",
    "integration_response",
    "page",
    "page_rows",
    "client_page",
];

/// What SCF starts of a web function's zip.
const WEB_FUNCTION: &str = "scf_bootstrap";

/// What the command line asks for.
pub enum Command {
    /// A gateway in front of one API, described by flags.
    Serve { builder: Box<Builder>, warnings: Vec<String> },
    /// The gateway that a file describes.
    ServeFile { file: PathBuf, trace: bool, take_over: bool },
    /// The gateway that runs with this file starts its program anew and hands over to it.
    Replace { file: PathBuf },
    /// Nothing is started.
    Check { file: PathBuf, online: bool },
}

/// The command line.
#[allow(clippy::struct_excessive_bools, reason = "flags")]
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about = ABOUT, long_about = LONG_ABOUT, args_override_self = true)]
pub struct Cli {
    /// Everything from this file, see examples/gateway.toml; only --trace and --log-format go with it
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_ONE_API)]
    config: Option<PathBuf>,

    /// Only read the file and say everything that is wrong with it; exits with 2 if anything is wrong
    #[arg(long, requires = "config")]
    check: bool,

    /// With --check: also ask each backend whether its function can be called, running none; exits with 1 if one cannot
    #[arg(long, requires = "check")]
    online: bool,

    /// Let the gateway that runs with this file start its program anew, which takes over its listening sockets; exits with 1 if nothing changed
    #[arg(long, requires = "config", conflicts_with = "check")]
    replace: bool,

    /// How a gateway starts the one that takes its place
    #[arg(long, requires = "config", hide = true)]
    take_over: bool,

    /// Where clients connect (port 0: a free one)
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9000", value_parser = address)]
    listen: SocketAddr,

    /// Where functions push [default: where clients connect]
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    push_listen: Option<SocketAddr>,

    /// A secret of letters, digits, _ and -: the reverse push address is then /api-TOKEN
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    push_token: Option<String>,

    /// The program that the functions are processes of
    #[arg(long, value_name = "PATH", default_value = "target/package/bootstrap")]
    bootstrap: PathBuf,

    /// A variable for the functions (repeatable; the last one of a name counts)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, OsString)>,

    /// How many processes a role may have at once; further events wait
    #[arg(long, value_name = "N", default_value = "8", value_parser = value_parser!(u32).range(1..=1000).try_map(NonZeroU32::try_from))]
    max_instances: NonZeroU32,

    /// How many events of a role may wait for a free process; beyond it a client that asks to connect gets status 503, and a connection that sends frames is not read
    #[arg(long, value_name = "N", default_value = "1000", value_parser = value_parser!(u32).range(1..=1_000_000).try_map(NonZeroU32::try_from))]
    max_waiting: NonZeroU32,

    /// Milliseconds that a process may take to initialise before it is killed
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..=900_000))]
    init_timeout: u64,

    /// Milliseconds that a function may take for an event before its process is killed
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = value_parser!(u64).range(1..=900_000))]
    timeout: u64,

    /// Memory in MB, told to the functions; nothing limits it
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = value_parser!(u64).range(1..))]
    memory: u64,

    /// Seconds without a frame in either direction after which a connection is closed
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = value_parser!(u64).range(1..=86_400))]
    idle_timeout: u64,

    /// Bytes that may wait to be sent to one client, or one larger frame; with more, the client is closed
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = value_parser!(u32).range(1..))]
    send_queue: u32,

    /// Take the functions' answers as integration responses
    #[arg(long)]
    integration_response: bool,

    /// Log one line for each invocation, with its times
    #[arg(long)]
    trace: bool,

    /// How a line of the log on standard error is written: text or json [default: what `GATEWAY_LOG_FORMAT` or the file says, or text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Serve the page, which shows payloads, also at another than the loopback address
    #[arg(long)]
    page: bool,

    /// How many rows of its timeline the page keeps
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = value_parser!(u16).range(1..=5000))]
    page_rows: u16,

    /// A self-contained HTML file for your clients, served at /client beside the page, and read anew for each request
    #[arg(long, value_name = "FILE", value_parser = html_file)]
    client_page: Option<PathBuf>,
}

impl Cli {
    /// What is asked for, given the file of a web function and the WS_* variables of the gateway's own environment.
    pub fn command(
        mut self,
        web_function: Option<PathBuf>,
        inherited: impl Iterator<Item = (String, OsString)>,
    ) -> Command {
        match self.config.take().or(web_function) {
            Some(file) if self.check => Command::Check { file, online: self.online },
            Some(file) if self.replace => Command::Replace { file },
            Some(file) => Command::ServeFile { file, trace: self.trace, take_over: self.take_over },
            None => {
                Command::Serve { warnings: self.warnings(), builder: Box::new(self.into_builder(inherited)) }
            }
        }
    }

    /// A sentence for each thing that deserves attention at the start.
    fn warnings(&self) -> Vec<String> {
        let (listen, push) = (self.listen, self.push_listen.unwrap_or(self.listen));
        let mut warnings = Vec::new();
        if !listen.ip().is_loopback() {
            warnings.push(format!(
                "{listen} is no loopback address: anyone who reaches this machine can connect"
            ));
        }
        if !listen.ip().is_loopback() && self.page {
            warnings.push(format!(
                "with --page anyone who reaches {listen} sees every payload, and can push to and close every connection"
            ));
        }
        if !push.ip().is_loopback() && self.push_token.is_none() {
            warnings.push(format!(
                "anyone who reaches {push} can push to every connection whose id they know: set --push-listen to a \
                 loopback address, or --push-token"
            ));
        }
        warnings
    }

    fn into_builder(self, inherited: impl Iterator<Item = (String, OsString)>) -> Builder {
        let mut processes = Processes::new(self.bootstrap);
        processes.env = inherited.chain(self.env).collect();
        processes.init_timeout = Duration::from_millis(self.init_timeout);
        processes.timeout = Duration::from_millis(self.timeout);
        processes.memory_mb = self.memory;
        let mut api = Api::of("/", processes);
        api.settings.integration_response = self.integration_response;
        api.settings.idle_timeout = Duration::from_secs(self.idle_timeout);
        api.settings.max_instances = self.max_instances;
        api.settings.waiting_calls = self.max_waiting;
        let mut clients = ClientSettings::default();
        clients.limits.send_queue_bytes = usize::try_from(self.send_queue).unwrap_or(usize::MAX);
        let mut builder = Gateway::builder()
            .listen(self.listen)
            .api(api)
            .clients(clients)
            .trace(self.trace)
            .page(if self.page { PageScope::AllHosts } else { PageScope::ThisMachine })
            .page_rows(self.page_rows.into());
        if let Some(addr) = self.push_listen {
            builder = builder.push_listen(addr);
        }
        if let Some(token) = self.push_token {
            builder = builder.push_token(token);
        }
        if let Some(file) = self.client_page {
            builder = builder.client_page(file);
        }
        builder
    }
}

/// The configuration beside this program, if it is what SCF starts of a web function's zip.
pub fn web_function() -> Option<PathBuf> {
    let program = std::env::current_exe().ok().filter(|program| program.ends_with(WEB_FUNCTION))?;
    Some(program.with_file_name("gateway.toml"))
}

/// The WS_* variables of the gateway's own environment.
pub fn inherited() -> impl Iterator<Item = (String, OsString)> {
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, _)| name.starts_with("WS_"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; write an address and a port, such as 127.0.0.1:9000"))?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

fn html_file(text: &str) -> Result<PathBuf, String> {
    match std::fs::read(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn token(text: &str) -> Result<String, String> {
    check_token(text).map(|()| text.to_owned())
}

fn variable(text: &str) -> Result<(String, OsString), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    config::check_variable_name(name)?;
    Ok((name.to_owned(), value.into()))
}
