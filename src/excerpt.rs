//! As much of a foreign text as fits a line of the log.

const MAX_BYTES: usize = 256;

/// The beginning of the text; most texts are all there.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}
