//! What the tests of this workspace share: the gateway as a process or in the test's own, functions as processes or as
//! an `async fn`, clients of another implementation than the gateway's, and a look into log, timeline and events.
//!
//! [`Api`] starts a process, [`InProcess`] does not: it is for the tests in which processes are not the point.
//! [`Function`] is one function's process without a gateway: its runtime API and [`PushAddress`] are the gateway's, so
//! that no protocol is implemented twice. [`Wire`] is a scripted server, for faults that those never produce.
//!
//! A test that needs something of the machine asks [`needs`] first.
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
mod clock;
mod debian;
pub mod elsewhere;
mod events;
mod faulty_registry;
mod file;
mod function_process;
mod functions;
mod gateway;
mod hanging_look_ups;
mod http;
mod in_process;
mod log;
mod need;
mod port;
mod process;
mod processes;
mod programs;
mod push_address;
mod redis;
mod relay;
mod timeline;
mod wait;
pub mod web_platform;
mod wire;

pub use self::{
    api::{Api, bootstrap, echo, limits, misbehaving, runtime},
    client::Client,
    clock::Clock,
    debian::debian_file,
    events::{CLOSING, CONNECTING, DATA_RECV, error, frame, response},
    faulty_registry::{Fault, FaultyRegistry},
    file::{FromFile, from_file},
    function_process::Function,
    functions::{AsyncFn, Echo},
    gateway::Gateway,
    hanging_look_ups::HangingLookUps,
    http::{Reply, request, try_request},
    in_process::InProcess,
    log::in_process_log,
    need::{Need, needs},
    port::ReservedPort,
    process::Process,
    processes::{Stat, is_suspended, kill, lives, processes, try_kill},
    programs::{bootstrap_program, example, gateway_program},
    push_address::{Batches, PushAddress, pushed_ids},
    redis::Redis,
    relay::Relay,
    timeline::wait_for_record,
    wait::{SOON, eventually, rounds, wait_until},
    wire::{Act, Gate, Request, Wire},
};
pub use scf_websocket_gateway::{
    function::runtime_api::{Outcome, RuntimeLimits},
    http::HeaderCase,
};
