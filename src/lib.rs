//! Register, transfer and cleanup functions of a WebSocket API on Tencent Cloud SCF.
//!
//! The crate's product is the binary `bootstrap`: one static file that SCF runs as a custom runtime. It polls
//! the runtime API, serves each event with the handler of its role, and answers with the agreed JSON.
//! An event walks one way: `runtime` polls → [`event`] gives it a type → [`handler`] decides → [`push`] acts →
//! `runtime` answers.
//!
//! Somebody with business of their own implements [`Handler`] and calls [`run`]:
//!
//! ```no_run
//! use scf_websocket::{Answer, Config, Context, Event, Failure, Handler, run};
//!
//! struct Greeter;
//!
//! impl Handler for Greeter {
//!     fn role(&self, _: &Event<'_>) -> &'static str {
//!         "greeter"
//!     }
//!
//!     fn handle<'e>(&mut self, event: &Event<'e>, _: &Context<'_>) -> Result<Answer<'e>, Failure> {
//!         Ok(Answer::event(event))
//!     }
//! }
//!
//! let config = Config::from_env().expect("the environment that SCF sets");
//! let failure = run(&config, &mut Greeter).expect_err("only a failure returns");
//! eprintln!("{failure}");
//! ```
//!
//! Every variable that the binary reads stands in [`config::VARIABLES`].

pub mod config;
mod connect;
pub mod event;
mod excerpt;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod handler;
pub mod push;
mod runtime;
mod socket;
pub mod store;

pub use config::Config;
pub use event::Event;
pub use handler::{Answer, Context, Failure, Handler};
pub use runtime::{RunError, run};
