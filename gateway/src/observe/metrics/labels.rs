//! The values that labels of metrics can have. Each is an enum, so that no series is made of what a client sends.

use crate::connection::websocket::close_reason::CloseReason;

/// A label's values.
pub(crate) trait Label: Copy + 'static {
    /// All of them; a value's position is its index.
    const ALL: &'static [Self];

    /// As it is exposed.
    fn value(self) -> &'static str;

    /// Its position in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$about:meta])* $visible:vis $name:ident { $($(#[$what:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        $visible enum $name {
            $($(#[$what])* $variant,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$variant => $value,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// How a take-over ended.
    pub(crate) TakeOverOutcome {
        /// No client is left.
        Completed = "completed",
        /// Clients are left whose cleanup function could not be called.
        Incomplete = "incomplete",
        /// Redis was away, or another node went on.
        Interrupted = "interrupted",
    }
}

label! {
    /// Why something was refused before it was anybody's.
    pub(crate) RefusalReason {
        /// A client asks for a path that belongs to no API.
        UnknownPath = "unknown_path",
        /// A request is not a handshake of WebSocket 13 over HTTP/1.1.
        Malformed = "malformed",
        /// The page's origin is not among the API's.
        Origin = "origin",
        /// A TLS handshake failed, or took too long.
        Tls = "tls",
        /// A trusted proxy's connection does not begin with a PROXY protocol header of version 2.
        ProxyProtocol = "proxy_protocol",
        /// The password or token of the admin address is wrong.
        AdminPassword = "admin_password",
        /// The metrics were asked for under a name that is not this machine's.
        Host = "host",
        /// A push went to another path, or with another token, than those of the push address.
        PushAddress = "push_address",
        /// A web page tried to push.
        WebPage = "web_page",
    }
}

impl RefusalReason {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();
}

label! {
    /// How a handshake ended.
    pub(crate) HandshakeOutcome {
        /// The client is connected.
        Accepted = "accepted",
        /// The register function did not want the client.
        Refused = "refused",
        /// The register function refused the client, because its store cannot record it.
        StoreUnavailable = "store_unavailable",
        /// The register function failed, or took too long.
        FunctionFailed = "function_failed",
        /// The path belongs to no API; such handshakes have no API either.
        UnknownPath = "unknown_path",
        /// The page's origin is not among the API's.
        Origin = "origin",
        /// A limit was met; which one is in `scf_gateway_limit_hits_total`.
        Limit = "limit",
        /// The request is not a handshake of WebSocket 13 over HTTP/1.1.
        Malformed = "malformed",
        /// The gateway is shutting down.
        Draining = "draining",
        /// The client left before it was connected.
        Abandoned = "abandoned",
    }
}

label! {
    /// What an invocation came to.
    pub InvocationOutcome {
        /// The function has answered.
        Ok = "ok",
        /// The register function, or the gateway before it, refused the client.
        Refused = "refused",
        /// The register function refused the client, because its store cannot record it.
        StoreUnavailable = "store_unavailable",
        /// The function said that it failed, or its answer cannot be used.
        Error = "error",
        /// The function did not answer in time.
        TimedOut = "timed_out",
        /// The function's process did not start, or ended in the middle.
        Crashed = "crashed",
        /// Too many events run and wait.
        Overloaded = "overloaded",
        /// The function's backend cannot be reached.
        Unavailable = "unavailable",
        /// The function's backend has been down for a while and is not called for now.
        CircuitOpen = "circuit_open",
        /// The caller no longer waits, or the gateway is shutting down.
        Abandoned = "abandoned",
    }
}

impl InvocationOutcome {
    /// A short name that never changes, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.value()
    }

    /// Whether it counts as an error.
    #[must_use]
    pub fn is_error(self) -> bool {
        !matches!(self, Self::Ok | Self::Refused | Self::Abandoned)
    }
}

label! {
    /// What became of a push, for each connection that it names.
    pub(crate) PushOutcome {
        /// It is on its way to the client, or the client is being closed.
        Accepted = "accepted",
        /// There is no such connection.
        Gone = "gone",
        /// The client takes its bytes too slowly.
        QueueFull = "queue_full",
        /// The push itself cannot be used.
        Malformed = "malformed",
        /// The node that holds the connection did not answer.
        NodeUnavailable = "node_unavailable",
    }
}

impl Label for CloseReason {
    const ALL: &'static [Self] = &Self::ALL;

    fn value(self) -> &'static str {
        self.name()
    }

    fn index(self) -> usize {
        // Two of a name differ in their text alone.
        Self::ALL.iter().position(|reason| reason.name() == self.name()).unwrap_or_default()
    }
}

label! {
    /// Which way a frame went.
    pub(crate) Direction {
        /// From a client.
        In = "in",
        /// To a client.
        Out = "out",
    }
}

label! {
    /// Which bytes of a compressed frame are counted.
    pub When {
        /// Of the payload as functions see it.
        Before = "before",
        /// Of the payload on the wire.
        After = "after",
    }
}

label! {
    /// Where the connection of a delivery is.
    pub Way {
        /// On this node.
        Local = "local",
        /// On another node of the cluster.
        Remote = "remote",
    }
}

label! {
    /// How a TLS handshake ended.
    pub(crate) TlsOutcome {
        /// With a new session.
        Full = "full",
        /// With a session that the client had before.
        Resumed = "resumed",
        /// The peers could not agree, or the client left.
        Failed = "failed",
        /// The client took longer than `tls_handshake_seconds`.
        TimedOut = "timed_out",
    }
}

label! {
    /// How a reload ended.
    pub(crate) ReloadOutcome {
        /// What was read is in force.
        Applied = "applied",
        /// What was read is wrong, and nothing changed.
        Rejected = "rejected",
    }
}

label! {
    /// What is reloaded.
    pub(crate) Reloadable {
        /// `gateway.toml`.
        Config = "config",
        /// The certificate and its key.
        Certificate = "certificate",
    }
}
