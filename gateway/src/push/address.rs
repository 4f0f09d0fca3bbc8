//! The path of the push address, and the secret token in it.

/// Where the address is unless a token is asked for.
pub const PATH: &str = "/api-local";

/// The path with this token in it. A caller without the token finds nothing there.
#[must_use]
pub fn path(token: Option<&str>) -> String {
    token.map_or_else(|| PATH.to_owned(), |token| format!("/api-{token}"))
}

/// Whether a text can be the token of a push address. The error says what is allowed.
pub fn check_token(token: &str) -> Result<(), String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if token.is_empty() || !token.chars().all(allowed) {
        return Err("a token consists of letters, digits, _ and -".to_owned());
    }
    Ok(())
}
