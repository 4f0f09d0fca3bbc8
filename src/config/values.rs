//! The values that variables take: each reader gives what it read, or says what would be allowed.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::TextEncoding;

pub(super) const ROLES: &str = "register, transfer, cleanup, auto";

pub(super) enum RoleName {
    Register,
    Transfer,
    Cleanup,
    Auto,
}

pub(super) enum PushTo {
    Nobody,
    Sender,
    Fixed(Vec<String>),
    Room { with_sender: bool },
}

/// What is wrong with a value, said as what would be right.
pub(super) type Allowed = String;

pub(super) fn role_name(value: &str) -> Result<RoleName, Allowed> {
    match value {
        "register" => Ok(RoleName::Register),
        "transfer" => Ok(RoleName::Transfer),
        "cleanup" => Ok(RoleName::Cleanup),
        "auto" => Ok(RoleName::Auto),
        _ => Err(ROLES.into()),
    }
}

pub(super) fn push_to(value: &str) -> Result<PushTo, Allowed> {
    const ALLOWED: &str = "sender, none, others, all, or connection ids separated by commas";
    const WORDS: [&str; 4] = ["sender", "none", "others", "all"];
    match value {
        "none" => return Ok(PushTo::Nobody),
        "sender" => return Ok(PushTo::Sender),
        "others" => return Ok(PushTo::Room { with_sender: false }),
        "all" => return Ok(PushTo::Room { with_sender: true }),
        _ => {}
    }
    let ids = list(value, ALLOWED)?;
    if let Some(word) = ids.iter().find(|id| WORDS.contains(&id.as_str())) {
        return Err(format!("{ALLOWED} ({word} only on its own)"));
    }
    Ok(PushTo::Fixed(ids))
}

pub(super) fn concurrency(value: &str) -> Result<NonZeroUsize, Allowed> {
    let number = value.parse().ok().filter(|number: &NonZeroUsize| number.get() <= 256);
    number.ok_or_else(|| "a number, 1 to 256".into())
}

pub(super) fn time_to_live(value: &str) -> Result<Option<Duration>, Allowed> {
    let seconds: u32 = value.parse().map_err(|_| "seconds, a whole number; 0 = never")?;
    Ok((seconds > 0).then(|| Duration::from_secs(u64::from(seconds))))
}

pub(super) fn encoding(value: &str) -> Result<TextEncoding, Allowed> {
    match value {
        "json" => Ok(TextEncoding::Json),
        "raw" => Ok(TextEncoding::Raw),
        _ => Err("json, raw".into()),
    }
}

pub(super) fn connection_ids(value: &str) -> Result<Vec<String>, Allowed> {
    list(value, "connection ids separated by commas")
}

pub(super) fn list_of_sub_protocols(value: &str) -> Result<Vec<String>, Allowed> {
    const ALLOWED: &str = "sub-protocol names (letters, digits and !#$%&'*+-.^_`|~) separated by commas";
    let names = list(value, ALLOWED)?;
    if names.iter().all(|name| name.bytes().all(is_token_byte)) { Ok(names) } else { Err(ALLOWED.into()) }
}

/// A `token` of RFC 9110 §5.6.2: what the header `Sec-WebSocket-Protocol` can carry.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn boolean(value: &str) -> Result<bool, Allowed> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true, false".into()),
    }
}

/// A list with no empty and no repeated entry: either is a slip that would push to nobody, or twice.
fn list(value: &str, allowed: &str) -> Result<Vec<String>, Allowed> {
    let mut entries: Vec<String> = Vec::new();
    for entry in value.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err(format!("{allowed}, none of them empty"));
        }
        if entries.iter().any(|known| known == entry) {
            return Err(format!("{allowed}, each once ({entry:?} is repeated)"));
        }
        entries.push(entry.to_owned());
    }
    Ok(entries)
}
