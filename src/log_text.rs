//! Text from outside, shortened and escaped for a log line.

use std::time::Duration;

const MAX_BYTES: usize = 256;

/// Whether a byte is a character that no log line needs to escape.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        is_plain[byte as usize] = !matches!(byte, b'\\' | b'"' | b'\'');
        byte += 1;
    }
    is_plain
};

/// The first 256 bytes of the text, cut between characters.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_BYTES)]
}

/// Appends an excerpt with line ends, control characters and quotes escaped.
pub(crate) fn push_escaped(line: &mut String, text: &str) {
    let text = excerpt(text);
    // Most ids need no escape; testing each character separately would dominate the cost of the line.
    if text.bytes().all(|byte| IS_PLAIN[usize::from(byte)]) {
        line.push_str(text);
    } else {
        line.extend(text.chars().flat_map(char::escape_debug));
    }
}

/// Appends milliseconds with three decimals. Formatting an `f64` would cost as much as the rest of the line.
pub(crate) fn push_milliseconds(line: &mut String, time: Duration) {
    let mut digits = itoa::Buffer::new();
    line.push_str(digits.format(time.as_secs() * 1000 + u64::from(time.subsec_millis())));
    line.push('.');
    // The thousand keeps the zeros in front.
    line.push_str(&digits.format(1000 + time.subsec_micros() % 1000)[1..]);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{excerpt, push_escaped, push_milliseconds};

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(200)).len(), 256);
        assert_eq!(excerpt(&format!("x{}", "é".repeat(200))).len(), 255);
    }

    #[test]
    fn what_could_end_the_line_is_escaped() {
        for text in ["xawexasdfewezdfsdfeasdfffa==", "", "a b", "a\n\u{1b}[31m", "\"\\'", "é\u{200b}"] {
            let mut line = String::new();
            push_escaped(&mut line, text);
            assert_eq!(line, text.escape_debug().to_string());
        }
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (nanoseconds, expected) in
            [(0, "0.000"), (7_999, "0.007"), (42_000_000, "42.000"), (61_000_500_000, "61000.500")]
        {
            let mut line = String::new();
            push_milliseconds(&mut line, Duration::from_nanos(nanoseconds));
            assert_eq!(line, expected);
        }
    }
}
