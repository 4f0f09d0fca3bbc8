//! What the tests of this workspace share: the gateway as a process or in the test's own, functions as processes or as
//! an `async fn`, clients of another implementation than the gateway's, and a look into log, time line and events.
//!
//! [`Api`] starts a process, [`InProcess`] does not: it is for the tests in which processes are not the point.
//!
//! Every wait has a bound, which only turns a hang into a failure.

#![allow(missing_docs, reason = "test code, whose names say what it is")]
#![allow(
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    reason = "test code"
)]

mod api;
mod client;
pub mod elsewhere;
mod faulty_registry;
mod file;
mod functions;
mod gateway;
mod http;
mod in_process;
mod log;
mod processes;
mod redis;
mod timeline;
mod wait;

pub use self::{
    api::{Api, bootstrap, echo, gateway_program, limits, misbehaving, runtime},
    client::Client,
    faulty_registry::{Fault, FaultyRegistry},
    file::{FromFile, from_file},
    functions::{AsyncFn, Echo},
    gateway::Gateway,
    http::{Reply, request},
    in_process::InProcess,
    log::in_process_log,
    processes::{Stat, kill, lives, processes},
    redis::Redis,
    timeline::wait_for_record,
    wait::{SOON, eventually},
};
