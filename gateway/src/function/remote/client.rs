//! The HTTP client towards functions elsewhere: keeps its connections, speaks TLS, and knows of each failure whether
//! the request may have arrived.

use std::{env, error::Error as _, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{Request, StatusCode, header::HeaderMap};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use log::{info, warn};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::look_up::LookUps;

/// An address that does not answer is given up early enough for another attempt within the usual time-out.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TCP_KEEPALIVE: Duration = Duration::from_mins(1);

/// Which name other certificates than the system's.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Which certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The system's, or those in the file that `SSL_CERT_FILE` names; where there are none, as in an empty container,
    /// Mozilla's, as they were when the gateway was built.
    System,
    /// Those in this PEM file.
    File(PathBuf),
}

/// The client cannot speak TLS.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(String);

type Pool = Client<HttpsConnector<HttpConnector<LookUps>>, Full<Bytes>>;

/// A client; its clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Pool,
    tls: ClientConfig,
    look_ups: LookUps,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a request has no complete answer. The messages are parts of a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The server's certificate is not accepted; another attempt would fare no better.
    #[error("{0}")]
    NotTrusted(String),
    /// No connection, so the request was not sent.
    #[error("{0}")]
    NotSent(String),
    /// The connection ended after the request was sent, perhaps in part.
    #[error("{0}")]
    Cut(String),
    /// The answer is larger than allowed.
    #[error("the answer is larger than allowed")]
    TooLarge,
}

impl HttpClient {
    /// A connection that was idle for longer than `idle` is not used again: this should be less than the servers'
    /// own time-outs, since a request on a connection that the server is just closing is lost.
    pub fn new(trust: &Trust, idle: Duration) -> Result<Self, TrustError> {
        Ok(Self::connecting(tls_config(trust)?, LookUps::default(), idle))
    }

    /// Another client that trusts the same certificates, which are not read again.
    #[must_use]
    pub(crate) fn with_idle(&self, idle: Duration) -> Self {
        Self::connecting(self.tls.clone(), self.look_ups.clone(), idle)
    }

    fn connecting(tls: ClientConfig, look_ups: LookUps, idle: Duration) -> Self {
        Self { client: pool(tls.clone(), look_ups.clone(), idle), tls, look_ups }
    }

    /// Sends a request and reads its whole answer. Redirects are answers.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit_bytes: usize,
    ) -> Result<HttpAnswer, SendError> {
        let response = self.client.request(request).await.map_err(|error| no_answer(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                SendError::TooLarge
            } else {
                SendError::Cut(error.to_string())
            }
        })?;
        Ok(HttpAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

fn no_answer(error: &ClientError) -> SendError {
    let message = reason(error);
    if causes_of(error).any(|cause| {
        matches!(cause.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidCertificate(_)))
    }) {
        return SendError::NotTrusted(message);
    }
    // hyper cancels a request that it had not begun to write when the connection ended.
    let canceled = causes_of(error)
        .any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled));
    if error.is_connect() || canceled { SendError::NotSent(message) } else { SendError::Cut(message) }
}

/// The causes of an error, outermost first; an I/O error that wraps another error counts as both.
fn causes_of(error: &ClientError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| cause_of(*cause))
}

fn cause_of<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The innermost cause says what happened; the ones around it say where, which the caller knows.
fn reason(error: &ClientError) -> String {
    // In the words of TLS libraries this is a manual's page.
    let is_end = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    };
    if causes_of(error).any(is_end) {
        return "the connection ended".to_owned();
    }
    causes_of(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn pool(tls: ClientConfig, look_ups: LookUps, idle: Duration) -> Pool {
    let mut tcp = HttpConnector::new_with_resolver(look_ups);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(idle)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(connector)
}

/// TLS towards a server, whose certificate must be one of these.
pub(crate) fn tls_config(trust: &Trust) -> Result<ClientConfig, TrustError> {
    let roots = roots(trust)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn roots(trust: &Trust) -> Result<RootCertStore, TrustError> {
    match trust {
        Trust::System => system_roots(),
        Trust::File(file) => {
            let loaded = rustls_native_certs::load_certs_from_paths(Some(file), None);
            if let Some(error) = loaded.errors.first() {
                return Err(TrustError(format!(
                    "cannot read the certificates in {}: {error}",
                    file.display()
                )));
            }
            let (roots, unusable) = store(loaded.certs);
            if roots.is_empty() {
                return Err(TrustError(format!(
                    "{} has no certificate that can be used ({unusable} cannot)",
                    file.display()
                )));
            }
            Ok(roots)
        }
    }
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        warn!("certificates of this system: {error}");
    }
    let (mut roots, _) = store(loaded.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    if let Some(variable) = VARIABLES.into_iter().find(|variable| env::var_os(variable).is_some()) {
        let why = loaded.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TrustError(format!("{variable} names no certificate that can be used{why}")));
    }
    info!(
        "this system has no certificates to trust: those that came with the gateway are used; see SSL_CERT_FILE"
    );
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

/// Systems hold some that no library accepts; they are left out, and counted.
fn store(certificates: Vec<CertificateDer<'static>>) -> (RootCertStore, usize) {
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(certificates);
    (roots, unusable)
}
