//! `[web_function]`: what the platform allows the gateway that runs inside a web function.

use std::num::NonZeroU32;

use super::section::Section;
use crate::connection::web_function::WebFunction;

/// The platform lets everyone in who knows the function's address, the push address included.
pub(super) const NEEDS_A_TOKEN: &str = "push_token is missing: everyone who knows the function's address could push to every \
    client; set the variable GATEWAY_PUSH_TOKEN";

pub(super) fn read(mut table: Section<'_, '_>) -> WebFunction {
    let default = WebFunction::default();
    let web = WebFunction {
        time_limit: table.seconds("time_limit_seconds", default.time_limit.as_secs(), 1..=900),
        frame_bytes: table.count("frame_bytes", default.frame_bytes, 1..=default.frame_bytes as u64),
        frames_per_second: rate(&mut table, "frames_per_second"),
        bytes_per_second: rate(&mut table, "bytes_per_second"),
    };
    table.finish();
    web
}

/// Left out: none.
fn rate(table: &mut Section<'_, '_>, key: &'static str) -> Option<NonZeroU32> {
    let number = table.positive(key, NonZeroU32::MIN, 1_000_000);
    table.was_given(key).then_some(number)
}
