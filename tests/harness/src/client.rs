//! A client of the gateway, of another implementation than its own.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::timeout};
use tokio_websockets::{CloseCode, MaybeTlsStream, Message, WebSocketStream};

use crate::{Gateway, SOON};

/// A client of the gateway.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn send(&mut self, message: Message) {
        timeout(SOON, self.socket.send(message)).await.expect("sent in time").expect("sent");
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text.to_owned())).await;
    }

    /// The next data frame or close frame. Pings and pongs do not extend the time for it.
    pub async fn next(&mut self) -> Message {
        let next = async {
            loop {
                let message =
                    self.socket.next().await.expect("the connection is open").expect("a valid frame");
                if !message.is_ping() && !message.is_pong() {
                    return message;
                }
            }
        };
        timeout(SOON, next).await.expect("a frame in time")
    }

    pub async fn next_text(&mut self) -> String {
        let message = self.next().await;
        message.as_text().unwrap_or_else(|| panic!("a text frame, not {message:?}")).to_owned()
    }

    /// Sends a text frame and returns the next one.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send_text(text).await;
        self.next_text().await
    }

    /// Reads up to the close frame, past the frames before it.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        let closed = async {
            loop {
                if let Some((code, reason)) = self.next().await.as_close() {
                    return (code, reason.to_owned());
                }
            }
        };
        timeout(SOON * 3, closed).await.expect("a close frame in time")
    }

    /// Reads up to the close frame for a failed transfer, and returns its text without the request id. The log has the
    /// request id too, on a line with the cause.
    pub async fn failed(&mut self, gateway: &Gateway) -> String {
        let (code, reason) = self.closed().await;
        assert_eq!(code, CloseCode::INTERNAL_SERVER_ERROR, "{reason}");
        let (text, request_id) = reason.split_once(" (request ").expect("a request id");
        let request_id = request_id.strip_suffix(')').expect("a request id");
        assert_eq!(request_id.len(), 36, "{reason}");
        if gateway.has_log() {
            gateway.wait_for_log(&format!("{text} (request {request_id}, connection ")).await;
        }
        text.to_owned()
    }

    /// Closes with 1000 and waits for the gateway's reply.
    pub async fn close(mut self) {
        self.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
        assert_eq!(self.closed().await.0, CloseCode::NORMAL_CLOSURE);
    }

    /// The connection's id, from the event of a frame that is echoed.
    pub async fn id(&mut self, gateway: &Gateway) -> String {
        let mark = format!("mark {:p}", &raw const *self);
        self.send_text(&mark).await;
        assert_eq!(self.next_text().await, mark);
        let events = gateway.events("transfer");
        let event =
            events.iter().find(|event| event["websocket"]["data"] == mark.as_str()).expect("recorded");
        event["websocket"]["secConnectionID"].as_str().expect("an id").to_owned()
    }
}
