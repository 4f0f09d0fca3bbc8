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

#[test]
fn the_table_lists_every_reason() {
    let row = |reason: CloseReason| {
        let code = reason.code().map_or_else(String::new, |code| code.to_string());
        let text = reason.text();
        let text = if text.is_empty() { text } else { format!("`{text}`") };
        format!("| {code} | {text} | `{}` | {} |\n", reason.name(), reason.meaning())
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
