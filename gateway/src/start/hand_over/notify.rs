//! Tells systemd how the gateway is, for a unit of `Type=notify`.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

use log::debug;

/// Says this, such as `READY=1`, if somebody wants to know.
pub fn notify(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").and_then(|name| name.into_string().ok()) else { return };
    if let Err(error) = send(&name, state) {
        debug!("systemd was not notified of {state}: {error}");
    }
}

fn send(name: &str, state: &str) -> io::Result<()> {
    let addr = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &addr).map(drop)
}
