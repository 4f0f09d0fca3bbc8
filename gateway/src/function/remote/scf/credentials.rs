//! What calls are signed with: fixed credentials from the environment, or those of the virtual machine's role, which are
//! renewed in time. No message and no `Debug` output shows any of it.

mod role;

use std::{fmt, sync::Arc};

pub(crate) use self::role::METADATA;
pub use self::role::{RoleCredentials, RoleError};
use crate::{
    config::secret::Secret,
    function::remote::{attempt::AttemptError, client::HttpClient},
};

/// The variables that are read, in this order: those of the vendor's SDKs and command line, and those that SCF sets.
const VARIABLES: [[&str; 3]; 2] = [
    ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_TOKEN"],
    ["TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"],
];

/// A key pair, with its token if it is a temporary one.
pub struct Credentials {
    secret_id: Secret,
    secret_key: Secret,
    token: Option<Secret>,
}

/// Where credentials come from.
#[derive(Debug)]
pub enum CredentialSource {
    /// Always the same.
    Fixed(Arc<Credentials>),
    /// The virtual machine's role.
    Role(RoleCredentials),
}

/// Why there are no credentials: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsError(String);

impl Credentials {
    /// Checks that they can be sent in a header.
    pub fn new(
        secret_id: String,
        secret_key: String,
        token: Option<String>,
    ) -> Result<Self, CredentialsError> {
        for (what, value) in [("secret id", &secret_id), ("secret key", &secret_key)] {
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(CredentialsError(format!(
                    "the {what} is empty, or holds spaces or other characters"
                )));
            }
        }
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(CredentialsError("the token holds spaces or other characters".to_owned()));
        }
        let token = token.filter(|token| !token.is_empty()).map(Secret::new);
        Ok(Self { secret_id: Secret::new(secret_id), secret_key: Secret::new(secret_key), token })
    }

    pub(super) fn secret_id(&self) -> &str {
        self.secret_id.expose()
    }

    pub(super) fn secret_key(&self) -> &Secret {
        &self.secret_key
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// A text of the cloud's without what it may repeat of the credentials.
    pub(super) fn redact(&self, text: &str) -> String {
        [Some(&self.secret_id), Some(&self.secret_key), self.token.as_ref()]
            .into_iter()
            .flatten()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "…"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

impl CredentialSource {
    /// From the environment, which is read by the function: `|name| std::env::var(name).ok()`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        for [id, key, token] in VARIABLES {
            let (secret_id, secret_key) = match (set(id), set(key)) {
                (None, None) => continue,
                (Some(secret_id), Some(secret_key)) => (secret_id, secret_key),
                (Some(_), None) => {
                    return Err(CredentialsError(format!("{id} is set, and {key} is not: set both")));
                }
                (None, Some(_)) => {
                    return Err(CredentialsError(format!("{key} is set, and {id} is not: set both")));
                }
            };
            let credentials = Credentials::new(secret_id, secret_key, set(token))
                .map_err(|error| CredentialsError(format!("{error}: see {id}, {key} and {token}")))?;
            return Ok(Self::Fixed(Arc::new(credentials)));
        }
        Err(CredentialsError(
            "functions in the cloud are called with credentials: set TENCENTCLOUD_SECRET_ID and \
             TENCENTCLOUD_SECRET_KEY, or role in [scf] to the role of this virtual machine"
                .to_owned(),
        ))
    }

    /// The credentials of now.
    pub(super) async fn get(&self, client: &HttpClient) -> Result<Arc<Credentials>, AttemptError> {
        match self {
            Self::Fixed(credentials) => Ok(Arc::clone(credentials)),
            Self::Role(role) => role.get(client).await,
        }
    }

    /// These were refused: the next call gets others, if there are any.
    pub(super) fn discard(&self, refused: &Arc<Credentials>) {
        if let Self::Role(role) = self {
            role.discard(refused);
        }
    }

    /// Where they are set.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Fixed(_) => {
                "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (or the variables that SCF sets)"
                    .to_owned()
            }
            Self::Role(role) => format!("the role {} of this virtual machine", role.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Arc<Credentials>, String> {
        let read = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        match CredentialSource::from_environment(read) {
            Ok(CredentialSource::Fixed(credentials)) => Ok(credentials),
            Ok(CredentialSource::Role(_)) => Err("a role".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_sdks_variables_come_before_scfs() {
        let sdk = [("TENCENTCLOUD_SECRET_ID", "id-1"), ("TENCENTCLOUD_SECRET_KEY", "key-1")];
        let scf = [
            ("TENCENTCLOUD_SECRETID", "id-2"),
            ("TENCENTCLOUD_SECRETKEY", "key-2"),
            ("TENCENTCLOUD_SESSIONTOKEN", "token-2"),
        ];
        let credentials = from(&[&sdk[..], &scf[..]].concat()).expect("credentials");
        assert_eq!(credentials.secret_id(), "id-1");
        assert!(credentials.token().is_none(), "a token belongs to its key pair");
        let credentials = from(&scf).expect("credentials");
        assert_eq!(credentials.secret_id(), "id-2");
        assert_eq!(credentials.token().map(|token| token.expose().to_owned()), Some("token-2".to_owned()));
    }

    #[test]
    fn says_what_to_set() {
        for (variables, named) in [
            (&[][..], "TENCENTCLOUD_SECRET_ID"),
            (&[("TENCENTCLOUD_SECRET_ID", "secret-1")], "TENCENTCLOUD_SECRET_KEY is not"),
            (&[("TENCENTCLOUD_SECRETKEY", "secret-1")], "TENCENTCLOUD_SECRETID is not"),
            (&[("TENCENTCLOUD_SECRET_ID", ""), ("TENCENTCLOUD_SECRET_KEY", "")], "role in [scf]"),
            (
                &[("TENCENTCLOUD_SECRET_ID", "a"), ("TENCENTCLOUD_SECRET_KEY", "secret-1\n")],
                "TENCENTCLOUD_SECRET_KEY",
            ),
        ] {
            let error = from(variables).expect_err(named);
            assert!(error.contains(named) && !error.contains("secret-1"), "{error}");
        }
    }

    #[test]
    fn no_output_shows_them() {
        let credentials = Credentials::new("AKIDx".into(), "secret-key".into(), Some("session".into()))
            .expect("credentials");
        let repeated = credentials.redact("id AKIDx, key secret-key, token session");
        let source = CredentialSource::Fixed(Arc::new(credentials));
        let shown = format!("{source:?} {source:#?} {repeated} {}", source.hint());
        for secret in ["AKIDx", "secret-key", "session"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
