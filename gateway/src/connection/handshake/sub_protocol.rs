//! Which sub-protocol is agreed on, of those that the client offers and the register function returns.

use axum::http::HeaderValue;
use log::Level;

use crate::{contract::Agreed, observe::log_limit::LogLimit};

/// The sub-protocol for the client: the first item of the function's list that the client offered. If there is none,
/// the function's value is passed on as it is, and the client decides whether to accept it.
pub(super) fn sub_protocol(
    ((connection, request_id), log_limit): ((&str, &str), &LogLimit),
    offered: Option<&str>,
    agreed: &Agreed,
) -> Option<HeaderValue> {
    let warn = |sentence: &str| {
        let line = format_args!("{connection}: {sentence} (request {request_id})");
        log_limit.log(Level::Warn, Some((connection, request_id)), line);
    };
    if agreed.sec_web_socket_extensions.as_deref().is_some_and(|extensions| !extensions.trim().is_empty()) {
        warn(
            "the register function agreed to an extension, but the gateway frames the data and agrees on extensions itself",
        );
    }
    let returned = agreed.sec_web_socket_protocol.as_deref()?.trim();
    // A function that copies what it gets may return `,,`.
    items(returned).next()?;
    let offers: Vec<&str> = items(offered.unwrap_or_default()).collect();
    let chosen = items(returned).find(|item| offers.contains(item)).unwrap_or_else(|| {
        let sentence = "the register function returned a sub-protocol that the client did not offer";
        warn(&format!("{sentence}: {returned:?}"));
        returned
    });
    let value = HeaderValue::from_str(chosen);
    value
        .inspect_err(|_| {
            warn(&format!("the sub-protocol {chosen:?} is not a valid header value and is left out"));
        })
        .ok()
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offered: Option<&str>, returned: Option<&str>) -> Option<String> {
        let agreed = Agreed { sec_web_socket_protocol: returned.map(str::to_owned), ..Agreed::default() };
        sub_protocol((("id==", "1"), &LogLimit::default()), offered, &agreed)
            .and_then(|value| value.to_str().ok().map(str::to_owned))
    }

    #[test]
    fn the_first_returned_sub_protocol_that_was_offered_is_chosen() {
        assert_eq!(chosen(Some("chat, binary"), Some("chat, binary")).as_deref(), Some("chat"));
        assert_eq!(chosen(Some("chat, binary"), Some("x,binary")).as_deref(), Some("binary"));
        assert_eq!(chosen(Some("chat"), Some("other")).as_deref(), Some("other"));
        assert_eq!(chosen(Some("chat"), Some("")), None);
        assert_eq!(chosen(Some(",,"), Some(",,")), None);
        assert_eq!(chosen(Some(", chat"), Some(", chat")).as_deref(), Some("chat"));
        assert_eq!(chosen(Some("chat"), None), None);
        assert_eq!(chosen(None, Some("bad\nvalue")), None);
    }
}
