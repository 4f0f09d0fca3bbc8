//! The harness: a function's process with its runtime API, a push address that records pushes, the gateway with its
//! clients, a Redis server, and a scripted server that misbehaves.
//!
//! The runtime API and the push address are the gateway's, so that no protocol is implemented twice.

mod function;
mod gateway;
mod programs;
mod push_address;
mod redis;
pub mod wire;

pub use function::{Function, Process, unused_port};
pub use gateway::Gateway;
pub use programs::example;
pub use push_address::PushAddress;
pub use redis::Redis;
pub use scf_websocket_gateway::function::runtime_api::{Limits, Outcome};
pub use scf_websocket_gateway::http::HeaderCase;
pub use wire::{Act, Wire};

/// A connect event with every field of the contract.
pub const CONNECTING: &str = r#"{"requestContext":{"serviceName":"testsvc","path":"/test/{testvar}","httpMethod":"GET","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","identity":{"secretId":"abdcdxxxxxxxsdfs"},"sourceIp":"10.0.2.14","stage":"prod","websocketEnable":true},"websocket":{"action":"connecting","secConnectionID":"xawexasdfewezdfsdfeasdfffa==","secWebSocketProtocol":"chat,binary","secWebSocketExtensions":"extension1,extension2"}}"#;

/// An event with a text frame.
pub const DATA_RECV: &str = r#"{"websocket":{"action":"data recv","secConnectionID":"xawexasdfewezdfsdfeasdfffa==","dataType":"text","data":"xxx"}}"#;

/// An event after a client has disconnected.
pub const CLOSING: &str =
    r#"{"websocket":{"action":"closing","secConnectionID":"xawexasdfewezdfsdfeasdfffa=="}}"#;

/// An event with this text frame from this connection.
pub fn frame(connection: &str, text: &str) -> String {
    let (connection, text) = (serde_json::Value::from(connection), serde_json::Value::from(text));
    format!(
        r#"{{"websocket":{{"action":"data recv","secConnectionID":{connection},"dataType":"text","data":{text}}}}}"#
    )
}

/// The body of a response; panics with the outcome if it is an error.
pub fn response(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(body) => String::from_utf8(body.to_vec()).expect("a response in UTF-8"),
        Outcome::Error(message) => panic!("expected a response, got the error {message:?}"),
    }
}

/// The message of an error; panics with the outcome if it is a response.
pub fn error(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Error(message) => String::from_utf8(message.to_vec()).expect("a message in UTF-8"),
        Outcome::Response(body) => panic!("expected an error, got the response {body:?}"),
    }
}
