//! A WebSocket API whose functions are processes, behind the gateway as a process.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use crate::{
    Gateway, SOON,
    gateway::Host,
    programs::{built_gateway, example, gateway_program},
};

/// An API about to be started.
#[must_use = "a gateway runs once it is started"]
pub struct Api {
    command: Command,
    folder: PathBuf,
    log: Option<Stdio>,
}

/// Functions that do as they are told, see the file.
pub fn echo() -> Api {
    Api::runtime("echo.py")
}

/// Functions that are processes of this file among the tests' runtimes.
pub fn runtime(file: &str) -> Api {
    Api::runtime(file)
}

/// Functions that misbehave in this way, in this role only if one is named.
pub fn misbehaving(way: &str, role: Option<&str>) -> Api {
    let setup = Api::runtime("misbehave.py").env("MISBEHAVE", way);
    match role {
        Some(role) => setup.env("MISBEHAVE_ROLE", role),
        None => setup,
    }
}

/// Limits that functions which misbehave in this way run into, and those that behave do not, even on a busy machine.
pub fn limits(way: &str) -> [&'static str; 4] {
    let (init, time) = match way {
        "never ready" => ("2000", "30000"),
        "answers late" | "never asks" => ("30000", "1000"),
        _ => ("30000", "30000"),
    };
    ["--init-timeout", init, "--timeout", time]
}

/// Functions that are processes of the program that `BOOTSTRAP` names, which the caller wants to try.
pub fn bootstrap() -> Api {
    let path = env::var_os("BOOTSTRAP");
    Api::of(&PathBuf::from(path.expect("BOOTSTRAP names the program to try; `make` builds and names it")))
}

impl Api {
    /// Functions that are processes of this file among the tests' runtimes.
    pub fn runtime(file: &str) -> Self {
        let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gateway/tests/runtimes");
        Self::of(&runtimes.join(file))
    }

    /// Functions that are processes of this example of the library.
    pub fn example(name: &str) -> Self {
        Self::behind(&built_gateway(), &example(name))
    }

    /// Functions that are processes of this program.
    pub fn of(program: &Path) -> Self {
        Self::behind(&gateway_program(), program)
    }

    fn behind(gateway: &Path, program: &Path) -> Self {
        let folder = new_folder();
        let mut command = Command::new(gateway);
        command.arg("--bootstrap").arg(program);
        // A python3 that is no wrapper script, if there is one, starts sooner.
        let path = env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", format!("/usr/bin:/bin:{path}")).env("HOME", &folder);
        let record = format!("RECORD={}", folder.join("record").display());
        command.arg("--env").arg(record);
        Self { command, folder, log: None }
    }

    /// Further arguments of the gateway.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// A variable for the functions.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.arg("--env").arg(format!("{name}={value}"));
        self
    }

    /// A variable of the gateway's own environment.
    pub fn own_env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Where the log goes instead of a file.
    pub fn log_to(mut self, log: Stdio) -> Self {
        self.log = Some(log);
        self
    }

    /// Starts the gateway and waits for its addresses.
    pub fn start(mut self) -> Gateway {
        let log = self
            .log
            .take()
            .unwrap_or_else(|| File::create(self.folder.join("log")).expect("a log file").into());
        if !self.command.get_args().any(|argument| argument == "--listen") {
            self.command.args(["--listen", "127.0.0.1:0"]);
        }
        launch(self.command, log, self.folder)
    }
}

/// Starts the gateway with this log and waits for its addresses.
pub(crate) fn launch(mut command: Command, log: Stdio, folder: PathBuf) -> Gateway {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("the gateway starts");
    let stdout = child.stdout.take().expect("its output is a pipe");
    let mut gateway = Gateway {
        clients: String::new(),
        push: String::new(),
        page: None,
        client_page: None,
        host: Host::Process { child, folder },
    };
    let addresses = first_lines(stdout);
    while gateway.push.is_empty() {
        let Ok(line) = addresses.recv_timeout(SOON * 3) else { panic!("the gateway gave no addresses") };
        for (name, address) in addresses_in(&line) {
            match name.as_str() {
                "page" => gateway.page = Some(address),
                "client" => gateway.client_page = Some(address),
                "clients" => gateway.clients = address,
                "push" => gateway.push = address,
                "admin" | "time" | "level" | "message" => {}
                other => panic!("an unknown address: {other}"),
            }
        }
    }
    gateway
}

/// A name and an address, or an object of them.
fn addresses_in(line: &str) -> Vec<(String, String)> {
    if line.starts_with('{') {
        let object: BTreeMap<String, String> = serde_json::from_str(line).expect("an object of texts");
        return object.into_iter().collect();
    }
    let (name, address) = line.split_once(' ').expect("a name and an address");
    vec![(name.to_owned(), address.trim().to_owned())]
}

/// The lines of an output, read by a thread so that they can be waited for with a bound.
fn first_lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A folder of the test's own.
pub(crate) fn new_folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("gateway-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}
