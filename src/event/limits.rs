//! The limits of an event: its length, and how deep it may be nested.

use memchr::memchr2_iter;

/// Events and answers are at most this many bytes (SCF's limit of 6 MB).
pub(crate) const MAX_BYTES: usize = 6 * 1024 * 1024;

/// The deepest nesting of an event; what `serde_json` and most other parsers allow.
pub(super) const MAX_DEPTH: usize = 128;

/// Whether more than [`MAX_DEPTH`] of `[` and `{` outside strings are open at once.
///
/// The parser skips unread values without recursion and would accept any depth, but the reader of the answer would not.
/// Most events contain fewer brackets than the limit, and counting them is cheap. The frame, which makes up most of a
/// long event and may be JSON full of brackets, is a string and is left out.
pub(super) fn is_nested_too_deep(text: &str, frame: Option<&str>) -> bool {
    let (before, after) = around(text, frame);
    if brackets(before).chain(brackets(after)).nth(MAX_DEPTH).is_none() {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in before.bytes().chain(after.bytes()) {
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

/// The text without a part of it.
fn around<'t>(text: &'t str, part: Option<&str>) -> (&'t str, &'t str) {
    let Some(part) = part else { return (text, "") };
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    (&text[..start], &text[start + part.len()..])
}

fn brackets(text: &str) -> impl Iterator {
    memchr2_iter(b'[', b'{', text.as_bytes())
}
