//! The gateway's side of the SCF WebSocket contract, and SCF's own, on one machine.
//!
//! It holds WebSocket clients, calls the three functions of a WebSocket API for them (register, transfer, cleanup) and
//! takes the functions' reverse pushes. The functions are processes of one program, a custom runtime, which find the
//! runtime API and the variables that SCF would give them.
//!
//! ```text
//!  clients ──ws──▶ handshake ─▶ websocket ─▶ calls ─▶ function (pool ▸ instance ▸ process + runtime API)
//!     ▲                            │                                        │
//!     └──────── connections ◀── push address ◀──────────── HTTP ────────────┘
//! ```
//!
//! ```no_run
//! # async fn run() -> Result<(), scf_websocket_gateway::StartError> {
//! use scf_websocket_gateway::{Gateway, Options};
//!
//! let running = Gateway::start(Options::new("target/package/bootstrap")).await?;
//! println!("ws://{}/", running.addr());
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Two parts are of use alone: [`function::runtime_api`] stands in for SCF wherever a custom runtime is to be tried,
//! and [`push`] for the reverse push address. Two seams are meant for other implementations:
//! [`function::Function`], where a function runs, and [`connections::Connections`], who holds a connection.

mod admission;
pub mod admin;
mod app;
mod calls;
pub mod client_address;
pub mod config;
pub mod connections;
pub mod contract;
mod executable;
pub mod function;
pub mod guard;
mod handshake;
pub mod http;
mod ids;
mod integration;
pub mod limits;
pub mod metrics;
mod options;
pub mod origin;
mod page;
pub mod proxy_protocol;
pub mod push;
mod queue;
mod send_queue;
pub mod request_details;
pub mod secret;
mod tally;
mod timeline;
pub mod tls;
pub mod transport;
mod websocket;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use log::{info, warn};
use tokio::{net::TcpListener, sync::watch, time::timeout};

use self::{
    admission::Admission,
    app::{App, PageAccess},
    calls::{Callable, Functions},
    connections::{Connections, LocalConnections},
    function::{Role, instance::Settings, pool::Pool},
    guard::Guard,
    http::{HeaderCase, Server},
    push::Sink,
    tally::Tally,
    timeline::Timeline,
};
pub use self::{
    options::Options,
    timeline::{Pushed, Ticket},
    websocket::CloseReason,
};

/// A future that can be awaited without knowing its type: what the methods of a trait object return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long clients and functions are given to take their leave at shutdown.
const GRACE: Duration = Duration::from_secs(3);
/// How long the functions' processes may take to be gone after that; they have been killed by then.
const PROCESSES: Duration = Duration::from_secs(2);

/// The gateway; see [`Gateway::start`].
#[derive(Debug)]
pub struct Gateway;

/// Why the gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The program of the functions is not there, or cannot be executed.
    Bootstrap(PathBuf, String),
    /// The guard did not start from this program.
    Guard(PathBuf, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(addr, error) => {
                write!(formatter, "cannot listen on {addr}: {error}; see --listen and --push-listen")
            }
            Self::Bootstrap(path, why) => {
                write!(formatter, "cannot run functions from {}: {why}; see --bootstrap", path.display())
            }
            Self::Guard(path, error) => {
                write!(formatter, "cannot start the guard process from {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A gateway at work. Dropped without [`Running::shutdown`], it closes its addresses and kills the functions, but
/// clients and functions are not told.
pub struct Running {
    addr: SocketAddr,
    push_url: String,
    app: Arc<App>,
    pools: [Arc<Pool>; 3],
    stopping: watch::Sender<bool>,
    servers: Vec<Server>,
}

impl Gateway {
    /// Starts it. No function's process is started before the first client asks to connect.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let bootstrap = executable(&options.bootstrap)?;
        let clients = listen(options.listen).await?;
        let addr = local_addr(&clients, options.listen)?;
        let pushes = match options.push_listen {
            Some(push_listen) => Some(listen(push_listen).await?),
            None => None,
        };
        let push_addr = match (&pushes, options.push_listen) {
            (Some(listener), Some(push_listen)) => local_addr(listener, push_listen)?,
            _ => addr,
        };
        let guard = match &options.guard {
            Some(program) => {
                let started =
                    Guard::start(program).map_err(|error| StartError::Guard(program.clone(), error));
                Some(Arc::new(started?))
            }
            None => None,
        };
        warn_of_strangers(addr, push_addr, &options);
        let push_path = push::path(options.push_token.as_deref());
        let push_url = format!("http://{}{push_path}", reachable(push_addr));
        let page = page_access(addr, options.page);
        let timeline = Timeline::new(page != PageAccess::Nobody, options.trace);
        let pools = Role::ALL.map(|role| {
            let settings = settings(&options, bootstrap.clone(), push_url.clone());
            Arc::new(Pool::new(role, settings, timeline.clone(), guard.clone()))
        });
        let (stopping, stopping_seen) = watch::channel(false);
        let connections: Arc<dyn Connections> = Arc::new(LocalConnections::default());
        let push_address =
            Arc::new(push::Address { connections: Arc::clone(&connections), sink: sink(&timeline) });
        let app = Arc::new(App {
            functions: functions(&pools, &timeline, &options),
            connections,
            pushes: Arc::clone(&push_address),
            timeline: timeline.clone(),
            send_queue_bytes: options.send_queue_bytes,
            idle_timeout: options.idle_timeout,
            stopping: stopping_seen,
            open: Tally::default(),
            page,
        });
        let push_router = push::router_at(&push_path, push_address);
        let client_router = Router::new().fallback(handshake::entry).with_state(Arc::clone(&app));
        let servers = serve(clients, client_router, pushes, push_router)
            .map_err(|error| StartError::Listen(options.listen, error))?;
        Ok(Running { addr, push_url, app, pools, stopping, servers })
    }
}

impl Running {
    /// Where clients connect; the page is there too.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The reverse push address, as the functions are given it but for the instance's name.
    #[must_use]
    pub fn push_url(&self) -> &str {
        &self.push_url
    }

    /// Whether the page is served, to this machine at least.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.app.page != PageAccess::Nobody
    }

    /// Closes every client with 1001, tells the cleanup function of each, and ends every process. Takes a few seconds
    /// at most; what is not done by then is cut off.
    pub async fn shutdown(self) {
        self.stopping.send_replace(true);
        if timeout(GRACE, self.app.open.none_left()).await.is_err() {
            warn!(
                "some connections were cut off: their clients or functions took more than {} s",
                GRACE.as_secs()
            );
        }
        self.app.functions.stop();
        let [register, transfer, cleanup] = &self.pools;
        let stopped = async { tokio::join!(register.stop(), transfer.stop(), cleanup.stop()) };
        if timeout(PROCESSES, stopped).await.is_err() {
            warn!("some processes have not ended though they were killed");
        }
        drop(self.servers);
        info!("shut down");
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr).await.map_err(|error| StartError::Listen(addr, error))
}

fn local_addr(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Listen(asked, error))
}

/// The absolute path of a file that can be executed: instances run in its folder, so a relative one would not do.
fn executable(path: &std::path::Path) -> Result<PathBuf, StartError> {
    let fail = |why: String| StartError::Bootstrap(path.to_owned(), why);
    let absolute = std::path::absolute(path).map_err(|error| fail(error.to_string()))?;
    let metadata = absolute.metadata().map_err(|error| fail(error.to_string()))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(fail("it is no executable file (mode 755)".to_owned()));
    }
    Ok(absolute)
}

/// The address under which a process of this machine reaches what listens there.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        let loopback = match addr.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        addr.set_ip(loopback);
    }
    addr
}

fn warn_of_strangers(addr: SocketAddr, push_addr: SocketAddr, options: &Options) {
    if !addr.ip().is_loopback() {
        warn!("{addr} is no loopback address: whoever reaches this machine can connect");
        if options.page {
            warn!(
                "with --page any client of {addr} sees every payload, and can push to and close every connection"
            );
        }
    }
    if !push_addr.ip().is_loopback() && options.push_token.is_none() {
        warn!(
            "whoever reaches {push_addr} can push to every connection whose id it knows: set --push-listen to a \
             loopback address, or --push-token"
        );
    }
}

fn page_access(addr: SocketAddr, page: bool) -> PageAccess {
    match (page, addr.ip().is_loopback()) {
        (true, _) => PageAccess::Everybody,
        (false, true) => PageAccess::ThisMachine,
        (false, false) => PageAccess::Nobody,
    }
}

fn settings(options: &Options, bootstrap: PathBuf, push_url: String) -> Settings {
    Settings {
        bootstrap,
        env: options.env.clone(),
        push_url,
        init_timeout: options.init_timeout,
        timeout: options.timeout,
        memory_mb: options.memory_mb,
    }
}

fn functions(pools: &[Arc<Pool>; 3], timeline: &Timeline, options: &Options) -> Functions {
    let [register, transfer, cleanup] = pools.clone().map(|pool| Callable {
        function: pool,
        admission: Admission::new(options.max_instances, options.max_waiting),
    });
    let integration_response = options.integration_response;
    Functions { register, transfer, cleanup, integration_response, timeline: timeline.clone() }
}

/// None where nothing is recorded, so that no push is described for it.
fn sink(timeline: &Timeline) -> Option<Sink> {
    let recorder = Arc::clone(timeline.recorder()?);
    Some(Arc::new(move |instance, pushed| recorder.pushed(instance, pushed)))
}

/// One server for both, or one for each.
fn serve(
    clients: TcpListener,
    client_router: Router,
    pushes: Option<TcpListener>,
    push_router: Router,
) -> io::Result<Vec<Server>> {
    match pushes {
        None => Ok(vec![Server::start_public(clients, push_router.merge(client_router))?]),
        Some(pushes) => Ok(vec![
            Server::start_public(clients, client_router)?,
            Server::start(pushes, push_router, HeaderCase::Lower)?,
        ]),
    }
}

/// Locks a mutex. A panic elsewhere leaves nothing half done behind any of ours, so poisoning says nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the flag is true, or whoever could raise it is gone, which comes to the same.
async fn raised(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}
