//! Hands a running gateway over to a new process, which may be another version of the program, without a moment in
//! which clients are refused.
//!
//! ```text
//! old: starts the program at its own path ──▶ new, whose standard input is one end of a stream
//! old ── listening sockets, its private push address ──▶ new
//! old ◀── private push address ── new (its file is sound)
//! old ◀── "ready" ── new (it accepts clients)
//! old: accepts nobody any more, closes its clients over `drain_seconds`, ends ── the stream's end ──▶ new
//! ```
//!
//! While both run, each passes pushes for connections that it does not have on to the other ([`Relay`]), so that a
//! function need not know of two. A new process that ends, says nonsense, or does not become ready in time changes
//! nothing: the old one goes on.

mod control;
mod notify;
mod relay;
mod sockets;

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
    path::Path,
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

pub use self::{
    control::{Control, HandOverRequest, ask},
    notify::notify,
    relay::{PrivateAddress, Relay},
    sockets::Sockets,
};

/// The flag with which the new process is started.
pub const FLAG: &str = "--take-over";

/// How long the new process may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the old process may take to send its sockets.
const SOCKETS_TIMEOUT: Duration = Duration::from_secs(10);

/// What the old process says together with the sockets.
#[derive(Debug, Serialize, Deserialize)]
struct HandOverOffer {
    /// What each of the sockets is for, in their order.
    sockets: Vec<String>,
    /// Its private push address; left out in a cluster.
    peer: Option<String>,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandOverReply {
    /// It can be started; with its private push address.
    Starting(Option<String>),
    /// It accepts clients.
    Ready,
}

/// Why a hand-over changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandOverError {
    /// The program cannot be started.
    #[error("the new process cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The stream between the processes fails.
    #[error("the new process cannot be talked to: {0}")]
    Stream(#[source] io::Error),
    /// The new process has ended.
    #[error("the new process has ended with {0}; its lines of the log say why")]
    Ended(String),
    /// The new process did not become ready in time.
    #[error("the new process was not ready after {} s", READY_TIMEOUT.as_secs())]
    TimedOut,
    /// The process before this one still has clients, of which the new one would not know.
    #[error("the process before this one has not ended yet: try again after drain_seconds")]
    TooEarly,
}

/// The new process, as the old one sees it. It lives on when this is dropped, as at the end of the old process.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    stream: BufReader<UnixStream>,
}

impl Successor {
    /// Starts the program and sends it the sockets and this process' private push address.
    pub fn start(
        program: &Path,
        args: &[OsString],
        sockets: &Sockets,
        peer: Option<String>,
    ) -> Result<Self, HandOverError> {
        let (ours, theirs) = StdStream::pair().map_err(HandOverError::Stream)?;
        let child = Command::new(program)
            .args(args)
            .arg(FLAG)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(HandOverError::Start)?;
        let offer = HandOverOffer { sockets: sockets.names(), peer };
        sockets.send(&ours, &line(&offer)).map_err(HandOverError::Stream)?;
        ours.set_nonblocking(true).map_err(HandOverError::Stream)?;
        let stream = UnixStream::from_std(ours).map_err(HandOverError::Stream)?;
        Ok(Self { child, stream: BufReader::new(stream) })
    }

    /// Waits until the new process is ready. Its private push address is given to the closure before it accepts clients.
    pub async fn ready(&mut self, peer: impl FnMut(Option<&str>)) -> Result<u32, HandOverError> {
        let result = match timeout(READY_TIMEOUT, self.answers(peer)).await {
            Ok(result) => result,
            Err(_) => Err(HandOverError::TimedOut),
        };
        if result.is_err() {
            // It may have ended already.
            let _ = self.child.start_kill();
        }
        result
    }

    async fn answers(&mut self, mut peer: impl FnMut(Option<&str>)) -> Result<u32, HandOverError> {
        loop {
            let mut text = String::new();
            // A process that ends before it has read the offer resets the stream.
            if self.stream.read_line(&mut text).await.unwrap_or_default() == 0 {
                let status = self.child.wait().await.map_err(HandOverError::Stream)?;
                return Err(HandOverError::Ended(status.to_string()));
            }
            match serde_json::from_str(&text).map_err(|error| HandOverError::Stream(error.into()))? {
                HandOverReply::Starting(address) => {
                    peer(address.as_deref());
                    // It waits for this before it accepts clients, whose pushes may arrive here.
                    self.stream.write_all(b"\n").await.map_err(HandOverError::Stream)?;
                }
                HandOverReply::Ready => return Ok(self.child.id().unwrap_or_default()),
            }
        }
    }

    /// Lets the new process live on without this one. What is returned is kept until this process ends: its end tells
    /// the new one.
    #[must_use = "dropped, the new process takes this one for ended"]
    pub fn release(self) -> impl Send {
        let Self { mut child, stream } = self;
        tokio::spawn(async move { child.wait().await });
        stream
    }
}

/// The old process, as the new one sees it.
#[derive(Debug)]
pub struct Predecessor {
    stream: StdStream,
    /// The old process' private push address.
    peer: Option<String>,
}

impl Predecessor {
    /// Reads the sockets from standard input.
    pub fn from_stdin() -> io::Result<(Self, Sockets)> {
        let stream = StdStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_read_timeout(Some(SOCKETS_TIMEOUT))?;
        let (text, descriptors) = sockets::receive(&stream)?;
        let offer: HandOverOffer = serde_json::from_slice(&text)?;
        let sockets = Sockets::of(offer.sockets, descriptors)?;
        Ok((Self { stream, peer: offer.peer }, sockets))
    }

    /// Says that this process can be started, and waits until the old one knows its private push address.
    pub fn starting(&self, address: Option<&str>) -> io::Result<()> {
        use io::{Read as _, Write as _};
        (&self.stream).write_all(&line(&HandOverReply::Starting(address.map(str::to_owned))))?;
        (&self.stream).read_exact(&mut [0])
    }

    /// The old process' private push address.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// Says that this process accepts clients, and waits until the old one has ended.
    pub async fn ready(self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(self.stream)?;
        stream.write_all(&line(&HandOverReply::Ready)).await?;
        // It has nothing more to say: what comes is the end.
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.map(drop)
    }
}

fn line(message: &impl Serialize) -> Vec<u8> {
    // Texts always have a JSON form.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}
