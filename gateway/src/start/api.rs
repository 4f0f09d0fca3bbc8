//! A WebSocket API as it is configured: its path, its three functions, their limits.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    connection::origin::Origins,
    function::{FunctionBackend, local::Processes},
};

/// A WebSocket API.
///
/// ```
/// use scf_websocket_gateway::{Api, function::local::Processes, origin::Origins};
///
/// let mut api = Api::of("/chat", Processes::new("target/package/chat"));
/// api.origins = Origins::Only(vec!["https://example.com".to_owned()]);
/// api.max_running = 4;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Api {
    /// Requests for this path, and for paths below it, are this API's; of several such APIs the longest path wins.
    pub path: String,
    /// Decides whether a client may connect.
    pub register: FunctionSource,
    /// Receives the clients' frames.
    pub transfer: FunctionSource,
    /// Learns that a client has left.
    pub cleanup: FunctionSource,
    /// Whether the functions' answers are integration responses.
    pub integration_response: bool,
    /// Which web pages may connect; any, unless set.
    pub origins: Origins,
    /// How long a connection may go without a data frame in either direction before it is closed.
    pub idle_timeout: Duration,
    /// Whether frames may be compressed where the gateway compresses; unset, they may.
    pub compression: bool,
    /// How many events of each function that runs in processes may run at once; at least 1.
    pub max_running: usize,
    /// How many calls of each function with another backend may be in flight at once; at least 1.
    pub max_calls: usize,
    /// How many events of each function may wait for that; at least 1. With more, a client that asks to connect is
    /// refused, and the connection that a frame comes from is not read.
    pub max_waiting: usize,
}

/// Where a function runs.
#[derive(Clone)]
#[non_exhaustive]
pub enum FunctionSource {
    /// In processes of this machine, which the gateway starts.
    Processes(Processes),
    /// Wherever this backend runs it.
    Backend(Arc<dyn FunctionBackend>),
}

impl Api {
    /// An API with these functions. At most 8 events of each run in processes at once, or 256 elsewhere, and 1,000 wait; a
    /// connection may be idle for ten minutes.
    #[must_use]
    pub fn new(
        path: impl Into<String>,
        register: impl Into<FunctionSource>,
        transfer: impl Into<FunctionSource>,
        cleanup: impl Into<FunctionSource>,
    ) -> Self {
        Self {
            path: path.into(),
            register: register.into(),
            transfer: transfer.into(),
            cleanup: cleanup.into(),
            integration_response: false,
            origins: Origins::Any,
            idle_timeout: Duration::from_mins(10),
            compression: true,
            max_running: 8,
            max_calls: 256,
            max_waiting: 1000,
        }
    }

    /// An API whose three functions have the same source.
    #[must_use]
    pub fn of(path: impl Into<String>, functions: impl Into<FunctionSource>) -> Self {
        let functions = functions.into();
        Self::new(path, functions.clone(), functions.clone(), functions)
    }
}

impl From<Processes> for FunctionSource {
    fn from(processes: Processes) -> Self {
        Self::Processes(processes)
    }
}

impl From<Arc<dyn FunctionBackend>> for FunctionSource {
    fn from(backend: Arc<dyn FunctionBackend>) -> Self {
        Self::Backend(backend)
    }
}

impl<B: FunctionBackend + 'static> From<Arc<B>> for FunctionSource {
    fn from(backend: Arc<B>) -> Self {
        Self::Backend(backend)
    }
}

impl fmt::Debug for FunctionSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processes(processes) => formatter.debug_tuple("Processes").field(processes).finish(),
            Self::Backend(_) => formatter.debug_struct("Backend").finish_non_exhaustive(),
        }
    }
}
