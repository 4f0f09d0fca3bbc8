//! A WebSocket API: its path, its three functions, its settings.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    connection::origin::Origins,
    function::{FunctionBackend, local::Processes},
};

/// A WebSocket API.
///
/// ```
/// use std::time::Duration;
///
/// use scf_websocket_gateway::{Api, function::local::Processes, origin::Origins};
///
/// let mut api = Api::of("/chat", Processes::new("target/package/chat"));
/// api.settings.origins = Origins::Only(vec!["https://example.com".to_owned()]);
/// api.settings.idle_timeout = Duration::from_mins(1);
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
    /// The settings of its clients and functions.
    pub settings: ApiSettings,
}

/// The settings of an API's clients, and of its functions wherever they run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiSettings {
    /// Whether the functions' answers are integration responses.
    pub integration_response: bool,
    /// Which web pages may connect.
    pub origins: Origins,
    /// How long a connection may go without a data frame in either direction before it is closed.
    pub idle_timeout: Duration,
    /// Whether frames may be compressed where the gateway compresses.
    pub compression: bool,
    /// How many events of each function that runs in processes may run at once.
    pub max_instances: NonZeroU32,
    /// How many calls of each function with another backend may be in flight at once.
    pub concurrent_calls: NonZeroU32,
    /// How many events of each function may wait for that. With more, a client that asks to connect is refused, and the
    /// connection that a frame comes from is not read.
    pub waiting_calls: NonZeroU32,
}

impl Default for ApiSettings {
    /// Any web page may connect, and a connection may be idle for ten minutes. At most 8 events of a function run in
    /// processes at once, or 256 elsewhere, and 1,000 wait.
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            integration_response: false,
            origins: Origins::Any,
            idle_timeout: Duration::from_mins(10),
            compression: true,
            max_instances: number(8),
            concurrent_calls: number(256),
            waiting_calls: number(1000),
        }
    }
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
    /// An API with these functions and the default settings.
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
            settings: ApiSettings::default(),
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
