//! The limits of an event: its length, and how deep it may be nested.

/// Events and answers are at most this many bytes (SCF's limit of 6 MB).
pub(crate) const MAX_BYTES: usize = 6 * 1024 * 1024;

/// The deepest nesting of an event; what `serde_json` and most other parsers allow.
pub(super) const MAX_DEPTH: usize = 128;

/// Whether more than [`MAX_DEPTH`] of `[` and `{` outside strings are open at once.
///
/// `serde_json` skips unread values without recursion and would accept any depth, but the reader of the answer would not.
pub(super) fn is_nested_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}
