use std::num::NonZeroU32;

use super::*;

#[test]
fn a_reason_has_a_code_if_it_has_a_text_and_fits_into_a_close_frame() {
    for reason in CloseReason::ALL {
        let text = reason.text();
        assert!(text.len() <= 123, "{text}");
        assert!(text.is_empty() || reason.code().is_some(), "{reason:?}");
    }
}

/// When a connection ends so, as a sentence without a full stop.
fn meaning(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::ClosedByClient => "The client sent a close frame, and receives its code back",
        CloseReason::ClosedByFunction => "A function closed the connection by a reverse push",
        CloseReason::ConnectionLost => "The TCP connection ended without a close frame",
        CloseReason::Unresponsive => {
            "The client gave no sign of life for two ping intervals, or answered no pings"
        }
        CloseReason::Idle => "No data frame in either direction for the API's idle time-out",
        CloseReason::TooSlow => {
            "More than `send_queue_bytes` wait for the client, or it has read nothing for `send_seconds`"
        }
        CloseReason::TooFast => {
            "The client sends more than `frames_per_second`, or a hundred times as many fragments"
        }
        CloseReason::TooBig => {
            "A frame has more than `frame_bytes`, which the text names if it is less than 6 MiB, or its event exceeds 6 MiB"
        }
        CloseReason::Unfinished => {
            "The unfinished messages of all clients together exceed `unfinished_bytes`, and this client's is among the largest"
        }
        CloseReason::MessageTimedOut => "The client takes longer than `message_seconds` for a message",
        CloseReason::NotUtf8 => {
            "A text frame is not UTF-8, or the reason of a close frame, which the text then says"
        }
        CloseReason::ProtocolError => "The client broke the WebSocket protocol",
        CloseReason::TransferFailed(_) => {
            "The transfer function failed, timed out, crashed or did not start; the text ends with the request \
             id under which the log has the cause"
        }
        CloseReason::TransferUnavailable(_) => {
            "The transfer function is overloaded or unavailable and did not run; the text ends with the request id, too"
        }
        CloseReason::ShuttingDown => "The gateway shuts down; connect again",
        CloseReason::TimeLimit => {
            "The time limit of the web function in which the gateway runs is near; connect again"
        }
        CloseReason::NodeLost => {
            "The gateway was declared lost by another node of its cluster, which calls the cleanup function; connect again"
        }
    }
}

#[test]
fn the_table_lists_every_reason() {
    let row = |reason: CloseReason| {
        let code = reason.code().map_or_else(String::new, |code| code.to_string());
        let text = reason.text();
        let text = if text.is_empty() { text } else { format!("`{text}`") };
        format!("| {code} | {text} | `{}` | {} |\n", reason.name(), meaning(reason))
    };
    let rows: String = CloseReason::ALL.into_iter().map(row).collect();
    let table = format!("| code | text | `reason` of the metric | when |\n| --- | --- | --- | --- |\n{rows}");
    assert!(
        include_str!("../close_reasons.md") == table,
        "gateway/src/connection/websocket/close_reasons.md must be this table:\n{table}"
    );
}

#[test]
fn a_limit_that_was_met_is_named_to_the_client_and_in_the_log() {
    let limit = NonZeroU32::MIN.saturating_add(9);
    let end = End::limit(Limit::FramesPerSecond(limit));
    assert_eq!((end.reason.code(), end.text.as_str()), (Some(1008), "too many frames a second"));
    assert!(end.sentence.ends_with("10 frames a second (limits.frames_per_second)"), "{end}");
    let end = End::limit(Limit::FrameBytes(1000));
    assert_eq!((end.reason.code(), end.text.as_str()), (Some(1009), "a frame has more than 1000 bytes"));
    assert_eq!(End::limit(Limit::FrameBytes(MAX_EVENT_BYTES)).text, CloseReason::TooBig.text());
    assert_eq!(End::limit(Limit::SendQueueBytes(5)).text, "too slow");
}

#[test]
fn a_failed_transfer_has_a_request_id_and_fits_too() {
    let failure = Failure::NeverReady("".into());
    let end = End::transfer_failed(&failure, "c6af9ac6-7b61-41e6-9a41-93e8deadbeef");
    assert!(end.text.ends_with("(request c6af9ac6-7b61-41e6-9a41-93e8deadbeef)"), "{end:?}");
    assert!(end.text.len() <= 123, "{end:?}");
    assert_eq!(end.reason.code(), Some(1011));
    let end = End::transfer_failed(&Failure::Unavailable("".into()), "id");
    assert_eq!(end.reason.code(), Some(1013));
}

#[test]
fn a_write_that_is_overdue_is_the_clients_slowness_and_a_broken_line_is_not() {
    let overdue = End::io_error(&io::ErrorKind::TimedOut.into(), Duration::from_secs(10));
    assert_eq!(overdue.reason, CloseReason::TooSlow);
    let unreachable = End::io_error(&io::Error::from_raw_os_error(110), Duration::from_secs(10));
    assert_eq!(unreachable.reason, CloseReason::ConnectionLost);
}
