//! The WebSocket of an open connection.

use tokio_tungstenite::WebSocketStream;

use crate::http;

pub(super) type Socket = WebSocketStream<http::Stream>;
