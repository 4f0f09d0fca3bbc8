//! The events that are offered, and the answers that must come back.

/// The documented connect event.
pub const CONNECT: &str = concat!(
    r#"{"requestContext":{"serviceName":"testsvc","path":"/test/{testvar}","httpMethod":"GET","#,
    r#""requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","identity":{"secretId":"abdcdxxxxxxxsdfs"},"#,
    r#""sourceIp":"10.0.2.14","stage":"prod","websocketEnable":true},"#,
    r#""websocket":{"action":"connecting","secConnectionID":"xawexasdfewezdfsdfeasdfffa==","#,
    r#""secWebSocketProtocol":"chat,binary","secWebSocketExtensions":"extension1,extension2"}}"#
);

/// What lets its client in.
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

/// A frame of text from this connection.
pub fn frame(connection: &str, data: &str) -> String {
    format!(
        r#"{{"websocket":{{"action":"data recv","secConnectionID":"{connection}","dataType":"text","data":"{data}"}}}}"#
    )
}

/// A frame whose whole event has so many bytes; its text is JSON, as most frames' is.
pub fn frame_of(event_bytes: usize) -> String {
    const PIECE: &str = r#"{\"say\":\"hello, world\",\"to\":42},"#;
    let connection = connection_id(0);
    let room = event_bytes.saturating_sub(frame(&connection, "").len());
    let mut data = PIECE.repeat(room / PIECE.len());
    data.extend(std::iter::repeat_n('-', room - data.len()));
    frame(&connection, &data)
}

/// As long as the gateway's.
pub fn connection_id(number: usize) -> String {
    format!("{number:022}==")
}
