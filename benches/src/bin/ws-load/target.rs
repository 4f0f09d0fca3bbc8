//! The server to which a crowd connects.

use std::net::SocketAddrV4;
use std::sync::Arc;

use rustls::ClientConfig;

pub struct Target {
    pub address: SocketAddrV4,
    pub request: Vec<u8>,
    /// What clients offer and have to get.
    pub extension: Option<Arc<str>>,
    pub tls: Option<Arc<ClientConfig>>,
}
