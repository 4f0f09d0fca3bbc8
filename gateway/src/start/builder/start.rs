//! Starts the gateway that was put together: its sockets, who owns its connections, and what serves them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
};

use axum::Router;
use log::warn;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Builder, PageScope, Registry};
use crate::{
    admin::{self, Guard, Stage, page, page_access::PageAccess},
    connection::{cleanup::Cleanups, clients::Clients, handshake, limits::Listener},
    contract::MAX_EVENT_BYTES,
    function::local::orphan_reaper::OrphanReaper,
    observe::{
        refusals::Refusals,
        report::{Reporter, Reports},
        timeline::Timeline,
    },
    push::{PushAddress, PushUrl, address::Tokens, direct::Direct},
    registry::{
        Cleaner, ConnectionRegistry, Deliver, MemoryRegistry,
        cluster::{Cluster, ClusterRegistry},
    },
    server::http::{Routed, Server},
    start::{
        api::FunctionSource,
        apis::Apis,
        app::App,
        assembly::Assembly,
        drain::Drain,
        executable,
        hand_over::Sockets,
        listening::{listen, reachable},
        running::Running,
        start_error::StartError,
    },
};

/// What the listening sockets are for, when they are handed over.
const CLIENTS: &str = "clients";
const PUSHES: &str = "pushes";
const ADMIN: &str = "admin";

impl Builder {
    /// Starts the gateway. No function's process is started before the first client asks to connect.
    pub async fn start(mut self) -> Result<Running, StartError> {
        self.check_apis()?;
        let mut sockets = Sockets::default();
        if let Registry::Cluster(cluster) = &mut self.registry {
            cluster.takes_over = self.inherited.is_some();
        }
        let inherited = &mut self.inherited.take().unwrap_or_default();
        let mut listen = |name, addr| listen(name, addr, inherited, &mut sockets);
        let (clients, addr) = listen(CLIENTS, self.listen)?;
        let pushes = self.push_listen.map(|addr| listen(PUSHES, addr)).transpose()?;
        let (pushes, push_addr) = pushes.unzip();
        let push_addr = push_addr.unwrap_or(addr);
        let admin = self.admin.as_ref().map(|admin| listen(ADMIN, admin.listen)).transpose()?;
        let (admin, admin_addr) = admin.unzip();
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
        let is_local =
            admin.is_some_and(|admin| admin.listen.ip().is_loopback()) && self.page != PageScope::AllHosts;
        Guard {
            password: admin.and_then(|admin| admin.password.clone()),
            metrics_token: admin.and_then(|admin| admin.metrics_token.clone()),
            access: if is_local { PageAccess::ThisMachine } else { PageAccess::AllHosts },
            refusals,
        }
    }

    /// Who sees the page, which is at the admin address, or without one where clients connect.
    fn page_access(&self, clients: SocketAddr) -> PageAccess {
        let admin = self.admin.as_ref();
        let has_password = admin.is_some_and(|admin| admin.password.is_some());
        let is_local = admin.map_or(clients, |admin| admin.listen).ip().is_loopback();
        let is_wanted = match self.page {
            PageScope::Nowhere => false,
            PageScope::Operators => admin.is_some(),
            PageScope::ThisMachine => true,
            PageScope::AllHosts => return PageAccess::AllHosts,
        };
        match (is_wanted, has_password, is_local) {
            (true, true, _) => PageAccess::AllHosts,
            (true, false, true) => PageAccess::ThisMachine,
            _ => PageAccess::Disabled,
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
