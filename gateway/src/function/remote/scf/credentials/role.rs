//! The credentials of a virtual machine's role, from the address that only the machine itself reaches.
//!
//! They are renewed 300 s before they expire, in the background: calls go on with the old ones meanwhile.

use std::{
    str::FromStr as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri};
use log::{info, warn};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout},
};

use super::Credentials;
use crate::function::remote::{
    attempt::{AttemptError, Retryable},
    client::HttpClient,
};

/// Where a virtual machine finds the credentials of its role.
pub(crate) const METADATA: &str = "http://metadata.tencentyun.com";
const PATH: &str = "/latest/meta-data/cam/security-credentials/";

/// Renewed so long before they expire, as the vendor's SDKs do.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_mins(5);
/// What asking for them may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// From one renewal to the next, at least.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);
/// Larger remaining times are clamped.
const LONGEST_USE: Duration = Duration::from_hours(24);
/// The answer is about a kilobyte.
const MAX_BYTES: usize = 64 * 1024;

/// The credentials of a role.
#[derive(Debug)]
pub struct RoleCredentials {
    shared: Arc<RoleInner>,
}

/// The name of a role, or the address of its credentials, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RoleError(String);

#[derive(Debug)]
struct RoleInner {
    name: String,
    uri: Uri,
    held: Mutex<Option<CachedCredentials>>,
    /// Held while they are being fetched.
    fetching: Arc<Turn<()>>,
}

#[derive(Debug, Clone)]
struct CachedCredentials {
    credentials: Arc<Credentials>,
    renew: Instant,
    expire: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    code: Option<String>,
    #[serde(default)]
    tmp_secret_id: String,
    #[serde(default)]
    tmp_secret_key: String,
    token: Option<String>,
    /// Seconds since the epoch.
    #[serde(default)]
    expired_time: u64,
}

impl RoleCredentials {
    /// Those of the role; the metadata address is `METADATA`, but for tests. Nothing is asked for before the first
    /// call.
    pub fn new(role: &str, metadata: &str) -> Result<Self, RoleError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        if role.is_empty() || !role.bytes().all(valid) {
            return Err(RoleError(format!("{role:?} is no name of a role: see role in [scf]")));
        }
        let uri = Uri::from_str(&format!("{}{PATH}{role}", metadata.trim_end_matches('/')))
            .map_err(|error| RoleError(format!("{metadata:?} is no address of metadata: {error}")))?;
        let shared =
            RoleInner { name: role.to_owned(), uri, held: Mutex::default(), fetching: Arc::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn name(&self) -> &str {
        &self.shared.name
    }

    pub(super) async fn get(&self, client: &HttpClient) -> Result<Arc<Credentials>, AttemptError> {
        if let Some(held) = self.shared.valid() {
            self.renew_if_due(&held, client);
            return Ok(held.credentials);
        }
        let _turn = self.shared.fetching.lock().await;
        // Another call may have fetched them meanwhile.
        if let Some(held) = self.shared.valid() {
            return Ok(held.credentials);
        }
        self.shared.fetch(client).await
    }

    pub(super) fn discard(&self, refused: &Arc<Credentials>) {
        self.shared.held.lock().take_if(|held| Arc::ptr_eq(&held.credentials, refused));
    }

    fn renew_if_due(&self, held: &CachedCredentials, client: &HttpClient) {
        if Instant::now() < held.renew {
            return;
        }
        let Ok(turn) = Arc::clone(&self.shared.fetching).try_lock_owned() else { return };
        let (shared, client) = (Arc::clone(&self.shared), client.clone());
        // Ends within its time-out.
        tokio::spawn(async move {
            let _turn = turn;
            match shared.fetch(&client).await {
                Ok(_) => info!("the credentials of the role {} were renewed", shared.name),
                Err(error) => {
                    warn!("{}; the old ones are used until they expire", error.failure);
                    shared.postpone();
                }
            }
        });
    }
}

impl RoleInner {
    fn valid(&self) -> Option<CachedCredentials> {
        self.held.lock().clone().filter(|held| Instant::now() < held.expire)
    }

    fn postpone(&self) {
        if let Some(held) = &mut *self.held.lock() {
            held.renew = Instant::now() + 10 * RENEWAL_INTERVAL;
        }
    }

    async fn fetch(&self, client: &HttpClient) -> Result<Arc<Credentials>, AttemptError> {
        let metadata = self.ask(client).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_secs(metadata.expired_time).saturating_sub(now).min(LONGEST_USE);
        let credentials = Credentials::new(metadata.tmp_secret_id, metadata.tmp_secret_key, metadata.token)
            .map_err(|error| self.unusable(&error.to_string()))?;
        if left.is_zero() {
            return Err(self.unusable("they have expired by this machine's clock"));
        }
        let credentials = Arc::new(credentials);
        let now = Instant::now();
        *self.held.lock() = Some(CachedCredentials {
            credentials: Arc::clone(&credentials),
            renew: now + left.saturating_sub(RENEW_BEFORE_EXPIRY).max(RENEWAL_INTERVAL),
            expire: now + left,
        });
        Ok(credentials)
    }

    async fn ask(&self, client: &HttpClient) -> Result<Metadata, AttemptError> {
        let request = Request::get(self.uri.clone())
            .body(Full::new(Bytes::new()))
            .map_err(|error| self.unusable(&error.to_string()))?;
        let answer = match timeout(FETCH_TIMEOUT, client.send(request, MAX_BYTES)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => {
                return Err(self.unreachable(&format!("no answer within {} ms", FETCH_TIMEOUT.as_millis())));
            }
        };
        if answer.status == StatusCode::NOT_FOUND {
            return Err(self.unusable("the machine has no such role"));
        }
        if answer.status != StatusCode::OK {
            return Err(self.unreachable(&format!("it answered {}", answer.status)));
        }
        // The body is not shown: it holds the credentials.
        let metadata: Metadata = serde_json::from_slice(&answer.body).map_err(|error| {
            self.unusable(&format!("not the JSON that is expected, {:?}", error.classify()))
        })?;
        match metadata.code.as_deref() {
            Some("Success") => Ok(metadata),
            code => Err(self.unusable(&format!("the code is {}", code.unwrap_or("missing")))),
        }
    }

    fn unreachable(&self, why: &str) -> AttemptError {
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let message = format!(
            "the credentials of the role {} cannot be had from {host}: {why}; only a virtual machine of the cloud reaches \
             it, elsewhere leave role in [scf] out",
            self.name
        );
        AttemptError::down(message, Retryable::Always)
    }

    fn unusable(&self, why: &str) -> AttemptError {
        AttemptError::not_sent(format!(
            "the credentials of the role {} cannot be used: {why}; see role in [scf], and bind it to this machine",
            self.name
        ))
    }
}
