//! The names of environment variables that a function may be given.

/// Names that SCF keeps for itself.
const RESERVED: [&str; 3] = ["SCF_", "QCLOUD_", "TENCENTCLOUD_"];

/// Checks a name by the rules of SCF. The error says which rule it breaks.
pub fn check_variable_name(name: &str) -> Result<(), String> {
    if let Some(prefix) = RESERVED.iter().find(|prefix| name.starts_with(**prefix)) {
        return Err(format!("SCF reserves names that start with {prefix}"));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.chars().all(allowed) {
        return Err(
            "SCF accepts only names that start with a letter and consist of letters, digits and _".to_owned()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_scf() {
        assert_eq!(check_variable_name("WS_PUSH_TO"), Ok(()));
        assert_eq!(check_variable_name("a1"), Ok(()));
        for (name, named) in [
            ("SCF_X", "SCF_"),
            ("1A", "letter"),
            ("_A", "letter"),
            ("A-B", "letters, digits"),
            ("", "letter"),
        ] {
            assert!(check_variable_name(name).is_err_and(|sentence| sentence.contains(named)), "{name}");
        }
    }
}
