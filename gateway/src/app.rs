//! What the parts that serve clients have in common.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    apis::Apis, clients::Clients, drain::Drain, invoke::Functions, metrics::ApiMetrics, origin::Origins,
    page_access::PageAccess, push::PushAddress, registry::ConnectionRegistry, report::Reports,
    timeline::Timeline,
};

/// The gateway's shared state.
pub(crate) struct App {
    pub(crate) apis: Apis,
    pub(crate) registry: Arc<dyn ConnectionRegistry>,
    pub(crate) reports: Reports,
    pub(crate) clients: Arc<Clients>,
    /// The page pushes through it too.
    pub(crate) push_address: Arc<PushAddress>,
    /// Cancelled when the gateway shuts down.
    pub(crate) stopping: CancellationToken,
    /// When each connection is closed then.
    pub(crate) drain: Drain,
    /// The connections and replays that still have something to do, their closing event included.
    pub(crate) open: TaskTracker,
    /// Whether the page and the time line are served.
    pub(crate) page: PageAccess,
    /// `None` where no page is served.
    pub(crate) timeline: Option<Arc<Timeline>>,
    /// An HTML file that is served beside the page, to those who may see it.
    pub(crate) client_page: Option<PathBuf>,
}

/// A WebSocket API with its functions.
pub(crate) struct RunningApi {
    /// Requests for this path, and for paths below it, are this API's.
    pub(crate) path: Arc<str>,
    pub(crate) functions: Functions,
    pub(crate) metrics: Arc<ApiMetrics>,
    /// Which web pages may connect.
    pub(crate) origins: Origins,
    /// How long a connection may go without a data frame in either direction.
    pub(crate) idle_timeout: Duration,
}

impl App {
    /// The API whose path is the longest beginning of the request's, by whole segments.
    pub(crate) fn api(&self, path: &str) -> Option<Arc<RunningApi>> {
        self.apis.find(path)
    }
}
