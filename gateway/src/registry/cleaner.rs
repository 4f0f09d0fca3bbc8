//! Who calls cleanup functions: the seam between a registry, which knows what a connection is due, and the functions.

use futures_util::future::BoxFuture;

use super::record::ConnectionRecord;

/// Calls cleanup functions.
pub trait Cleaner: Send + Sync {
    /// Calls the cleanup function of the API that registered the connection. The reason is there if its node is lost.
    fn clean<'a>(
        &'a self,
        connection: &'a str,
        record: &'a ConnectionRecord,
        reason: Option<&'static str>,
    ) -> BoxFuture<'a, Cleaned>;
}

/// What has become of a cleanup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleaned {
    /// It was called.
    Done,
    /// The function was called and failed, which is logged. It is not called again.
    Failed,
    /// The function could not be called, or did not answer in time.
    Postponed,
    /// This node has no such API.
    NoApi,
}

impl Cleaned {
    /// Whether it is not to be called again.
    #[must_use]
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}
