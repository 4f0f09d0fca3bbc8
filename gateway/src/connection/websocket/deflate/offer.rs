//! What a client offers, and what is agreed (RFC 7692, sections 5 and 7.1).

/// What was agreed with a client. A client may be sent uncompressed messages all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// How far back, as a power of two, a compressed message may refer: 9 to 15. The full window, unless the client
    /// names one, which the answer then repeats.
    window_bits: Option<u8>,
}

const FULL_WINDOW_BITS: u8 = 15;
/// The smallest that the compressor has. The protocol allows 8.
pub(super) const SMALL_WINDOW_BITS: u8 = 9;

impl Deflate {
    /// Whether the client has the largest window. All others receive what fits the smallest one, so that a payload is
    /// compressed twice at most.
    pub(crate) fn has_full_window(self) -> bool {
        self.window_bits.is_none_or(|bits| bits == FULL_WINDOW_BITS)
    }

    /// The value of the header `Sec-WebSocket-Extensions` that accepts the offer.
    pub(crate) fn header(self) -> String {
        let accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        match self.window_bits {
            None => accepted.to_owned(),
            Some(bits) => format!("{accepted}; server_max_window_bits={bits}"),
        }
    }
}

/// The first of the client's offers that can be met; the header may hold other extensions, and offers that cannot be.
pub(crate) fn negotiate(extensions: &str) -> Option<Deflate> {
    split(extensions, ',').into_iter().find_map(accept)
}

fn accept(offer: &str) -> Option<Deflate> {
    let mut parts = split(offer, ';').into_iter();
    if !parts.next()?.trim().eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = Vec::new();
    let mut window_bits = None;
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value.trim()))),
            None => (parameter, None),
        };
        let name = name.trim().to_ascii_lowercase();
        match (name.as_str(), value) {
            (
                "server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits",
                None,
            ) => {}
            // Whatever the client's window is, it fits into the largest one.
            ("client_max_window_bits", Some(value)) => drop(bits(value)?),
            ("server_max_window_bits", Some(value)) => {
                window_bits = Some(bits(value).filter(|bits| *bits >= SMALL_WINDOW_BITS)?);
            }
            _ => return None,
        }
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(Deflate { window_bits })
}

/// 8 to 15, without leading zeros.
fn bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (8..=FULL_WINDOW_BITS).contains(bits))?;
    (value == bits.to_string()).then_some(bits)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The parts of a list; a separator within quotes separates nothing.
fn split(list: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let outside = |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    };
    list.split(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn the_first_offer_that_can_be_met_is_accepted() {
        for offer in [
            "permessage-deflate",
            "Permessage-Deflate",
            " permessage-deflate ; client_max_window_bits ",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-other; a=\"1, permessage-deflate; 2\", permessage-deflate",
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            "permessage-deflate; unknown, permessage-deflate",
        ] {
            assert_eq!(negotiate(offer).map(Deflate::header).as_deref(), Some(PLAIN), "{offer}");
        }
        for (bits, repeated) in [("9", 9), ("\"9\"", 9), ("14", 14), ("15", 15)] {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}, permessage-deflate");
            let accepted = negotiate(&offer).expect("accepted");
            assert_eq!(accepted.header(), format!("{PLAIN}; server_max_window_bits={repeated}"));
            assert_eq!(accepted.has_full_window(), repeated == 15);
        }
    }

    #[test]
    fn offers_that_cannot_be_met_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate2",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=015",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=x",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; unknown",
            "permessage-deflate;",
        ] {
            assert_eq!(negotiate(offer), None, "{offer}");
        }
    }
}
