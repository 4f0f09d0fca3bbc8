//! What accepts connections and speaks HTTP on them: transport (PROXY header, TLS) → HTTP → a handler.

pub mod client_address;
pub mod http;
pub mod proxy_protocol;
pub mod tls;
pub mod transport;
