//! The integration response: an API configured with it wraps every function's answer in an HTTP response in the form of
//! JSON. [`unwrap`] extracts the answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped {
    #[serde(default)]
    is_base64_encoded: bool,
    status_code: u16,
    #[serde(default)]
    body: String,
}

/// The wrapped answer. A wrapping that cannot be parsed, and a status other than 200, is the function's failure; the
/// error is a sentence for the function's author.
pub(crate) fn unwrap(answer: &[u8]) -> Result<Bytes, String> {
    let wrapped: Wrapped = serde_json::from_slice(answer).map_err(|error| {
        format!("the answer is no integration response ({error}); without --integration-response it is taken as it is")
    })?;
    if wrapped.status_code != 200 {
        return Err(format!("the function answered with status {}", wrapped.status_code));
    }
    if !wrapped.is_base64_encoded {
        return Ok(wrapped.body.into());
    }
    match STANDARD.decode(&wrapped.body) {
        Ok(body) => Ok(body.into()),
        Err(error) => Err(format!("the integration response's body is no Base64: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_answer_out() {
        let plain = br#"{"isBase64Encoded":false,"statusCode":200,"headers":{},"body":"{\"errNo\":0}"}"#;
        assert_eq!(unwrap(plain), Ok(Bytes::from_static(br#"{"errNo":0}"#)));
        let encoded = br#"{"isBase64Encoded":true,"statusCode":200,"body":"e30="}"#;
        assert_eq!(unwrap(encoded), Ok(Bytes::from_static(b"{}")));
    }

    #[test]
    fn says_what_is_wrong_with_it() {
        let cases: [(&[u8], &str); 3] = [
            (br#"{"errNo":0}"#, "statusCode"),
            (br#"{"statusCode":500,"body":""}"#, "500"),
            (br#"{"statusCode":200,"isBase64Encoded":true,"body":"?"}"#, "Base64"),
        ];
        for (answer, named) in cases {
            let sentence = unwrap(answer).expect_err(named);
            assert!(sentence.contains(named), "{sentence}");
        }
    }
}
