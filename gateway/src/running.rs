//! A running gateway, and how it shuts down.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use log::{info, warn};
use tokio::time::timeout;

use crate::{api::Api, app::App, assembly::Assembly, http::Server, page_access::PageAccess};

/// How long connections may take to close at shutdown, their cleanup included.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the functions' backends may take to stop after that. Processes are killed by then.
const BACKEND_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running gateway. Dropped without [`Running::shutdown`], it closes its addresses and kills the functions'
/// processes, and neither clients nor functions are notified.
pub struct Running {
    addr: SocketAddr,
    push_url: String,
    app: Arc<App>,
    assembly: Assembly,
    servers: Vec<Server>,
}

impl Running {
    pub(crate) fn new(
        addr: SocketAddr,
        push_url: String,
        app: Arc<App>,
        assembly: Assembly,
        servers: Vec<Server>,
    ) -> Self {
        Self { addr, push_url, app, assembly, servers }
    }

    /// Where clients connect; the page is there too.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The reverse push address. Instances of local functions get it with their name in the query.
    #[must_use]
    pub fn push_url(&self) -> &str {
        &self.push_url
    }

    /// Whether the page is served, to this machine at least.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.app.page != PageAccess::Disabled
    }

    /// From now on new connections find these APIs; open ones keep theirs. An API that runs already at this path goes on
    /// as it is, unless `is_new` says that it is another one now.
    pub fn replace_apis(&self, apis: &[Api], is_new: impl Fn(&str) -> bool) {
        let running = apis.iter().map(|api| match self.app.apis.at(&api.path) {
            Some(running) if !is_new(&api.path) => running,
            _ => self.assembly.run(api),
        });
        self.app.apis.replace(running.collect());
    }

    /// Closes every client with 1001, calls the cleanup function for each, and stops the functions. Takes a few
    /// seconds at most; connections that are not closed by then are dropped.
    pub async fn shutdown(self) {
        self.app.stopping.cancel();
        self.app.open.close();
        if timeout(SHUTDOWN_TIMEOUT, self.app.open.wait()).await.is_err() {
            warn!(
                "some connections were dropped: their clients or functions took more than {} s",
                SHUTDOWN_TIMEOUT.as_secs()
            );
        }
        let apis = self.app.apis.all();
        for api in &apis {
            api.functions.stop_calling();
        }
        let stopped = join_all(apis.iter().map(|api| api.functions.stop_backends()));
        if timeout(BACKEND_STOP_TIMEOUT, stopped).await.is_err() {
            warn!("some functions have not stopped");
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
