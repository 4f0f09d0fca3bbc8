//! Text from outside, shortened and escaped for a log line.

use std::fmt::{self, Write as _};

const MAX_BYTES: usize = 256;

/// The first 256 bytes of the text, cut between characters.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

/// Displays an excerpt with line ends, control characters and quotes escaped.
pub(crate) struct SingleLine<'t>(pub(crate) &'t str);

impl fmt::Display for SingleLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = excerpt(self.0);
        // Most ids need no escape; testing each character separately would dominate the cost of the line.
        if text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'\'')) {
            return f.write_str(text);
        }
        text.chars().flat_map(char::escape_debug).try_for_each(|c| f.write_char(c))
    }
}

#[cfg(test)]
mod tests {
    use super::{SingleLine, excerpt};

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(200)).len(), 256);
        assert_eq!(excerpt(&format!("x{}", "é".repeat(200))).len(), 255);
    }

    #[test]
    fn what_could_end_the_line_is_escaped() {
        for text in ["xawexasdfewezdfsdfeasdfffa==", "", "a b", "a\n\u{1b}[31m", "\"\\'", "é\u{200b}"] {
            assert_eq!(SingleLine(text).to_string(), text.escape_debug().to_string());
        }
    }
}
