//! As much of a foreign text as fits a line of the log, and in a form that stays on that line.

use std::fmt::{self, Write as _};

const MAX_BYTES: usize = 256;

/// The beginning of the text; most texts are all there.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

/// Shows the beginning of a text with whatever could end the line, or be taken for an order to a terminal, escaped.
pub(crate) struct OnOneLine<'t>(pub(crate) &'t str);

impl fmt::Display for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = excerpt(self.0);
        // Ids are of such signs; looking at each of them for what it might need costs more than all the rest of a line.
        if text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'\'')) {
            return f.write_str(text);
        }
        text.chars().flat_map(char::escape_debug).try_for_each(|c| f.write_char(c))
    }
}

#[cfg(test)]
mod tests {
    use super::{OnOneLine, excerpt};

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(200)).len(), 256);
        assert_eq!(excerpt(&format!("x{}", "é".repeat(200))).len(), 255);
    }

    #[test]
    fn what_could_end_the_line_is_escaped() {
        for text in ["xawexasdfewezdfsdfeasdfffa==", "", "a b", "a\n\u{1b}[31m", "\"\\'", "é\u{200b}"] {
            assert_eq!(OnOneLine(text).to_string(), text.escape_debug().to_string());
        }
    }
}
