//! The subjects of measurement: the floor, the bootstrap and the peers, or why one is unavailable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::function::Launch;
use crate::runtime_api::Dialect;

pub const BOOTSTRAP: &str = "target/package/bootstrap";
pub const ZIP: &str = "bootstrap.zip";
const PEERS: &str = "benches/peers";

pub struct Subject {
    pub name: String,
    pub dialect: Dialect,
    pub launch: Result<Launch, Missing>,
    pub speed: Speed,
}

/// Why a subject is unavailable.
pub struct Missing(pub String);

/// The order of magnitude of a cycle in microseconds, which determines the invocations per round.
#[derive(Clone, Copy)]
pub enum Speed {
    Tens,
    Hundreds,
    Thousands,
    TensOfThousands,
}

impl Speed {
    pub fn invocations(self) -> usize {
        match self {
            Self::Tens => 1_500,
            Self::Hundreds => 1_000,
            Self::Thousands => 200,
            Self::TensOfThousands => 20,
        }
    }
}

pub fn floor() -> Result<Launch> {
    Ok(Launch::new([staged(&beside_the_bench("floor")?)?]))
}

pub fn bootstrap(role: &str) -> Result<Launch> {
    bootstrap_from(Path::new(BOOTSTRAP), role)
}

/// The bootstrap linked with glibc, like the floor.
pub fn glibc_bootstrap(role: &str) -> Result<Launch> {
    bootstrap_from(&beside_the_bench("bootstrap")?, role)
}

fn bootstrap_from(file: &Path, role: &str) -> Result<Launch> {
    Ok(Launch::new([staged(file)?]).with("WS_ROLE", role))
}

/// Copies a program to run the copy: how much of a file one page fault maps depends on how the file was written,
/// and a linker writes differently from unzip.
fn staged(file: &Path) -> Result<PathBuf> {
    const STAGE: &str = "target/bench";
    let name = file.to_string_lossy().replace('/', "-");
    let copy = Path::new(STAGE).join(name.trim_start_matches('-'));
    fs::create_dir_all(STAGE)?;
    // Removed first, since a running program cannot be overwritten.
    let _ = fs::remove_file(&copy);
    fs::copy(file, &copy).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(copy)
}

pub fn all() -> Result<Vec<Subject>> {
    let scf = |name: &str, speed, launch| Subject { name: name.into(), dialect: Dialect::Scf, launch, speed };
    Ok(vec![
        scf("the floor: raw socket, fixed answer, nothing parsed", Speed::Tens, Ok(floor()?)),
        scf("**bootstrap**", Speed::Tens, Ok(bootstrap("register")?)),
        scf("bootstrap built with glibc", Speed::Tens, Ok(glibc_bootstrap("register")?)),
        scf("`ureq` 3.5 as it comes", Speed::Tens, rust("ureq")),
        scf("`tencent_scf` 0.1.3", Speed::Tens, rust("tencent_scf")),
        Subject {
            name: "`lambda_runtime` 1.5 (AWS's paths)".into(),
            dialect: Dialect::Aws,
            launch: rust("lambda_runtime"),
            speed: Speed::Tens,
        },
        scf("Node.js, keep-alive agent", Speed::Hundreds, node()),
        scf("Python, `requests` session", Speed::Thousands, python()),
        scf("bash, a curl a call", Speed::TensOfThousands, bash()),
    ])
}

/// The floor, and these builds of the bootstrap.
pub fn builds(files: &[&str]) -> Result<Vec<Subject>> {
    let floor =
        Subject { name: "the floor".into(), dialect: Dialect::Scf, launch: Ok(floor()?), speed: Speed::Tens };
    let mut subjects = vec![floor];
    for file in files {
        let launch = Ok(bootstrap_from(Path::new(file), "register")?);
        let name = (*file).to_owned();
        subjects.push(Subject { name, dialect: Dialect::Scf, launch, speed: Speed::Tens });
    }
    Ok(subjects)
}

fn rust(name: &str) -> Result<Launch, Missing> {
    match beside_the_bench(name) {
        Ok(file) if file.exists() => {
            staged(&file).map(|file| Launch::new([file])).map_err(|e| Missing(e.to_string()))
        }
        _ => Err(Missing("it is not built".into())),
    }
}

fn beside_the_bench(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

fn node() -> Result<Launch, Missing> {
    if !runs("node", &["--version"]) {
        return Err(Missing("node is not installed".into()));
    }
    Ok(Launch::new(["node".into(), script("peer.js")]))
}

fn python() -> Result<Launch, Missing> {
    // The first python3 on the path may lack the module that Debian's has.
    for python in ["python3", "/usr/bin/python3"] {
        if let Some(python) = interpreter_path(python) {
            return Ok(Launch::new([python.into(), script("peer.py")]));
        }
    }
    Err(Missing("no python3 with the module requests is installed".into()))
}

/// The path of the interpreter, since a version manager's wrapper would be measured as well.
fn interpreter_path(python: &str) -> Option<String> {
    let output =
        Command::new(python).args(["-c", "import requests, sys; print(sys.executable)"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| path.trim().to_owned())
}

fn bash() -> Result<Launch, Missing> {
    for command in ["bash", "curl"] {
        if !runs(command, &["--version"]) {
            return Err(Missing(format!("{command} is not installed")));
        }
    }
    Ok(Launch::new(["bash".into(), script("peer.sh")]))
}

fn script(name: &str) -> PathBuf {
    Path::new(PEERS).join(name)
}

pub fn runs(command: &str, arguments: &[&str]) -> bool {
    let status = Command::new(command).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
