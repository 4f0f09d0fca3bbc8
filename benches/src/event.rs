//! The events that the bench offers, and the answers it expects.

/// The documented connect event.
pub const CONNECT: &str = concat!(
    r#"{"requestContext":{"serviceName":"testsvc","path":"/test/{testvar}","httpMethod":"GET","#,
    r#""requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","identity":{"secretId":"abdcdxxxxxxxsdfs"},"#,
    r#""sourceIp":"10.0.2.14","stage":"prod","websocketEnable":true},"#,
    r#""websocket":{"action":"connecting","secConnectionID":"xawexasdfewezdfsdfeasdfffa==","#,
    r#""secWebSocketProtocol":"chat,binary","secWebSocketExtensions":"extension1,extension2"}}"#
);

/// The answer that accepts its client.
pub const ACCEPTING: &str = concat!(
    r#"{"errNo":0,"errMsg":"ok","websocket":{"action":"connecting","#,
    r#""secConnectionID":"xawexasdfewezdfsdfeasdfffa==","#,
    r#""secWebSocketProtocol":"chat,binary","secWebSocketExtensions":""}}"#
);

/// A connect event of another connection.
pub fn connect(connection: &str) -> String {
    format!(
        r#"{{"requestContext":{{}},"websocket":{{"action":"connecting","secConnectionID":"{connection}"}}}}"#
    )
}

/// A text frame from this connection.
pub fn frame(connection: &str, data: &str) -> String {
    format!(
        r#"{{"websocket":{{"action":"data recv","secConnectionID":"{connection}","dataType":"text","data":"{data}"}}}}"#
    )
}

/// A frame whose event has exactly this many bytes. Its text is JSON, as in most applications.
pub fn frame_of(event_bytes: usize) -> String {
    const PIECE: &str = r#"{\"say\":\"hello, world\",\"to\":42},"#;
    let connection = connection_id(0);
    let space = event_bytes.saturating_sub(frame(&connection, "").len());
    let mut data = PIECE.repeat(space / PIECE.len());
    data.extend(std::iter::repeat_n('-', space - data.len()));
    frame(&connection, &data)
}

/// A connection id as long as the gateway's.
pub fn connection_id(number: usize) -> String {
    format!("{number:022}==")
}
