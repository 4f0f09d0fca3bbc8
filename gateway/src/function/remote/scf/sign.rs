//! The signature of a cloud call, TC3-HMAC-SHA256.

use std::fmt::Write as _;

use ring::{
    digest::{SHA256, digest},
    hmac::{HMAC_SHA256, Key, Tag, sign},
};
use time::OffsetDateTime;

use crate::config::secret::Secret;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const SERVICE: &str = "scf";
const TERMINATOR: &str = "tc3_request";
const SIGNED_HEADERS: &str = "content-type;host";

/// The content type of a cloud call, which is signed.
pub(super) const CONTENT_TYPE: &str = "application/json";

/// The header `Authorization` of a `POST` of JSON to `/` at the host, at this time in seconds since the epoch.
#[must_use]
pub fn authorization(
    secret_id: &str,
    secret_key: &Secret,
    host: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let date = date(timestamp);
    let scope = format!("{date}/{SERVICE}/{TERMINATOR}");
    let request = format!(
        "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\n\n{SIGNED_HEADERS}\n{}",
        hex(digest(&SHA256, body).as_ref())
    );
    let text =
        format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", hex(digest(&SHA256, request.as_bytes()).as_ref()));
    let secret = Secret::new(format!("TC3{}", secret_key.expose()));
    let date_key = hmac(secret.expose().as_bytes(), &date);
    let service_key = hmac(date_key.as_ref(), SERVICE);
    let signing_key = hmac(service_key.as_ref(), TERMINATOR);
    let signature = hex(hmac(signing_key.as_ref(), &text).as_ref());
    format!(
        "{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    )
}

/// The day in UTC, as `2026-11-24`.
fn date(timestamp: i64) -> String {
    OffsetDateTime::from_unix_timestamp(timestamp).unwrap_or(OffsetDateTime::UNIX_EPOCH).date().to_string()
}

fn hmac(key: &[u8], text: &str) -> Tag {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by the vendor's Python SDK (`ScfClient._build_req_with_tc3_signature`, version 3.1.195).
    #[test]
    fn the_signatures_are_those_of_the_vendors_sdk() {
        let id = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE";
        let key = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
        let api = "scf.tencentcloudapi.com";
        let text = r#"{"Event":"{\"data\":\"你好 🙂\"}"}"#;
        for (id, key, host, timestamp, body, date, signature) in [
            (
                id,
                key,
                api,
                1_551_113_065,
                r#"{"FunctionName":"chat"}"#,
                "2019-02-25",
                "8b91ffd507b52383e3295dbfc6deb040eb275208339f3e35162e485a7258d705",
            ),
            (
                "id",
                "key",
                "127.0.0.1:8443",
                1_700_000_000,
                text,
                "2023-11-14",
                "40cf6fcf16d7579b03bf9833af35eada9b7b9e1e8a927e6f12fe81adb4577e2f",
            ),
            (
                "id",
                "key",
                api,
                1_709_164_799,
                "",
                "2024-02-28",
                "ab029d5524963a5091b8f567d3d4f197a9453e10137412bed05d8d42e35ed04b",
            ),
            (
                "id",
                "key",
                api,
                1_709_164_800,
                "{}",
                "2024-02-29",
                "96535fc689f4451e6d56bd97cad04da378a1fef7c4cd6629cbdf90303261dce2",
            ),
        ] {
            let header = authorization(id, &Secret::new(key), host, timestamp, body.as_bytes());
            let credential = format!("TC3-HMAC-SHA256 Credential={id}/{date}/scf/tc3_request");
            assert_eq!(
                header,
                format!("{credential}, SignedHeaders=content-type;host, Signature={signature}")
            );
        }
    }
}
