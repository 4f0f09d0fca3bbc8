//! A running gateway, and how it shuts down.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use log::{info, warn};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    admin::{Stage, page, page_access::PageAccess},
    config::secret::Secret,
    connection::clients::ClientSettings,
    observe::metrics::Metrics,
    push::address::Tokens,
    server::http::Server,
    start::{api::Api, app::App, assembly::Assembly, hand_over::Sockets},
};

/// How long connections may take to close at shutdown, their cleanup included.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the cleanups that run then may take at least.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the functions' backends may take to stop after that. Processes are killed by then.
const BACKEND_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running gateway. Dropped without [`Running::shutdown`], it closes its addresses and kills the functions'
/// processes, and neither clients nor functions are notified.
pub struct Running {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    /// The part of the push address before `/api-…`.
    push_base: String,
    tokens: Tokens,
    app: Arc<App>,
    assembly: Assembly,
    /// Where clients connect is the last one.
    servers: Vec<Server>,
    /// Other handles of the sockets that they listen on.
    sockets: Sockets,
    _certificate_watch: AbortOnDropHandle<()>,
}

impl Running {
    pub(crate) fn new(
        (addr, admin_addr): (SocketAddr, Option<SocketAddr>),
        (push_base, tokens): (String, Tokens),
        app: Arc<App>,
        assembly: Assembly,
        (servers, sockets): (Vec<Server>, Sockets),
    ) -> Self {
        let clients = Arc::clone(&app.clients);
        let watch = tokio::spawn(async move { clients.watch_certificate().await });
        let certificate_watch = AbortOnDropHandle::new(watch);
        Self {
            addr,
            admin_addr,
            push_base,
            tokens,
            app,
            assembly,
            servers,
            sockets,
            _certificate_watch: certificate_watch,
        }
    }

    /// Where clients connect; the page is there too, unless there is an admin address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where clients connect, as a URL without a path.
    #[must_use]
    pub fn client_url(&self) -> String {
        let scheme = if self.app.clients.has_tls() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.addr)
    }

    /// Where `/healthz`, `/readyz`, `/metrics` and the page are, if anywhere.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// The reverse push address. Instances of local functions get it with their name in the query.
    #[must_use]
    pub fn push_url(&self) -> Arc<String> {
        self.assembly.push_url.now()
    }

    /// From now on pushes are accepted with these tokens alone. Functions that are processes are started anew with the
    /// first one, each before its next event.
    pub(crate) fn set_push_tokens(&self, token: Option<&Secret>, previous: Option<&Secret>) {
        self.tokens.set(token, previous);
        self.assembly.push_url.set(&self.push_base, token);
    }

    /// Whether the page is served, to this machine at least.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.app.page != PageAccess::Disabled
    }

    /// The path of the client page, if one is served.
    #[must_use]
    pub fn client_page(&self) -> Option<&'static str> {
        self.app.client_page.as_ref().filter(|_| self.has_page()).map(|_| page::CLIENT_PAGE)
    }

    /// What has been counted and measured.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.app.clients.metrics
    }

    /// Other settings for the connections to come; those that are open keep theirs. Certificate files are read again.
    pub fn set_clients(&self, settings: ClientSettings) {
        self.app.clients.apply(settings);
    }

    /// From now on new connections find these APIs; open ones keep theirs. An API that runs already at this path goes on
    /// as it is, unless `is_new` says that it is another one now.
    pub(crate) fn replace_apis(&self, apis: &[Api], is_new: impl Fn(&str) -> bool) {
        let running = apis.iter().map(|api| match self.app.apis.at(&api.path) {
            Some(running) if !is_new(&api.path) => running,
            _ => self.assembly.run(api),
        });
        self.app.apis.replace(running.collect());
    }

    /// The sockets that it listens on, for the process that takes over from this one.
    #[must_use]
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Another process accepts connections at these sockets: this one accepts no more. Requests on connections that it
    /// has accepted are answered as before, until no client can have one that it has not sent.
    pub async fn hand_over(&mut self) {
        self.sockets = Sockets::default();
        for server in &self.servers {
            server.hand_over();
        }
        let timeouts = &self.app.clients.current().settings.timeouts;
        let longest = timeouts.tls_handshake + timeouts.request_head;
        if let Some(clients) = self.servers.last_mut() {
            // What is left then are connections that have had their answer.
            let _ = timeout(longest, clients.last_request()).await;
        }
    }

    /// Accepts no further clients, closes those that are there with 1001, one after the other over the time that is set
    /// for it, calls the cleanup function for each, and stops the functions. Connections that are not closed a few
    /// seconds after that time are dropped.
    pub async fn shutdown(self) {
        let app = &self.app;
        app.clients.readiness.enter(Stage::Draining);
        let (open, over) = (app.open.len(), app.clients.current().settings.drain);
        if !over.is_zero() && open > 0 {
            info!("closing {open} connections over {} s", over.as_secs_f64());
        }
        app.drain.begin(open, over);
        app.open.close();
        let deadline = Instant::now() + over + SHUTDOWN_TIMEOUT;
        if timeout_at(deadline, app.open.wait()).await.is_err() {
            warn!(
                "some connections were dropped: their clients or functions took more than {} s",
                SHUTDOWN_TIMEOUT.as_secs()
            );
        }
        // What could not be called is tried until the drain would have ended.
        app.registry.stop_cleaning(deadline.duration_since(Instant::now()).max(CLEANUP_TIMEOUT)).await;
        let apis = self.app.apis.all();
        for api in &apis {
            api.functions.stop_calling();
        }
        let stopped = join_all(apis.iter().map(|api| api.functions.stop_backends()));
        if timeout(BACKEND_STOP_TIMEOUT, stopped).await.is_err() {
            warn!("some functions have not stopped");
        }
        self.app.registry.leave().await;
        drop(self.servers);
        info!("shut down");
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}
