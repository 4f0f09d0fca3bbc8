//! The gateway's side of the SCF WebSocket contract, and SCF's own, on one machine.
//!
//! It holds WebSocket clients, calls the three functions of a WebSocket API for them (register, transfer, cleanup) and
//! takes the functions' reverse pushes.
//!
//! ```text
//!  clients ──ws──▶ handshake ─▶ websocket ─▶ invoke ─▶ function backend (local: pool ▸ instance ▸ process)
//!     ▲                            │                                        │
//!     └────────── registry ◀─── push address ◀──────────── HTTP ────────────┘
//! ```
//!
//! ```no_run
//! # async fn run() -> Result<(), scf_websocket_gateway::StartError> {
//! use scf_websocket_gateway::{Api, Gateway, function::local::Processes};
//!
//! let functions = Processes::new("target/package/bootstrap");
//! let running = Gateway::builder().api(Api::of("/", functions)).start().await?;
//! println!("ws://{}/", running.addr());
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! In production everything is in a file: [`config`] reads it, [`configured`] makes a gateway of it and applies what a
//! reload changes.
//!
//! Three seams are meant for other implementations: [`function::FunctionBackend`], where a function runs,
//! [`registry::ConnectionRegistry`], who holds a connection, and [`report::Reporter`], who observes the gateway's work.
//! Two parts are of use alone: [`function::runtime_api`] stands in for SCF in tests of a custom runtime, and [`push`]
//! is the reverse push address.

pub mod admin;
mod admission;
mod api;
mod apis;
mod app;
mod assembly;
mod builder;
mod cleanup;
pub mod client_address;
mod clients;
pub mod cluster;
pub mod config;
pub mod configured;
pub mod contract;
mod drain;
mod event_queue;
mod executable;
pub mod file_limit;
pub mod function;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod handshake;
pub mod http;
mod integration_response;
mod invocation;
mod invoke;
pub mod limits;
mod log_limit;
pub mod metrics;
pub mod origin;
mod page;
mod page_access;
pub mod proxy_protocol;
pub mod push;
pub mod registry;
pub mod report;
pub mod request_details;
mod running;
pub mod secret;
mod timeline;
pub mod timeouts;
pub mod tls;
pub mod transport;
mod websocket;

/// A future that can be awaited without knowing its type: what the methods of a trait object return.
pub use futures_util::future::BoxFuture;

pub use self::{
    api::{Api, FunctionSource},
    builder::{Builder, Gateway, StartError},
    clients::ClientSettings,
    running::Running,
    websocket::CloseReason,
};
