//! Why a gateway does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{registry::cluster::JoinError, server::tls::TlsError};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It has no API.
    #[error("the gateway has no WebSocket API")]
    NoApi,
    /// Two APIs have the same path.
    #[error("two WebSocket APIs have the path {path:?}")]
    SamePath {
        /// The path, without a slash at its end.
        path: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {error}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The certificate, or TLS with it, cannot be used.
    #[error("{0}")]
    Tls(#[source] TlsError),
    /// The cluster cannot be joined.
    #[error("cluster: {0}")]
    Cluster(#[source] JoinError),
    /// The program of the functions does not exist, or cannot be executed.
    #[error("cannot run functions from {}: {error}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The orphan reaper did not start from this program.
    #[error("cannot start the orphan reaper from {}: {error}", program.display())]
    OrphanReaper {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}
