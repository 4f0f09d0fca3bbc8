//! Text as the vendor's Python sample pushes it: a JSON string inside a JSON string, both in ASCII.

use std::fmt::Write as _;

/// The JSON string whose value is the text as a JSON string in ASCII: `é` becomes `"\"\\u00e9\""`.
///
/// The inner string is escaped like the output of Python's `json.dumps`, which clients of the sample receive.
pub(super) fn quoted_twice(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(r#""\""#);
    for c in text.chars() {
        match c {
            '"' => out.push_str(r#"\\\""#),
            '\\' => out.push_str(r"\\\\"),
            '\n' => out.push_str(r"\\n"),
            '\r' => out.push_str(r"\\r"),
            '\t' => out.push_str(r"\\t"),
            '\u{8}' => out.push_str(r"\\b"),
            '\u{c}' => out.push_str(r"\\f"),
            ' '..='~' => out.push(c),
            _ => push_utf16_escapes(&mut out, c),
        }
    }
    out.push_str(r#"\"""#);
    out
}

fn push_utf16_escapes(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(out, r"\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::quoted_twice;

    /// The right-hand sides are what Python prints for `json.dumps(json.dumps(text))`.
    #[test]
    fn as_python_writes_it() {
        let cases = [
            ("hello", r#""\"hello\"""#),
            ("", r#""\"\"""#),
            ("say \"hi\" \\ now", r#""\"say \\\"hi\\\" \\\\ now\"""#),
            ("a\nb\rc\td\u{8}e\u{c}f", r#""\"a\\nb\\rc\\td\\be\\ff\"""#),
            ("\u{0}\u{1f}\u{7f}", r#""\"\\u0000\\u001f\\u007f\"""#),
            ("é 你好 😀", r#""\"\\u00e9 \\u4f60\\u597d \\ud83d\\ude00\"""#),
            ("a/b", r#""\"a/b\"""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted_twice(text), expected, "{text:?}");
            let inner: String = serde_json::from_str(&quoted_twice(text)).unwrap();
            assert_eq!(serde_json::from_str::<String>(&inner).unwrap(), text);
        }
    }
}
