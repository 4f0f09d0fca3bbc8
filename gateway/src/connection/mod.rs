//! A client from its request to connect until nothing more is due for it: handshake → WebSocket → cleanup.

pub(crate) mod cleanup;
pub(crate) mod clients;
pub(crate) mod compression;
pub(crate) mod event_queue;
pub(crate) mod handshake;
pub mod limits;
pub mod origin;
pub mod request_details;
pub mod timeouts;
pub mod web_function;
pub(crate) mod websocket;
