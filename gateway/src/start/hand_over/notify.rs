//! Tells systemd how the gateway is, for a unit of `Type=notify`.

use std::{
    env, io,
    os::unix::net::{SocketAddr, UnixDatagram},
};

use log::debug;

use crate::start::system::socket_without_file;

/// Says this, such as `READY=1`, if somebody wants to know.
pub fn notify(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").and_then(|name| name.into_string().ok()) else { return };
    if let Err(error) = send(&name, state) {
        debug!("systemd was not notified of {state}: {error}");
    }
}

fn send(name: &str, state: &str) -> io::Result<()> {
    let addr = match name.strip_prefix('@') {
        Some(name) => socket_without_file(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &addr).map(drop)
}
