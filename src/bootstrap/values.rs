//! Lists in the values of variables.

/// Parses a list separated by commas. An empty or repeated entry is an error, since it would push to no connection or
/// twice to one.
pub(super) fn list(value: &str, allowed: &str) -> Result<Vec<String>, String> {
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
