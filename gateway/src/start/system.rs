//! What only Linux has. The gateway also compiles on macOS, on which people develop, and does without it: there is no
//! hand-over, and functions' processes keep the gateway's own limit of open files.

use std::{io, os::unix::net::SocketAddr};

use rustix::{
    net::RecvFlags,
    process::{Pid, Rlimit},
};

pub(super) use self::here::{RECEIVED_CLOSE_ON_EXEC, limit_open_files, socket_without_file};

#[cfg(target_os = "linux")]
mod here {
    use std::os::linux::net::SocketAddrExt as _;

    use rustix::process::{Resource, prlimit};

    use super::{Pid, RecvFlags, Rlimit, SocketAddr, io};

    /// Received descriptors are closed in the processes that this one starts.
    pub(in crate::start) const RECEIVED_CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;

    /// Sets how many files another process may have open.
    pub(in crate::start) fn limit_open_files(pid: Pid, limit: Rlimit) -> io::Result<()> {
        prlimit(Some(pid), Resource::Nofile, limit)?;
        Ok(())
    }

    /// The address of a Unix socket that has a name and no file.
    pub(in crate::start) fn socket_without_file(name: &str) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(name)
    }
}

#[cfg(not(target_os = "linux"))]
mod here {
    use super::{Pid, RecvFlags, Rlimit, SocketAddr, io};

    pub(in crate::start) const RECEIVED_CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

    pub(in crate::start) fn limit_open_files(_: Pid, _: Rlimit) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::start) fn socket_without_file(_: &str) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
