//! SIGUSR2 and `--replace`: the gateway starts its program anew and hands over to it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use scf_websocket_gateway::{
    Running,
    hand_over::{
        self, Control, HandOverError, HandOverRequest, Predecessor, PrivateAddress, Relay, Sockets,
        Successor, notify,
    },
};
use tokio::signal::unix::Signal;

/// What the control socket is for, when the sockets are handed over.
const CONTROL: &str = "control";

/// What this process needs to hand over, and to be told to.
pub struct Replacing {
    program: PathBuf,
    /// Not in a cluster, where the two processes are two nodes.
    relay: Option<(Arc<Relay>, PrivateAddress)>,
    control: Option<Control>,
    signal: Signal,
}

impl Replacing {
    /// At the start, when the program's path still names what runs. The control socket may be among those of the process
    /// before this one.
    pub async fn prepare(
        (file, program): (&Path, PathBuf),
        alone: bool,
        sockets: &mut Sockets,
        signal: Signal,
    ) -> Result<Self, String> {
        let relay = if alone {
            let relay = Arc::new(Relay::default());
            let address = relay.open_private_address().await;
            Some((relay, address.map_err(|error| format!("cannot listen on the loopback address: {error}"))?))
        } else {
            None
        };
        let control = Control::listen(file, sockets.take(CONTROL));
        // As where two gateways run with one file.
        let control =
            control.inspect_err(|error| log::debug!("--replace does not reach this gateway: {error}")).ok();
        Ok(Self { program, relay, control, signal })
    }

    pub fn relay(&self) -> Option<&Arc<Relay>> {
        self.relay.as_ref().map(|(relay, _)| relay)
    }

    fn private_url(&self) -> Option<&str> {
        self.relay.as_ref().map(|(_, address)| address.url.as_str())
    }

    /// Before this process accepts clients: from now on either one passes on what is the other one's.
    pub fn meet(&self, predecessor: &Predecessor) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the process that this one takes over from is not to be talked to: {error}")
        };
        if let Some((relay, _)) = &self.relay {
            relay.set_other(predecessor.peer()).map_err(|error| failed(&error))?;
        }
        predecessor.starting(self.private_url()).map_err(|error| failed(&error))
    }

    /// This process accepts clients.
    pub fn take_over(&self, predecessor: Predecessor) {
        let relay = self.relay().cloned();
        tokio::spawn(async move {
            match predecessor.ready().await {
                Ok(()) => log::info!("the process before this one has ended"),
                Err(error) => log::info!("the process before this one has ended: {error}"),
            }
            let _ = relay.map(|relay| relay.set_other(None));
        });
    }

    /// Waits until a hand-over is asked for. Cancel safe.
    pub async fn asked(&mut self) -> Option<HandOverRequest> {
        let control = async {
            match &self.control {
                Some(control) => control.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.signal.recv() => None,
            request = control => Some(request),
        }
    }

    /// Starts the new process, and returns its id once it accepts clients. What else is returned is kept until this one
    /// ends.
    pub async fn start(&self, running: &Running) -> Result<(u32, impl Send + use<>), HandOverError> {
        if self.relay().is_some_and(|relay| relay.has_other()) {
            return Err(HandOverError::TooEarly);
        }
        let mut sockets = running.sockets().try_clone().map_err(HandOverError::Stream)?;
        if let Some(control) = &self.control {
            sockets.add(CONTROL, control).map_err(HandOverError::Stream)?;
        }
        let args: Vec<OsString> =
            std::env::args_os().skip(1).filter(|argument| argument != hand_over::FLAG).collect();
        let peer = self.private_url().map(str::to_owned);
        let set_other = |address: Option<&str>| {
            if let Some(relay) = self.relay()
                && let Err(error) = relay.set_other(address)
            {
                log::warn!("pushes for clients of the new process are not passed on to it: {error}");
            }
        };
        let mut successor = Successor::start(&self.program, &args, &sockets, peer)?;
        let pid = successor.ready(set_other).await.inspect_err(|_| set_other(None))?;
        notify(&format!("MAINPID={pid}"));
        Ok((pid, successor.release()))
    }
}
