//! Where `--replace` finds the gateway that runs with the same file: a Unix socket without a file, whose name is made of
//! the configuration file's. Only the gateway's user and root may connect.

use std::{
    fs,
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream},
    },
    path::Path,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::start::system::socket_without_file;

/// Longer than a new process may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The socket, on the side of the gateway that runs.
#[derive(Debug)]
pub struct Control(UnixListener);

/// A request for a hand-over, whose caller waits for the answer.
#[derive(Debug)]
pub struct HandOverRequest(UnixStream);

impl Control {
    /// Listens, or goes on with the socket of the process before this one.
    pub fn listen(file: &Path, inherited: Option<OwnedFd>) -> io::Result<Self> {
        let listener = match inherited {
            Some(socket) => StdListener::from(socket),
            None => StdListener::bind_addr(&address(file)?)?,
        };
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Self)
    }

    /// Waits for the next request from a permitted user. Cancel safe.
    pub async fn next(&self) -> HandOverRequest {
        loop {
            let Ok((stream, _)) = self.0.accept().await else {
                tokio::time::sleep(WRITE_TIMEOUT).await;
                continue;
            };
            let own = rustix::process::geteuid().as_raw();
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
                return HandOverRequest(stream);
            }
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl HandOverRequest {
    /// Answers with the result; a caller that has given up is ignored.
    pub async fn answer(mut self, result: Result<&str, &str>) {
        let text = match result {
            Ok(sentence) => format!("ok {sentence}"),
            Err(sentence) => format!("failed {sentence}"),
        };
        let _ = timeout(WRITE_TIMEOUT, self.0.write_all(text.as_bytes())).await;
    }
}

/// Asks the gateway that runs with this file for a hand-over, and waits until it is done. Returns a sentence in both cases.
pub fn ask(file: &Path) -> Result<String, String> {
    let connected = address(file).and_then(|address| StdStream::connect_addr(&address));
    let mut stream = connected
        .map_err(|error| format!("no gateway that runs with {} can be reached: {error}", file.display()))?;
    let mut text = String::new();
    let read = stream.set_read_timeout(Some(ANSWER_TIMEOUT)).and_then(|()| stream.read_to_string(&mut text));
    match (read, text.split_once(' ')) {
        (Ok(_), Some(("ok", sentence))) => Ok(sentence.to_owned()),
        (Ok(_), Some((_, sentence))) => Err(sentence.to_owned()),
        (Ok(_), None) => Err("the gateway refused to answer: run this as root or as its user".to_owned()),
        (Err(error), _) => Err(format!("the gateway did not answer: {error}")),
    }
}

fn address(file: &Path) -> io::Result<SocketAddr> {
    let file = fs::canonicalize(file)?;
    socket_without_file(&format!("scf-websocket-gateway/{}", file.display()))
}
