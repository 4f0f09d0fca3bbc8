//! What the parts that serve clients have in common.

use std::{path::PathBuf, sync::Arc};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::page_access::PageAccess,
    connection::{cleanup::Cleanups, clients::Clients},
    observe::{report::Reports, timeline::Timeline},
    push::PushAddress,
    registry::ConnectionRegistry,
    start::{
        apis::{Apis, RunningApi},
        drain::Drain,
    },
};

/// The gateway's shared state.
pub(crate) struct App {
    pub(crate) apis: Arc<Apis>,
    pub(crate) cleanups: Arc<Cleanups>,
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
    /// Whether the page and the timeline are served.
    pub(crate) page: PageAccess,
    /// `None` where no page is served.
    pub(crate) timeline: Option<Arc<Timeline>>,
    /// An HTML file that is served beside the page, to those who may see it.
    pub(crate) client_page: Option<PathBuf>,
}

impl App {
    /// The API whose path is the longest beginning of the request's, by whole segments.
    pub(crate) fn api(&self, path: &str) -> Option<Arc<RunningApi>> {
        self.apis.find(path)
    }
}
