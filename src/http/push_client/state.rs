//! What the client and the transport under `ureq` tell each other about the current call.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shared by `PushClient`, which sets the deadline, and the transport under `ureq`, which reports progress.
pub(super) struct SharedState(Mutex<Call>);

#[derive(Clone, Copy, Default)]
pub(super) struct Call {
    /// None before the first call.
    pub(super) deadline: Option<Instant>,
    /// Until when a new connection may take to be made.
    pub(super) connect_deadline: Option<Instant>,
    /// Whether the call has a connection of its own.
    pub(super) connected: bool,
    /// Whether the call uses a connection that an earlier call left open.
    pub(super) on_kept_connection: bool,
    /// Whether a byte of the answer has arrived.
    pub(super) answered: bool,
}

impl SharedState {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Call::default()))
    }

    pub(super) fn call(&self) -> MutexGuard<'_, Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").finish_non_exhaustive()
    }
}
