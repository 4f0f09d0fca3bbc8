//! Functions elsewhere, as a gateway finds them: an HTTP server that answers on demand, and a stand-in for the cloud
//! API, over TLS with a certificate of the test's own authority.

pub mod certificates;
pub mod cloud;
pub mod function;
pub mod sdk;
pub mod server;

use std::future::Future;

use tokio::time::timeout;

use crate::SOON;

/// What the future comes to, soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.unwrap_or_else(|_| panic!("not within {} s: {what}", SOON.as_secs()))
}
