//! Puts a gateway together and starts it.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use axum::Router;
use log::warn;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::{self, Guard, Stage, page, page_access::PageAccess},
    config::{Admin, secret::Secret},
    connection::{
        cleanup::Cleanups,
        clients::{ClientSettings, Clients},
        handshake,
        limits::Listener,
    },
    contract::MAX_EVENT_BYTES,
    function::local::orphan_reaper::OrphanReaper,
    observe::{
        refusals::Refusals,
        report::{Reporter, Reports},
        timeline::{self, Timeline},
    },
    push::{PushAddress, PushUrl, address::Tokens, direct::Direct},
    registry::{
        Cleaner, ConnectionRegistry, Deliver, MemoryRegistry,
        cluster::{Cluster, ClusterRegistry, ClusterSettings},
    },
    server::http::{Routed, Server},
    start::{
        api::{Api, FunctionSource},
        apis::Apis,
        app::App,
        assembly::Assembly,
        drain::Drain,
        executable,
        hand_over::{Relay, Sockets},
        listening::{listen, local_addr, reachable},
        running::Running,
        start_error::StartError,
    },
};

/// What the listening sockets are for, when they are handed over.
const CLIENTS: &str = "clients";
const PUSHES: &str = "pushes";
const ADMIN: &str = "admin";

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
            page: false,
            client_page: None,
            no_page: false,
            page_is_disabled: false,
            page_rows: timeline::ROWS,
            inherited: Sockets::default(),
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
/// use scf_websocket_gateway::{Api, Gateway, function::local::Processes};
///
/// let gateway = Gateway::builder()
///     .listen(([0, 0, 0, 0], 9000).into())
///     .push_listen(([127, 0, 0, 1], 9001).into())
///     .push_token("secret")
///     .api(Api::of("/chat", Processes::new("target/package/chat")))
///     .without_page();
/// let running = gateway.start().await?;
/// println!("functions push to {}", running.push_url());
/// # Ok(())
/// # }
/// ```
#[expect(clippy::struct_excessive_bools, reason = "settings, each of its own")]
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
    page: bool,
    client_page: Option<PathBuf>,
    no_page: bool,
    page_is_disabled: bool,
    page_rows: usize,
    inherited: Sockets,
    relay: Option<Arc<Relay>>,
    orphan_reaper: Option<PathBuf>,
    registry: Registry,
    reporters: Vec<Arc<dyn Reporter>>,
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
    pub fn push_token_previous(mut self, token: impl Into<String>) -> Self {
        self.push_token_previous = Some(Secret::new(token));
        self
    }

    /// Adds an API. A gateway needs at least one.
    pub fn api(mut self, api: Api) -> Self {
        self.apis.push(api);
        self
    }

    /// How many bytes may wait to be sent to one client, 1 MiB unless set; one larger frame may wait alone. With more,
    /// the client is closed.
    pub fn send_queue_bytes(mut self, bytes: usize) -> Self {
        self.clients.limits.send_queue_bytes = bytes;
        self
    }

    /// How clients are served: TLS, proxies, limits, time-outs, the shutdown. Replaces what was set before.
    pub fn clients(mut self, settings: ClientSettings) -> Self {
        self.clients = settings;
        self
    }

    /// Where `/healthz`, `/readyz`, `/metrics` and the page are served. Without it, the page is where clients connect.
    pub fn admin(mut self, admin: Admin) -> Self {
        self.admin = Some(admin);
        self
    }

    /// Whether each invocation is a line of the log, with its times.
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Whether the page is also served at another than a loopback address.
    pub fn page(mut self, page: bool) -> Self {
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

    /// Serves no page anywhere.
    pub fn without_page(mut self) -> Self {
        self.page_is_disabled = true;
        self
    }

    /// Serves the page at the admin address or not at all. A proxy on the same machine makes every client look like one
    /// of this machine, to which the page is served otherwise.
    pub fn page_for_operators_only(mut self) -> Self {
        self.no_page = true;
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
        self.inherited = sockets;
        if let Registry::Cluster(cluster) = &mut self.registry {
            cluster.takes_over = true;
        }
        self
    }

    /// Adds an observer of the gateway's work.
    pub fn reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporters.push(reporter);
        self
    }

    /// Starts the gateway. No function's process is started before the first client asks to connect.
    pub async fn start(mut self) -> Result<Running, StartError> {
        self.check_apis()?;
        let mut sockets = Sockets::default();
        let inherited = &mut self.inherited;
        let mut listen = |name, addr| listen(name, addr, inherited, &mut sockets);
        let clients = listen(CLIENTS, self.listen)?;
        let addr = local_addr(&clients, self.listen)?;
        let pushes = match self.push_listen {
            Some(push_listen) => Some(listen(PUSHES, push_listen)?),
            None => None,
        };
        let push_addr = match (&pushes, self.push_listen) {
            (Some(listener), Some(push_listen)) => local_addr(listener, push_listen)?,
            _ => addr,
        };
        let admin = match &self.admin {
            Some(admin) => Some(listen(ADMIN, admin.listen)?),
            None => None,
        };
        let admin_addr = match (&admin, &self.admin) {
            (Some(listener), Some(admin)) => Some(local_addr(listener, admin.listen)?),
            _ => None,
        };
        let clients_served = Clients::new(self.clients.clone(), Arc::default()).map_err(StartError::Tls)?;
        let clients_served = Arc::new(clients_served);
        let orphan_reaper = self.start_orphan_reaper()?;
        let registry = self.registry_of(addr, &clients_served).await?;
        let tokens = Tokens::new(self.push_token.as_ref(), self.push_token_previous.as_ref());
        let scheme = if pushes.is_none() && clients_served.has_tls() { "https" } else { "http" };
        let push_base =
            self.push_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(push_addr)));
        let push_url = PushUrl::default();
        push_url.set(&push_base, self.push_token.as_ref());
        let (app, assembly) = self.app(addr, push_url, orphan_reaper, clients_served, &registry);
        let app = Arc::new(app);
        let servers = self
            .serve(&app, clients, pushes, &tokens, admin)
            .map_err(|error| StartError::Listen { addr: self.listen, error })?;
        app.clients.readiness.enter(Stage::Ready);
        Ok(Running::new((addr, admin_addr), (push_base, tokens), app, assembly, (servers, sockets)))
    }

    fn serve(
        &self,
        app: &Arc<App>,
        clients: TcpListener,
        pushes: Option<TcpListener>,
        tokens: &Tokens,
        admin: Option<TcpListener>,
    ) -> io::Result<Vec<Server>> {
        let page = Router::new().fallback(page::entry).with_state(Arc::clone(app));
        let mut client_router = page.clone();
        let mut servers = Vec::new();
        if let Some(listener) = admin {
            let Clients { metrics, readiness, refusals, .. } = &*app.clients;
            let guard = self.guard(Arc::clone(refusals));
            let page = Router::new().fallback(page::entry_for_operators).with_state(Arc::clone(app));
            let router = admin::router(Arc::clone(metrics), readiness.clone(), guard, page);
            servers.push(Server::start_public(
                listener,
                Routed::handler(router),
                Listener::Operators,
                &app.clients,
            )?);
            client_router = Router::new().fallback(handshake::entry).with_state(Arc::clone(app));
        }
        let with_pushes = |tokens: Tokens, other: Router| {
            let (address, rest) = (Arc::clone(&app.push_address), Routed::handler(other));
            Arc::new(Direct { tokens, address, rest })
        };
        let client_handler = match pushes {
            None => with_pushes(tokens.clone(), client_router),
            Some(listener) => {
                let handler = with_pushes(tokens.clone(), Router::new());
                servers.push(Server::start_public(listener, handler, Listener::Pushes, &app.clients)?);
                with_pushes(Tokens::none(), client_router)
            }
        };
        servers.push(Server::start_public(clients, client_handler, Listener::Clients, &app.clients)?);
        Ok(servers)
    }

    /// Each API has a path of its own, and programs that can be executed.
    fn check_apis(&mut self) -> Result<(), StartError> {
        if self.apis.is_empty() {
            return Err(StartError::NoApi);
        }
        let mut paths: Vec<_> = self.apis.iter().map(|api| api.path.trim_end_matches('/')).collect();
        paths.sort_unstable();
        if let Some(same) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(StartError::SamePath { path: same[0].to_owned() });
        }
        for api in &mut self.apis {
            for function in [&mut api.register, &mut api.transfer, &mut api.cleanup] {
                if let FunctionSource::Processes(processes) = function {
                    let program = &processes.program;
                    processes.program = executable::absolute(program)
                        .map_err(|error| StartError::Program { path: program.clone(), error })?;
                }
            }
        }
        Ok(())
    }

    fn start_orphan_reaper(&self) -> Result<Option<Arc<OrphanReaper>>, StartError> {
        let Some(program) = &self.orphan_reaper else { return Ok(None) };
        match OrphanReaper::start(program) {
            Ok(reaper) => Ok(Some(Arc::new(reaper))),
            Err(error) => Err(StartError::OrphanReaper { program: program.clone(), error }),
        }
    }

    /// Who owns the connections: in a cluster, the nodes together.
    async fn registry_of(
        &self,
        addr: SocketAddr,
        clients: &Clients,
    ) -> Result<Arc<dyn ConnectionRegistry>, StartError> {
        let settings = match &self.registry {
            Registry::Memory => {
                return Ok(Arc::new(MemoryRegistry::new(clients.metrics.cleanups_pending.clone())));
            }
            Registry::Given(registry) => return Ok(Arc::clone(registry)),
            Registry::Cluster(settings) => settings,
        };
        let cluster = Cluster::join(settings, addr, &clients.metrics).map_err(StartError::Cluster)?;
        let registry = ClusterRegistry::new(cluster, Arc::clone(&clients.metrics));
        if !registry.joined().await {
            let url = registry.redis().url();
            warn!("the gateway starts without its cluster, and accepts clients once {url} answers");
        }
        Ok(registry)
    }

    fn guard(&self, refusals: Arc<Refusals>) -> Guard {
        let admin = self.admin.as_ref();
        let is_local = admin.is_some_and(|admin| admin.listen.ip().is_loopback()) && !self.page;
        Guard {
            password: admin.and_then(|admin| admin.password.clone()),
            metrics_token: admin.and_then(|admin| admin.metrics_token.clone()),
            access: if is_local { PageAccess::ThisMachine } else { PageAccess::AllHosts },
            refusals,
        }
    }

    /// Who sees the page, and where.
    fn page_access(&self, addr: SocketAddr) -> PageAccess {
        match &self.admin {
            _ if self.page_is_disabled => PageAccess::Disabled,
            Some(admin) if admin.password.is_some() => PageAccess::AllHosts,
            Some(admin) => page_access(admin.listen, self.page),
            None if self.no_page => PageAccess::Disabled,
            None => page_access(addr, self.page),
        }
    }

    fn app(
        &self,
        addr: SocketAddr,
        push_url: PushUrl,
        orphan_reaper: Option<Arc<OrphanReaper>>,
        clients: Arc<Clients>,
        registry: &Arc<dyn ConnectionRegistry>,
    ) -> (App, Assembly) {
        let page = self.page_access(addr);
        let timeline = (page != PageAccess::Disabled).then(|| Arc::new(Timeline::keeping(self.page_rows)));
        let mut reporters = self.reporters.clone();
        reporters.extend(timeline.clone().map(|timeline| timeline as Arc<dyn Reporter>));
        let reports = Reports::to(reporters);
        let assembly = Assembly {
            push_url,
            reports: reports.clone(),
            orphan_reaper,
            metrics: Arc::clone(&clients.metrics),
            trace: self.trace,
            made: AtomicUsize::new(0),
        };
        let stopping = CancellationToken::new();
        let apis = Arc::new(Apis::new(self.apis.iter().map(|api| assembly.run(api)).collect()));
        let cleanups = Arc::new(Cleanups { apis: Arc::clone(&apis), stopping: stopping.clone() });
        registry.start_cleaning(Arc::clone(&cleanups) as Arc<dyn Cleaner>);
        clients.readiness.depends_on(Arc::clone(registry));
        let own = Arc::clone(registry) as Arc<dyn Deliver>;
        let reached = match &self.relay {
            Some(relay) => {
                relay.set_own(own);
                Arc::clone(relay) as Arc<dyn Deliver>
            }
            None => own,
        };
        let app = App {
            apis,
            cleanups,
            registry: Arc::clone(registry),
            push_address: Arc::new(PushAddress::new(
                reached,
                reports.clone(),
                Arc::clone(&clients.metrics),
                Arc::clone(&clients.refusals),
                self.clients.web_function.as_ref().map_or(MAX_EVENT_BYTES, |web| web.frame_bytes),
            )),
            drain: Drain::new(stopping.clone()),
            stopping,
            open: TaskTracker::new(),
            page,
            client_page: self.client_page.clone(),
            timeline,
            reports,
            clients,
        };
        (app, assembly)
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

fn page_access(addr: SocketAddr, page: bool) -> PageAccess {
    match (page, addr.ip().is_loopback()) {
        (true, _) => PageAccess::AllHosts,
        (false, true) => PageAccess::ThisMachine,
        (false, false) => PageAccess::Disabled,
    }
}
