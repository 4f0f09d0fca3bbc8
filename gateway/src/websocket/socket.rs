//! The WebSocket of an open connection.

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use crate::http::LimitedStream;

pub(super) type Socket = WebSocketStream<LimitedStream<TcpStream>>;
