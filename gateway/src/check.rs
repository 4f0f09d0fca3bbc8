//! `--check`: says what is wrong with a file, and whether its functions can be called. Starts nothing.

use std::{path::Path, process::ExitCode};

use scf_websocket_gateway::{
    config::{Config, Environment, warnings},
    configured::{
        self, Backends, Summary,
        online::{self, Checked},
    },
};

/// The file, or what is wrong with it, has this exit status.
pub const WRONG: u8 = 2;

/// Ends with 2 if the file is wrong, and with 1 if a function cannot be called.
pub fn check(file: &Path, online: bool) -> ExitCode {
    let config = match Config::load(file, &Environment::of_process()) {
        Ok(config) => config,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::from(WRONG);
        }
    };
    println!("{}: no errors", file.display());
    print!("{}", Summary(&config));
    for warning in warnings::of(&config) {
        println!("warning: {warning}");
    }
    let backends = Backends::new();
    // What the environment lacks here it may have where the gateway runs.
    if let Err(error) = configured::builder(&config, &backends) {
        println!("warning: {error}");
    }
    if online { ask(&config, &backends) } else { ExitCode::SUCCESS }
}

fn ask(config: &Config, backends: &Backends) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the worker threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all = true;
    let mut show = |what: &str, result: &Result<String, String>| {
        let (verdict, sentence) = match result {
            Ok(sentence) => ("ok", sentence),
            Err(sentence) => ("FAILED", sentence),
        };
        all &= result.is_ok();
        println!("{verdict:6} {what}: {sentence}");
    };
    if let Some(result) = runtime.block_on(online::check_cluster(config)) {
        show("cluster", &result);
    }
    for Checked { api, role, result, .. } in runtime.block_on(online::check(config, backends)) {
        show(&format!("{api} {role}"), &result);
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
