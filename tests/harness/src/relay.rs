//! Connections that can be cut: what a node takes for its cluster's Redis.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes bytes on to a port of this machine as long as it is not cut.
pub struct Relay {
    pub port: u16,
    is_cut: Arc<watch::Sender<bool>>,
}

impl Relay {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let is_cut = Arc::new(watch::Sender::new(false));
        tokio::spawn(accept(listener, port, Arc::clone(&is_cut)));
        Self { port: own, is_cut }
    }

    /// Ends what is open, and everything new at once.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, port: u16, is_cut: Arc<watch::Sender<bool>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(pass_on(stream, port, is_cut.subscribe()));
    }
}

async fn pass_on(mut from: TcpStream, port: u16, mut is_cut: watch::Receiver<bool>) {
    if *is_cut.borrow() {
        return;
    }
    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
    }
}
