//! Register, transfer and cleanup functions of a WebSocket API on Tencent Cloud SCF.
//!
//! Implement [`Functions`] and call [`main`]: that is a whole custom runtime for SCF, in one static binary.
//!
//! ```no_run
//! use scf_websocket::{Connecting, Context, Decision, Frame, Functions, Result};
//!
//! /// Sends each text frame back in capitals.
//! struct Shout;
//!
//! impl Functions for Shout {
//!     fn register(&mut self, client: &Connecting<'_>, _: &mut Context<'_>) -> Result<Decision> {
//!         match client.query("token") {
//!             Some("secret") => Ok(Decision::accept()),
//!             _ => Ok(Decision::refuse(401, "a token, please")),
//!         }
//!     }
//!
//!     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
//!         if let Some(text) = frame.text() {
//!             context.push(frame.connection()).text(&text.to_uppercase())?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     scf_websocket::main(|_| Shout)
//! }
//! ```
//!
//! [A step-by-step guide](https://github.com/scf-websocket/scf-websocket/blob/main/docs/own-functions.md) leads from
//! `cargo new` to a zip for SCF.
//!
//! - [`Context`] pushes to connections and rooms, and stores texts that all instances share.
//! - [`Config`] gives typed access to environment variables; [`Program`] declares variables of your own.
//! - [`testing`] runs functions in process, without a gateway.
//! - [`bootstrap`] holds the functions of the file `bootstrap`, which environment variables configure.
//!
//! An event takes this path: `runtime` polls → `event` parses → `dispatch` selects the function → `context`, `push` and
//! `store` act → `answer` is delivered by `runtime`.

mod answer;
pub mod bootstrap;
mod clock;
mod config;
mod connecting;
mod context;
mod dispatch;
mod error;
mod event;
mod frame;
mod functions;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod log_text;
mod net;
mod push;
mod role;
mod runtime;
mod startup;
mod store;
pub mod testing;

pub use config::{Config, ConfigError, Variable};
pub use connecting::Connecting;
pub use context::{Context, Push, PushClose, Room, StoredList, StoredText};
pub use error::{Error, Result};
pub use frame::{Closing, Frame, FrameError};
pub use functions::{Decision, Functions};
pub use push::{PushError, PushReport};
pub use role::Role;
pub use startup::{IntoFunctions, Program, main};
pub use store::StoreError;
