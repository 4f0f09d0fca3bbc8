//! The vendor's Python SDK: it computes the headers that a call must have.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    sync::Mutex,
};

use super::soon;

/// The `python3` that has the SDK. Without it, the reason is printed and the test is to be skipped; where `CI` is set,
/// the test fails.
pub fn python() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/vendor-sdk.sh");
    let why = match Command::new(&script).output() {
        Ok(output) if output.status.success() => {
            return Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let reason = format!("{} could not install the vendor's SDK: {why}", script.display());
    assert!(env::var_os("CI").is_none(), "{reason}");
    // Not by `eprintln!`, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
    None
}

/// A call as it came, and the key that it should be signed with.
pub struct Claim<'a> {
    pub secret_id: &'a str,
    pub secret_key: &'a str,
    pub token: Option<&'a str>,
    pub region: &'a str,
    pub host: &'a str,
    pub action: &'a str,
    pub timestamp: i64,
    pub body: &'a str,
}

/// The SDK at work.
pub struct Signer {
    python: Mutex<Python>,
}

struct Python {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Signer {
    pub fn start(python: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/elsewhere/sign.py");
        let mut child = tokio::process::Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { python: Mutex::new(Python { _child: child, stdin, stdout }) }
    }

    /// The headers that the SDK would send.
    pub async fn headers(&self, claim: &Claim<'_>) -> Value {
        let line = json!({
            "secret_id": claim.secret_id,
            "secret_key": claim.secret_key,
            "token": claim.token,
            "region": claim.region,
            "host": claim.host,
            "action": claim.action,
            "timestamp": claim.timestamp,
            "body": claim.body,
        });
        let mut python = self.python.lock().await;
        let mut answer = String::new();
        python.stdin.write_all(format!("{line}\n").as_bytes()).await.expect("sign.py reads");
        soon("an answer of sign.py", python.stdout.read_line(&mut answer)).await.expect("sign.py answers");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("sign.py said {answer:?}"))
    }
}
