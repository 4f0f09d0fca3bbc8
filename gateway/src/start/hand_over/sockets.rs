//! Listening sockets that go from one process to another.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
    sendmsg,
};

use crate::start::system::RECEIVED_CLOSE_ON_EXEC;

/// More than there are.
const MAX_SOCKETS: usize = 8;
/// What is said together with them is far shorter.
const MAX_TEXT_BYTES: usize = 4096;

/// Listening sockets by what they are for.
#[derive(Debug, Default)]
pub struct Sockets(BTreeMap<String, OwnedFd>);

impl Sockets {
    pub(super) fn of(names: Vec<String>, sockets: Vec<OwnedFd>) -> io::Result<Self> {
        if names.len() != sockets.len() {
            let sentence = format!("{} sockets came for {} names", sockets.len(), names.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
        }
        Ok(Self(names.into_iter().zip(sockets).collect()))
    }

    /// Adds another handle of a socket.
    pub fn add(&mut self, name: &str, socket: &impl AsFd) -> io::Result<()> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        self.0.insert(name.to_owned(), handle);
        Ok(())
    }

    /// Other handles of all of them.
    pub fn try_clone(&self) -> io::Result<Self> {
        let mut clone = Self::default();
        for (name, socket) in &self.0 {
            clone.add(name, socket)?;
        }
        Ok(clone)
    }

    /// Takes the one of this name out.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        self.0.remove(name)
    }

    /// Takes the one of this name out if it listens on this address. Port 0 stands for whichever it has.
    pub(crate) fn take_listener(&mut self, name: &str, addr: SocketAddr) -> Option<TcpListener> {
        let listener = TcpListener::from(self.0.remove(name)?);
        let listens_on = listener.local_addr().ok()?;
        let same_port = addr.port() == 0 || addr.port() == listens_on.port();
        (same_port && addr.ip() == listens_on.ip()).then_some(listener)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Sends them with a text.
    pub(super) fn send(&self, stream: &UnixStream, text: &[u8]) -> io::Result<()> {
        let sockets: Vec<BorrowedFd<'_>> = self.0.values().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(io::Error::other(format!("more than {MAX_SOCKETS} sockets")));
        }
        // A text this short is sent as a whole.
        sendmsg(stream, &[IoSlice::new(text)], &mut control, SendFlags::empty())?;
        Ok(())
    }
}

/// What was sent: the text, and the sockets in their order.
pub(super) fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut text = vec![0; MAX_TEXT_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut text)], &mut control, RECEIVED_CLOSE_ON_EXEC)?;
    let sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let sockets = sockets.flatten().collect();
    text.truncate(received.bytes);
    Ok((text, sockets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_arrives_under_its_name_and_listens_on() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let mut sockets = Sockets::default();
        sockets.add("clients", &listener).expect("another handle");
        drop(listener);
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        sockets.send(&ours, b"text\n").expect("sent");
        drop(sockets);
        let (text, received) = receive(&theirs).expect("received");
        assert_eq!(text, b"text\n");
        let mut received = Sockets::of(vec!["clients".to_owned()], received).expect("one of each");
        let listener = received.take_listener("clients", addr).expect("the socket");
        std::net::TcpStream::connect(addr).expect("it listens");
        listener.accept().expect("the connection");
        assert!(received.take_listener("clients", addr).is_none());
    }

    #[test]
    fn a_socket_of_another_address_is_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = |addr: &str| {
            let mut sockets = Sockets::default();
            sockets.add("clients", &listener).expect("another handle");
            sockets.take_listener("clients", addr.parse().expect("an address")).is_some()
        };
        assert!(taken("127.0.0.1:0"));
        assert!(!taken("127.0.0.1:1"));
        assert!(!taken("127.0.0.2:0"));
        assert!(Sockets::of(vec!["clients".to_owned()], Vec::new()).is_err());
    }
}
