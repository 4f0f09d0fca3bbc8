//! How deep an event may be nested.

/// Levels of nesting that an event may have; what `serde_json` and most other parsers allow.
pub(super) const MAX_DEPTH: usize = 128;

/// Whether `[` and `{` outside strings are ever open more than [`MAX_DEPTH`] at a time.
///
/// The parser skips what no role reads without recursion, so it would accept any depth; whoever reads the
/// answer would not. Most events have fewer brackets in all than the limit, and counting them is cheap. The frame,
/// most of a long event and full of brackets if it is JSON, is a string and left out.
pub(super) fn is_nested_too_deep(text: &str, frame: Option<&str>) -> bool {
    let (before, after) = around(text, frame);
    if brackets(before) + brackets(after) <= MAX_DEPTH {
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

/// Each search is the standard library's, whose code is built for speed whatever our own `opt-level`.
fn brackets(text: &str) -> usize {
    text.matches('[').count() + text.matches('{').count()
}
