//! What a gateway is started with.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// What a gateway is started with. [`Options::new`] has the defaults of the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where clients connect; port 0: a free one.
    pub listen: SocketAddr,
    /// Where functions push, if not at the clients' address.
    pub push_listen: Option<SocketAddr>,
    /// A secret in the reverse push address's path.
    pub push_token: Option<String>,
    /// The program that the functions are processes of.
    pub bootstrap: PathBuf,
    /// Variables for the functions, later ones before earlier ones.
    pub env: Vec<(String, OsString)>,
    /// How many processes a role may have at once; at least 1.
    pub max_instances: usize,
    /// How many events of a role may wait for a free process; at least 1. Beyond it a client that asks to connect is
    /// refused, and a frame's connection is not read.
    pub max_waiting: usize,
    /// What a process may take to initialise.
    pub init_timeout: Duration,
    /// What a function may take for an event.
    pub timeout: Duration,
    /// Only told to the functions.
    pub memory_mb: u64,
    /// After how long without a data frame in either direction a connection is closed.
    pub idle_timeout: Duration,
    /// How many bytes may wait to be sent to one client; one larger frame may wait alone. With more the client is closed.
    pub send_queue_bytes: usize,
    /// Whether the functions' answers are integration responses.
    pub integration_response: bool,
    /// Whether each invocation is a line of the log, with its times.
    pub trace: bool,
    /// Whether the page is also served at another than the loopback address.
    pub page: bool,
    /// The gateway's own program, as which a guard is started that kills the functions should the gateway be killed
    /// hard. `None`: no guard.
    pub guard: Option<PathBuf>,
}

impl Options {
    /// The defaults, for functions that are processes of this program.
    #[must_use]
    pub fn new(bootstrap: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            push_listen: None,
            push_token: None,
            bootstrap: bootstrap.into(),
            env: Vec::new(),
            max_instances: 8,
            max_waiting: 1000,
            init_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            idle_timeout: Duration::from_mins(10),
            send_queue_bytes: 1 << 20,
            integration_response: false,
            trace: false,
            page: false,
            guard: None,
        }
    }
}
