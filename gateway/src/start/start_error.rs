//! Why a gateway does not start.

use std::{error, fmt, io, net::SocketAddr, path::PathBuf};

use crate::{registry::cluster::JoinError, server::tls::TlsError};

/// Why the gateway did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It has no API.
    NoApi,
    /// Two APIs have the same path.
    SamePath {
        /// The path, without a slash at its end.
        path: String,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The certificate, or TLS with it, cannot be used.
    Tls(TlsError),
    /// The cluster cannot be joined.
    Cluster(JoinError),
    /// The program of the functions does not exist, or cannot be executed.
    Program {
        /// The program.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The orphan reaper did not start from this program.
    OrphanReaper {
        /// The program.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoApi => formatter.write_str("the gateway has no WebSocket API"),
            Self::SamePath { path } => write!(formatter, "two WebSocket APIs have the path {path:?}"),
            Self::Listen { addr, error } => write!(formatter, "cannot listen on {addr}: {error}"),
            Self::Tls(error) => error.fmt(formatter),
            Self::Cluster(error) => write!(formatter, "cluster: {error}"),
            Self::Program { path, error } => {
                write!(formatter, "cannot run functions from {}: {error}", path.display())
            }
            Self::OrphanReaper { program, error } => {
                write!(formatter, "cannot start the orphan reaper from {}: {error}", program.display())
            }
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NoApi | Self::SamePath { .. } => None,
            Self::Tls(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Listen { error, .. } | Self::Program { error, .. } | Self::OrphanReaper { error, .. } => {
                Some(error)
            }
        }
    }
}
