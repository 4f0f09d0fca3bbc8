//! A gateway as a process that a configuration file describes.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    Gateway,
    api::{launch, new_folder},
    gateway::Host,
    gateway_program,
};

/// A gateway about to be started with a file.
#[must_use = "a gateway runs once it is started"]
pub struct FromFile {
    command: Command,
    folder: PathBuf,
    push_token: Option<String>,
}

/// A gateway with this file. In it `$FOLDER` stands for the test's folder, and `$RUNTIMES` for that of its runtimes.
pub fn from_file(text: &str) -> FromFile {
    let folder = new_folder();
    write(&folder, text);
    let mut command = Command::new(gateway_program());
    command.arg("--config").arg(folder.join("gateway.toml"));
    let path = env::var("PATH").unwrap_or_default();
    command.env_clear().env("PATH", format!("/usr/bin:/bin:{path}")).env("HOME", &folder);
    FromFile { command, folder, push_token: push_token(text) }
}

impl FromFile {
    /// A variable of the gateway's own environment.
    pub fn own_env(mut self, name: &str, value: &str) -> Self {
        if name == "GATEWAY_PUSH_TOKEN" {
            self.push_token = Some(value.to_owned());
        }
        self.command.env(name, value);
        self
    }

    /// Further arguments of the gateway.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Starts it with these limits on open files.
    pub fn open_files(mut self, soft: u32, hard: u32) -> Self {
        let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        shell.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = shell;
        self
    }

    /// Starts the gateway and waits for its addresses. It does not say the token in the push address.
    pub fn start(self) -> Gateway {
        let log = File::create(self.folder.join("log")).expect("a log file");
        let mut gateway = launch(self.command, log.into(), self.folder);
        if let Some(token) = self.push_token {
            let base = gateway.push.strip_suffix("…").expect("the token is not said");
            gateway.push = format!("{base}{token}");
        }
        gateway
    }

    /// Runs the gateway to its end.
    pub fn output(mut self) -> Output {
        let output = self.command.output().expect("the gateway runs");
        let _ = fs::remove_dir_all(&self.folder);
        output
    }
}

impl Gateway {
    /// The file that the gateway was started with.
    pub fn file(&self) -> PathBuf {
        let Host::Process { folder, .. } = &self.host else { panic!("a gateway in process has no file") };
        folder.join("gateway.toml")
    }

    /// Replaces the file that the gateway was started with; [`Gateway::signal`] with `HUP` makes it read it.
    pub fn rewrite(&self, text: &str) {
        let Host::Process { folder, .. } = &self.host else { panic!("a gateway in process has no file") };
        write(folder, text);
    }
}

fn push_token(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("push_token = \""));
    value.and_then(|value| value.strip_suffix('"')).map(str::to_owned)
}

fn write(folder: &Path, text: &str) {
    let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gateway/tests/runtimes");
    let text = text
        .replace("$FOLDER", &folder.display().to_string())
        .replace("$RUNTIMES", &runtimes.display().to_string());
    fs::write(folder.join("gateway.toml"), text).expect("a file in the test's folder");
}
