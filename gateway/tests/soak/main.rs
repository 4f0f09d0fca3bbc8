//! The soak: real clients in a room over Redis, while everything fails that can. At the end every frame, every delivery
//! and every closing event is accounted for.
//!
//! `BOOTSTRAP` names the program of the functions, `SECONDS` how long it goes on (600). With the argument `cluster`
//! there are three nodes, otherwise one gateway. Prints the account; ends with 1 if anything in it has no explanation.

mod account;
mod chaos;
mod client;
mod cluster;
mod dice;
mod functions;
mod journal;
mod logged;
mod pushes;
mod runs;
mod single;
mod tallies;

use std::{env, process::ExitCode, time::Duration};

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds = env::var("SECONDS").map_or(600, |text| text.parse().expect("SECONDS is a whole number"));
    let time = Duration::from_secs(seconds);
    let is_explained = match env::args().nth(1).as_deref() {
        Some("cluster") => cluster::run(time).await,
        None => single::run(time).await,
        Some(other) => panic!("{other:?} is no soak: there are `cluster` and the one without an argument"),
    };
    if is_explained {
        println!("soak: everything is accounted for");
        return ExitCode::SUCCESS;
    }
    println!("soak: FAILED");
    ExitCode::FAILURE
}
