//! The vendor's register function with typed events, the fastest option of the peers' runtimes.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tencent_scf::convert::AsJson;

#[derive(Deserialize)]
pub struct Event {
    #[serde(rename = "requestContext")]
    request_context: Option<IgnoredAny>,
    websocket: Option<Offer>,
}

#[derive(Deserialize)]
struct Offer {
    #[serde(rename = "secConnectionID")]
    connection: String,
    #[serde(rename = "secWebSocketProtocol")]
    sub_protocols: Option<String>,
    #[serde(rename = "secWebSocketExtensions")]
    extensions: Option<IgnoredAny>,
}

#[derive(Serialize)]
pub struct Answer {
    #[serde(rename = "errNo")]
    err_no: u32,
    #[serde(rename = "errMsg")]
    err_msg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    websocket: Option<Accepted>,
}

#[derive(Serialize)]
struct Accepted {
    action: &'static str,
    #[serde(rename = "secConnectionID")]
    connection: String,
    #[serde(rename = "secWebSocketProtocol", skip_serializing_if = "Option::is_none")]
    sub_protocols: Option<String>,
    #[serde(rename = "secWebSocketExtensions", skip_serializing_if = "Option::is_none")]
    extensions: Option<&'static str>,
}

impl AsJson for Event {}
impl AsJson for Answer {}

/// Accepts the client, or refuses an event without the required keys.
#[must_use]
pub fn register(event: Event) -> Answer {
    if event.request_context.is_none() {
        return refuse(101, "not found request context");
    }
    let Some(offer) = event.websocket else { return refuse(102, "not found websocket") };
    let accepted = Accepted {
        action: "connecting",
        connection: offer.connection,
        sub_protocols: offer.sub_protocols,
        extensions: offer.extensions.map(|_| ""),
    };
    Answer { err_no: 0, err_msg: "ok", websocket: Some(accepted) }
}

fn refuse(err_no: u32, err_msg: &'static str) -> Answer {
    Answer { err_no, err_msg, websocket: None }
}
