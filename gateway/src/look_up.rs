//! Looking up host names, each at most once at a time.
//!
//! The system's resolver knows no deadline, so that a look-up takes a thread for as long as the name server does not
//! answer. Whoever asks for a name meanwhile waits for the same look-up.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use hyper_util::client::legacy::connect::dns::Name;
use parking_lot::Mutex;
use tokio::net::lookup_host;
use tower_service::Service;

/// Clones share their look-ups.
#[derive(Debug, Clone, Default)]
pub(crate) struct LookUps(Arc<Mutex<HashMap<String, LookUp>>>);

type LookUp = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, Arc<io::Error>>>>;

impl LookUps {
    /// The addresses of a host, with port 0.
    pub(crate) async fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let look_up =
            self.0.lock().entry(host.to_owned()).or_insert_with(|| self.begun(host.to_owned())).clone();
        look_up.await.map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// A task of its own, since those who wait may give up.
    fn begun(&self, host: String) -> LookUp {
        let pending = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let found = lookup_host((host.as_str(), 0)).await.map(Iterator::collect);
            pending.lock().remove(&host);
            found
        });
        task.map(|found| found.map_err(io::Error::other).flatten().map_err(Arc::new)).boxed().shared()
    }
}

impl Service<Name> for LookUps {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let look_ups = self.clone();
        async move { look_ups.addresses(name.as_str()).await.map(Vec::into_iter) }.boxed()
    }
}
