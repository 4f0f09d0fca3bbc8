//! Connections that can be cut or silenced: what a node takes for its cluster's Redis.

use std::sync::Arc;

use tokio::{
    io::{copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes bytes on to a port of this machine as long as it is not cut.
pub struct Relay {
    pub port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    silenced: Arc<watch::Sender<()>>,
}

impl Relay {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (is_cut, silenced) = <(Arc<watch::Sender<bool>>, Arc<watch::Sender<()>>)>::default();
        tokio::spawn(accept(listener, port, Arc::clone(&is_cut), Arc::clone(&silenced)));
        Self { port: own, is_cut, silenced }
    }

    /// Ends what is open, and everything new at once.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }

    /// From now on what is open passes nothing on, and neither side hears of an end.
    pub fn silence(&self) {
        self.silenced.send_replace(());
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    silenced: Arc<watch::Sender<()>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(pass_on(stream, port, is_cut.subscribe(), silenced.subscribe()));
    }
}

async fn pass_on(
    mut from: TcpStream,
    port: u16,
    mut is_cut: watch::Receiver<bool>,
    mut silenced: watch::Receiver<()>,
) {
    if *is_cut.borrow() {
        return;
    }
    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let is_silenced = tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => false,
        // Also a cut that was mended at once.
        _ = is_cut.changed() => false,
        _ = silenced.changed() => true,
    };
    if is_silenced {
        let _ = copy(&mut from, &mut sink()).await;
    }
}
