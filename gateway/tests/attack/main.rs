//! Attacks from one address, and what a client at another one feels of them.
//!
//! For each attack a gateway is started, with few files and the default limits but for connections. The echo of a client
//! is measured before and during the attack, which another process makes: this program once more. Prints a row for each
//! attack, and ends with 1 if another client suffers more than it may.
//!
//! `GATEWAY` and `BOOTSTRAP` name the programs, `ATTACK` one of the attacks.

mod attacks;
mod client;
mod functions;
mod raw;
mod seen;

use std::{
    env,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use scf_websocket_test_harness::{FromFile, Gateway, bootstrap_program, from_file};

use self::{
    attacks::{ATTACKS, Attack, Target},
    client::Echoes,
    functions::Functions,
    seen::{Seen, Watch},
};

const BEFORE: Duration = Duration::from_secs(1);
/// The attack takes hold before the echoes count.
const ONSET: Duration = Duration::from_millis(500);
const DURING: Duration = Duration::from_secs(3);

/// How many times as long as before an echo may take, as the median.
const SLOWER: u32 = 10;
/// Below this an echo is quick whatever it was before: a busy machine adds as much.
const QUICK: Duration = Duration::from_millis(10);

/// What attackers and clients have to share.
const OPEN_FILES: u32 = 1024;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, name, clients, push] = &arguments[..] {
        let target = Target::parse(clients, push);
        attacks::named(name).run(target).await;
        return ExitCode::SUCCESS;
    }
    let only = env::var("ATTACK").ok().filter(|name| !name.is_empty());
    let functions = Functions::start().await;
    println!("{}", Seen::head());
    let mut failed = Vec::new();
    for attack in ATTACKS.iter().filter(|attack| only.as_deref().is_none_or(|only| only == attack.name)) {
        let seen = measured(attack, &functions).await;
        let problems = seen.problems(attack);
        println!("{}", seen.row(attack));
        failed.extend(problems.iter().map(|problem| format!("{}: {problem}", attack.name)));
    }
    if failed.is_empty() {
        println!("attack: every other client went on");
        return ExitCode::SUCCESS;
    }
    println!("attack: FAILED\n{}", failed.join("\n"));
    ExitCode::FAILURE
}

async fn measured(attack: &Attack, functions: &Functions) -> Seen {
    let gateway = configured(functions).open_files(OPEN_FILES, OPEN_FILES).start();
    functions.push_to(&gateway.push);
    let watch = Watch::start(&gateway);
    let mut client = client::connect(&gateway).await.expect("a client connects before the attack");
    let before = Echoes::of(&mut client, BEFORE).await;
    let mut attacker = attacker(attack, &gateway);
    tokio::time::sleep(ONSET).await;
    let (during, handshakes) =
        tokio::join!(Echoes::of(&mut client, DURING), client::handshakes(&gateway, DURING));
    let _ = attacker.kill();
    let _ = attacker.wait();
    watch.end(&gateway, before, during, handshakes).await
}

fn attacker(attack: &Attack, gateway: &Gateway) -> std::process::Child {
    let push = gateway.push.trim_start_matches("http://").split('/').next().expect("an address");
    // An attacker has processors of its own; here it takes what the gateway and the other clients leave.
    Command::new("nice")
        .arg(env::current_exe().expect("this program"))
        .args([attack.name, gateway.addr(), push])
        .stdin(Stdio::null())
        .spawn()
        .expect("this program runs again")
}

/// The defaults, with an API for each kind of function.
fn configured(functions: &Functions) -> FromFile {
    let (http, bootstrap) = (functions.addr, bootstrap_program());
    let api = |path: &str, functions: [String; 3]| {
        let [register, transfer, cleanup] = functions;
        format!(
            "[[api]]\npath = \"{path}\"\nregister = \"{register}\"\ntransfer = \"{transfer}\"\n\
             cleanup = \"{cleanup}\"\n"
        )
    };
    let elsewhere = |prefix: &str| {
        ["register", "transfer", "cleanup"].map(|role| format!("http://{http}{prefix}/{role}"))
    };
    let processes = |program: &str| [(); 3].map(|()| format!("process:{program}"));
    from_file(&format!(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [limits]\nconnections = 400\nconnections_per_ip = 200\n{}{}{}[api.env]\nMISBEHAVE = \"quotes\"\nMISBEHAVE_ROLE = \"transfer\"\n\
         {}[api.env]\nWS_PUSH_TO = \"sender\"\n",
        api("/echo", elsewhere("")),
        api("/failing", elsewhere("/failing")),
        api("/quoting", processes("$RUNTIMES/misbehave.py")),
        api("/bootstrap", processes(&bootstrap.display().to_string())),
    ))
}
