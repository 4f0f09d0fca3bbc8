//! One instance: the processes of a web function, in a root of their own.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpStream, time::sleep};

use super::{Deployed, History, Rules, SECRETS};
use crate::{Relay, ReservedPort, SOON, processes};

const NEWEST_BYTES: u64 = 64 * 1024;

/// How an instance is kept apart from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// An empty root, read-only but for `/tmp`, by a mount namespace.
    ReadOnlyRoot,
    /// No root of its own, because this machine does not allow mount namespaces.
    None,
}

pub(super) struct Instance {
    pub(super) address: String,
    pub(super) isolation: Isolation,
    /// To the servers outside, with the variable of each: what is open is dead after a freeze.
    relays: Vec<(&'static str, Relay)>,
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    gateway: Child,
    load: usize,
    history: History,
}

/// Sets up the root and becomes `scf_bootstrap`: ROOT, then what is to be run in it.
const IN_A_ROOT: &str = r#"
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t tmpfs -o size=512m,mode=1777 tmpfs "$root/tmp"
mount --rbind /proc "$root/proc"
for device in null zero random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"#;

impl Instance {
    /// Starts it and waits until it listens.
    pub(super) async fn start(deployed: &Deployed, rules: &Rules, number: usize) -> Self {
        let folder = deployed.folder.join(format!("../instance-{number}"));
        let code = folder.join("root/var/user");
        fs::create_dir_all(&code).expect("the code's folder");
        for file in ["scf_bootstrap", "bootstrap"] {
            // With its mode: a program that is not executable does not start.
            fs::copy(deployed.folder.join(file), code.join(file)).expect("a program of the zip");
        }
        let port = ReservedPort::new().number();
        let settings = fs::read_to_string(deployed.folder.join("gateway.toml")).expect("its settings");
        fs::write(code.join("gateway.toml"), adapted(&settings, port, rules)).expect("its settings");

        let mut relays = Vec::new();
        for (variable, port) in &deployed.redis {
            relays.push((*variable, Relay::to(*port).await));
        }
        let isolation = isolation();
        let mut command = match isolation {
            Isolation::ReadOnlyRoot => in_a_root(&folder.join("root")),
            Isolation::None => Command::new(code.join("scf_bootstrap")),
        };
        let log = File::create(folder.join("log")).expect("a log");
        let gateway = command
            .args(["--trace", "--log-format", "json"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(variables(deployed, &relays))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("scf_bootstrap starts");
        let state = Mutex::new(State { gateway, load: 0, history: History::default() });
        let instance = Self { address: format!("127.0.0.1:{port}"), isolation, relays, folder, state };
        instance.listens().await;
        instance
    }

    async fn listens(&self) {
        let begun = Instant::now();
        while TcpStream::connect(&self.address).await.is_err() {
            assert!(begun.elapsed() < SOON, "the instance does not listen:\n{}", self.log());
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(super) fn newest_lines(&self) -> String {
        let mut newest = Vec::new();
        let read = File::open(self.folder.join("log")).and_then(|mut log| {
            let bytes = log.metadata()?.len();
            log.seek(SeekFrom::Start(bytes.saturating_sub(NEWEST_BYTES)))?;
            log.read_to_end(&mut newest)
        });
        read.map(|_| String::from_utf8_lossy(&newest).into_owned()).unwrap_or_default()
    }

    pub(super) fn load(&self) -> usize {
        self.state().load
    }

    pub(super) fn history(&self) -> History {
        self.state().history.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// An invocation begins. Whether the instance had to be resumed.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.state();
        state.load += 1;
        let resumed = state.history.is_frozen();
        if resumed {
            state.history.resumed.push(Instant::now());
            self.relays.iter().for_each(|(_, relay)| relay.mend());
            signal(&tree(state.gateway.id()), Signal::CONT);
        }
        resumed
    }

    /// An invocation ends. Whether it was the last one, with which the instance is stopped. Its connections to other
    /// machines are dead from now on: they end every other time, and otherwise nothing is heard of them any more.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state();
        state.load -= 1;
        if state.load > 0 || state.history.dead.is_some() {
            return false;
        }
        // The gateway first, so that it starts nothing meanwhile.
        signal(&[state.gateway.id()], Signal::STOP);
        signal(&tree(state.gateway.id()), Signal::STOP);
        let is_even = state.history.frozen.len().is_multiple_of(2);
        for (_, relay) in &self.relays {
            if is_even { relay.cut() } else { relay.silence() }
        }
        state.history.frozen.push(Instant::now());
        true
    }

    /// Ends it without a word, unless it has been resumed since it was frozen for this time.
    pub(super) fn kill_if_frozen(&self, number: usize) -> bool {
        let mut state = self.state();
        let is_due = state.history.is_frozen() && state.history.frozen.len() == number;
        if is_due {
            state.end();
        }
        is_due
    }

    pub(super) fn kill(&self) {
        self.state().end();
    }
}

impl State {
    fn end(&mut self) {
        if self.history.dead.is_none() {
            self.history.dead = Some(Instant::now());
            signal(&tree(self.gateway.id()), Signal::KILL);
            let _ = self.gateway.wait();
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.end();
    }
}

/// The settings with what this stand-in has instead of the platform: a port for each instance, which there has a network
/// of its own, and its own limits.
fn adapted(settings: &str, port: u16, rules: &Rules) -> String {
    let idle = format!("idle_timeout_seconds = {}", rules.idle.as_secs().saturating_sub(2).max(1));
    let limit = format!("time_limit_seconds = {}", rules.time_limit.as_secs());
    // Other tests, or builds, may need this machine too.
    let patient = format!("{idle}\nfunction_timeout_seconds = 10");
    let replaced = [
        ("listen = \"0.0.0.0:9000\"", format!("listen = \"127.0.0.1:{port}\"")),
        ("time_limit_seconds = 900", limit),
        ("idle_timeout_seconds = 540", patient),
    ];
    replaced.into_iter().fold(settings.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "gateway.toml of the zip no longer contains {from}");
        text.replace(from, &to)
    })
}

fn variables(deployed: &Deployed, relays: &[(&'static str, Relay)]) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = [
        ("SCF_NAMESPACE", "default"),
        ("SCF_FUNCTIONNAME", "ws-web"),
        ("SCF_FUNCTIONVERSION", "$LATEST"),
        ("TENCENTCLOUD_REGION", "ap-guangzhou"),
        ("TENCENTCLOUD_APPID", "1250000000"),
        ("TENCENTCLOUD_UIN", "100000000001"),
        ("TENCENTCLOUD_RUNENV", "SCF"),
        ("TENCENTCLOUD_SECRETID", SECRETS[0]),
        ("TENCENTCLOUD_SECRETKEY", SECRETS[1]),
        ("TENCENTCLOUD_SESSIONTOKEN", SECRETS[2]),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    variables.extend(deployed.variables.iter().cloned());
    let redis =
        |(name, relay): &(&str, Relay)| ((*name).to_owned(), format!("redis://127.0.0.1:{}", relay.port));
    variables.extend(relays.iter().map(redis));
    variables
}

/// Whether this machine lets us mount: as root, or in a user namespace.
fn isolation() -> Isolation {
    let tried = Command::new("unshare").args(namespaces()).arg("true").stderr(Stdio::null()).status();
    if tried.is_ok_and(|status| status.success()) { Isolation::ReadOnlyRoot } else { Isolation::None }
}

fn namespaces() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    }
}

fn in_a_root(root: &Path) -> Command {
    for folder in ["tmp", "proc", "dev"] {
        fs::create_dir_all(root.join(folder)).expect("a folder of the root");
    }
    for device in ["null", "zero", "random", "urandom"] {
        File::create(root.join("dev").join(device)).expect("a place for a device");
    }
    let mut command = Command::new("unshare");
    command.args(namespaces()).args(["sh", "-c", IN_A_ROOT, "sh"]).arg(root).arg("/var/user/scf_bootstrap");
    command
}

/// A process and all that it has started, from the top.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(processes(|stat| stat.parent == parent && !stat.zombie));
        next += 1;
    }
    found
}

/// Processes may end meanwhile.
fn signal(pids: &[u32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
        let _ = kill_process(pid, signal);
    }
}
