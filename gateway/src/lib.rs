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

mod admin;
pub mod config;
mod connection;
pub mod contract;
pub mod function;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod look_up;
mod observe;
pub mod push;
pub mod registry;
mod server;
mod start;

/// A future that can be awaited without knowing its type: what the methods of a trait object return.
pub use futures_util::future::BoxFuture;

pub use self::{
    config::{configured, secret},
    connection::{
        clients::ClientSettings, compression::Compression, limits, origin, request_details, timeouts,
        web_function,
    },
    observe::{metrics, report},
    registry::cluster,
    server::{client_address, http, tls},
    start::{
        api::{Api, ApiSettings, FunctionSource},
        builder::{Builder, Gateway, PageScope},
        file_limit, hand_over,
        running::Running,
        start_error::StartError,
    },
};
