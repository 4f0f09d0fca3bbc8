//! The subjects: the gateway, its peers and the floor.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::processes::Processes;
use super::server::{Purpose, Server, start_printing_address};
use super::{nchan, own, pushpin};
use crate::Result;
use crate::subject::runs;

pub struct Subject {
    pub name: String,
    pub kind: Kind,
    /// Why it cannot be measured here.
    pub missing: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Gateway(PathBuf),
    Nchan,
    Pushpin,
    Floor,
}

/// These builds of the gateway, and the others.
pub fn builds(files: &[&str]) -> Result<Vec<Subject>> {
    let mut subjects: Vec<Subject> = files
        .iter()
        .map(|file| Subject { name: format!("`{file}`"), kind: Kind::Gateway(file.into()), missing: None })
        .collect();
    subjects.extend(all()?.into_iter().filter(|subject| !subject.kind.is_ours()));
    Ok(subjects)
}

/// The packaged gateway is the first, the floor the last.
pub fn all() -> Result<Vec<Subject>> {
    let packaged = PathBuf::from("target/package/gateway");
    if !packaged.exists() {
        return Err("target/package/gateway: not built; run `make gateway`".into());
    }
    let no_nchan = (!Path::new(nchan::MODULE).exists() || !runs("nginx", &["-v"]))
        .then_some("nginx or libnginx-mod-nchan is not installed");
    let no_pushpin = (!runs("pushpin", &["--version"]) || !runs("zurl", &["--version"]))
        .then_some("pushpin or zurl is not installed");
    Ok(vec![
        Subject { name: "**gateway**".into(), kind: Kind::Gateway(packaged), missing: None },
        Subject { name: "nchan".into(), kind: Kind::Nchan, missing: no_nchan },
        Subject { name: "Pushpin".into(), kind: Kind::Pushpin, missing: no_pushpin },
        Subject { name: "the floor".into(), kind: Kind::Floor, missing: None },
    ])
}

impl Kind {
    /// Whether it can be started for this.
    pub fn serves(&self, purpose: Purpose) -> bool {
        self.is_ours() || purpose != Purpose::EchoOverTls
    }

    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    /// Whether it has a way to send one frame to all clients.
    pub fn fans_out(&self) -> bool {
        *self != Self::Floor
    }

    pub fn start(&self, purpose: Purpose) -> Result<Server> {
        match self {
            Self::Gateway(file) => own::start(file, purpose),
            Self::Nchan => nchan::start(purpose),
            Self::Pushpin => pushpin::start(purpose),
            Self::Floor => floor(),
        }
    }
}

/// Version, configuration, and what it does that the gateway does not.
pub fn about(kind: &Kind) -> String {
    match kind {
        Kind::Gateway(file) => format!("gateway, `{}`: {}.", file.display(), own::CONFIGURED),
        Kind::Nchan => format!(
            "nchan {}, nginx {}: {}. It does what the gateway does not: messages kept and sent again to those who come \
             back, clients of EventSource and long polling, and whatever else nginx serves.",
            debian_version("libnginx-mod-nchan"),
            debian_version("nginx"),
            nchan::CONFIGURED
        ),
        Kind::Pushpin => format!(
            "Pushpin {}, condure {}, zurl {}: {}. It does what the gateway does not: a proxy for every HTTP request, \
             streams and long polling, many channels a connection, messages put back into order.",
            debian_version("pushpin"),
            debian_version("condure"),
            debian_version("zurl"),
            pushpin::CONFIGURED
        ),
        Kind::Floor => {
            "the floor: a WebSocket server on tokio with a small task a connection and one read buffer a \
            thread, which checks nothing, knows no peers and no limits, and returns each frame."
                .to_owned()
        }
    }
}

fn debian_version(package: &str) -> String {
    let version = Command::new("dpkg-query").args(["-W", "-f=${Version}", package]).output();
    version.map_or("?".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn floor() -> Result<Server> {
    let (process, address) = start_printing_address("ws-floor")?;
    Ok(Server {
        address,
        path: "/",
        certificate: None,
        publish: None,
        processes: Processes::one(process),
        _beside: Box::new(()),
    })
}
