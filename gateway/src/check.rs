//! `--check`: says what is wrong with a file, and whether its functions can be called. Starts nothing.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use scf_websocket_gateway::{
    config::{Config, Environment, warnings},
    configured::{
        self, Backends, ConfigSummary,
        online::{self, Checked},
    },
};

/// The file, or what is wrong with it, has this exit status.
pub const WRONG: u8 = 2;

/// Ends with 2 if the file is wrong, and with 1 if a function cannot be called.
pub fn check(file: &Path, environment: &Environment, online: bool) -> ExitCode {
    let config = match Config::load(file, environment) {
        Ok(config) => config,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::from(WRONG);
        }
    };
    let mut said = format!("{}: no errors\n{}", file.display(), ConfigSummary(&config));
    let backends = Backends::new();
    // What the environment lacks here it may have where the gateway runs.
    let lacking = configured::builder(&config, &backends).err().map(|error| error.to_string());
    for warning in warnings::of(&config).into_iter().chain(warnings::certificate(&config)).chain(lacking) {
        // A text never fails.
        let _ = writeln!(said, "warning: {warning}");
    }
    say(&said);
    if online { ask(&config, &backends) } else { ExitCode::SUCCESS }
}

/// On standard output, which may be closed, as by `head`.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
        say(&format!("{verdict:6} {what}: {sentence}\n"));
    };
    if let Some(result) = runtime.block_on(online::check_cluster(config)) {
        show("cluster", &result);
    }
    for Checked { api, role, result, .. } in runtime.block_on(online::check(config, backends)) {
        show(&format!("{api} {role}"), &result);
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
