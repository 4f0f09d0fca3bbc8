//! What the soak calls a gateway's process is an instance here.

/// An instance, by its number in the order of the starts.
pub type RunId = usize;
