//! Looking: what is known of a connection.

use std::{borrow::Cow, sync::Arc};

use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{PushAddress, query_value, refusal, response};
use crate::{contract::Status, server::http::Activity};

const PARAMETER: &str = "secConnectionID";

/// Answers `GET <push address>?secConnectionID=…`.
pub(super) async fn look(address: &PushAddress, activity: Option<&Arc<Activity>>, uri: &Uri) -> Response {
    let Some(id) = query_value(uri, PARAMETER).map(decode) else {
        let sentence = "a GET looks at a connection and names it as ?secConnectionID=…, percent-encoded; a reverse \
                        push is a POST";
        return response::status(StatusCode::BAD_REQUEST, &Status::refused(400, sentence));
    };
    if let Some(activity) = activity {
        activity.allow_idle();
    }
    match address.registry.look_up(&id).await {
        Ok(info) => response::found(&id, &info),
        Err(error) => {
            let (code, status) = refusal(&error);
            response::status(code, &status)
        }
    }
}

/// Decodes `%2B` and the like. A `+` stays what it is: it occurs in Base64, and a space never does.
fn decode(value: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn ids_may_be_encoded_or_not() {
        for (value, id) in [("a%2Bb%2Fc%3D%3D", "a+b/c=="), ("a+b/c==", "a+b/c=="), ("%", "%"), ("", "")] {
            assert_eq!(decode(value), id);
        }
    }
}
