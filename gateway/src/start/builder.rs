//! Puts a gateway together.

mod start;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    config::{Admin, secret::Secret},
    connection::clients::ClientSettings,
    observe::{report::Reporter, timeline},
    registry::{ConnectionRegistry, cluster::ClusterSettings},
    start::{
        api::Api,
        hand_over::{Relay, Sockets},
    },
};

/// The gateway; see [`Gateway::builder`].
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// A gateway at 127.0.0.1:9000, with the connections in memory and without an API.
    pub fn builder() -> Builder {
        Builder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            push_listen: None,
            push_url: None,
            push_token: None,
            push_token_previous: None,
            apis: Vec::new(),
            clients: ClientSettings::default(),
            admin: None,
            trace: false,
            page: PageScope::ThisMachine,
            client_page: None,
            page_rows: timeline::ROWS,
            inherited: None,
            relay: None,
            orphan_reaper: None,
            registry: Registry::Memory,
            reporters: Vec::new(),
        }
    }
}

/// A gateway that is being put together.
///
/// ```no_run
/// # async fn run() -> Result<(), scf_websocket_gateway::StartError> {
/// use scf_websocket_gateway::{Api, Gateway, PageScope, function::local::Processes};
///
/// let gateway = Gateway::builder()
///     .listen(([0, 0, 0, 0], 9000).into())
///     .push_listen(([127, 0, 0, 1], 9001).into())
///     .push_token("secret")
///     .api(Api::of("/chat", Processes::new("target/package/chat")))
///     .page(PageScope::Nowhere);
/// let running = gateway.start().await?;
/// println!("functions push to {}", running.push_url());
/// # Ok(())
/// # }
/// ```
#[must_use = "a gateway runs once it is started"]
pub struct Builder {
    listen: SocketAddr,
    push_listen: Option<SocketAddr>,
    push_url: Option<String>,
    push_token: Option<Secret>,
    push_token_previous: Option<Secret>,
    apis: Vec<Api>,
    clients: ClientSettings,
    admin: Option<Admin>,
    trace: bool,
    page: PageScope,
    client_page: Option<PathBuf>,
    page_rows: usize,
    inherited: Option<Sockets>,
    relay: Option<Arc<Relay>>,
    orphan_reaper: Option<PathBuf>,
    registry: Registry,
    reporters: Vec<Arc<dyn Reporter>>,
}

/// Where the page is served. Payloads are on it.
///
/// Wherever it is served, it is at the [admin address](Builder::admin), or where clients connect if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageScope {
    /// Nowhere.
    Nowhere,
    /// At the admin address alone, if that is a loopback address or has a password. A proxy on the same machine makes
    /// every client look like one of this machine.
    Operators,
    /// At a loopback address, or at an admin address with a password.
    #[default]
    ThisMachine,
    /// At any address.
    AllHosts,
}

/// Who owns the connections.
enum Registry {
    Memory,
    Cluster(ClusterSettings),
    Given(Arc<dyn ConnectionRegistry>),
}

impl Builder {
    /// Where clients connect. Port 0 picks a free one.
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Where functions push, if not at the clients' address.
    pub fn push_listen(mut self, addr: SocketAddr) -> Self {
        self.push_listen = Some(addr);
        self
    }

    /// What functions are given as the push address, up to its path, if it is not the address that is listened on.
    pub fn push_url(mut self, base: impl Into<String>) -> Self {
        self.push_url = Some(base.into());
        self
    }

    /// A secret in the push address's path.
    pub fn push_token(mut self, token: impl Into<String>) -> Self {
        self.push_token = Some(Secret::new(token));
        self
    }

    /// Another secret with which pushes are accepted, while functions are moved to the new one.
    pub(crate) fn push_token_previous(mut self, token: impl Into<String>) -> Self {
        self.push_token_previous = Some(Secret::new(token));
        self
    }

    /// Adds an API. A gateway needs at least one.
    pub fn api(mut self, api: Api) -> Self {
        self.apis.push(api);
        self
    }

    /// How clients are served: TLS, proxies, limits, time-outs, the shutdown. Replaces what was set before.
    pub fn clients(mut self, settings: ClientSettings) -> Self {
        self.clients = settings;
        self
    }

    /// Where `/healthz`, `/readyz`, `/metrics` and the page are served.
    pub fn admin(mut self, admin: Admin) -> Self {
        self.admin = Some(admin);
        self
    }

    /// Whether each invocation is a line of the log, with its times.
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Where the page is served, [`PageScope::ThisMachine`] unless set.
    pub fn page(mut self, page: PageScope) -> Self {
        self.page = page;
        self
    }

    /// An HTML file for the clients of an API, served at `/client` wherever the page is served.
    pub fn client_page(mut self, file: impl Into<PathBuf>) -> Self {
        self.client_page = Some(file.into());
        self
    }

    /// How many rows of the page's timeline are kept, 500 unless set.
    pub fn page_rows(mut self, rows: usize) -> Self {
        self.page_rows = rows;
        self
    }

    /// A program whose `main` calls [`orphan_reaper::run`](crate::function::local::orphan_reaper::run): it kills the
    /// functions' processes when the gateway is killed. Without one they are left running then.
    pub fn orphan_reaper(mut self, program: impl Into<PathBuf>) -> Self {
        self.orphan_reaper = Some(program.into());
        self
    }

    /// Joins the cluster of all gateways that share this server. Unless set, the gateway is alone. Replaces a
    /// [registry](Builder::registry) that was given.
    pub fn cluster(mut self, settings: ClusterSettings) -> Self {
        self.registry = Registry::Cluster(settings);
        self
    }

    /// Who owns the connections. Replaces a [cluster](Builder::cluster) that was set.
    pub fn registry(mut self, registry: Arc<dyn ConnectionRegistry>) -> Self {
        self.registry = Registry::Given(registry);
        self
    }

    /// What passes pushes on that are for connections of another process.
    pub fn relay(mut self, relay: Arc<Relay>) -> Self {
        self.relay = Some(relay);
        self
    }

    /// Goes on listening on sockets of the process before this one, where they are those of its addresses.
    pub fn inherit(mut self, sockets: Sockets) -> Self {
        self.inherited = Some(sockets);
        self
    }

    /// Adds an observer of the gateway's work.
    pub fn reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporters.push(reporter);
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("listen", &self.listen)
            .field("apis", &self.apis)
            .finish_non_exhaustive()
    }
}
