//! How clients are served: the settings that apply to all of them, and what is counted across them.
//!
//! A connection takes the settings of the moment at which it is accepted and keeps them until its end.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use log::warn;

use crate::{
    admin::Readiness,
    connection::{
        compression::Compression,
        limits::{
            self, Admission, AttributeCount, AttributePermit, Limit, Limits, Listener, Permit,
            TcpConnections, UnfinishedMessages,
        },
        timeouts::Timeouts,
        web_function::WebFunction,
    },
    contract::Attributes,
    observe::{
        log_limit::LogLimit,
        metrics::{
            Metrics,
            labels::{ReloadOutcome, Reloadable},
        },
        refusals::Refusals,
    },
    server::{
        client_address::{Proxies, check_for_unlisted_proxy},
        tls::{CertificateError, CertificateFiles, Reloaded, Tls, TlsError},
        transport::Transport,
    },
    start::file_limit::FileShares,
};

/// The settings of the address where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The certificate with which clients are served; without one, clients connect with `ws://`.
    pub tls: Option<CertificateFiles>,
    /// The proxies in front.
    pub proxies: Proxies,
    /// How much clients may do.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// How frames are compressed for clients that offer it, where an API does not do without; `None`: they are not.
    pub compression: Option<Compression>,
    /// Over how long the connections are closed at shutdown.
    pub drain: Duration,
    /// Where the gateway runs inside a web function: what the platform allows.
    pub web_function: Option<WebFunction>,
}

impl Default for ClientSettings {
    /// No TLS, no proxies, no limits but those on bytes, and a shutdown that closes every connection at once.
    fn default() -> Self {
        Self {
            tls: None,
            proxies: Proxies::default(),
            limits: Limits::unlimited(),
            timeouts: Timeouts::default(),
            compression: None,
            drain: Duration::ZERO,
            web_function: None,
        }
    }
}

/// What a connection takes with it.
#[derive(Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) settings: ClientSettings,
    pub(crate) transport: Transport,
    /// Those of all connections.
    pub(crate) unfinished: Arc<UnfinishedMessages>,
}

/// The settings in force, and the counts.
pub(crate) struct Clients {
    current: ArcSwap<ConnectionSettings>,
    admission: Admission,
    by_attribute: AttributeCount,
    pub(crate) tcp: TcpConnections,
    tls: Option<Arc<Tls>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    pub(crate) refusals: Arc<Refusals>,
    unlisted_proxy_is_logged: AtomicBool,
    /// Lines about the limits, by their keys.
    log_limits: [LogLimit; limits::KEYS.len()],
}

impl Clients {
    /// Reads the certificate, if there is one.
    pub(crate) fn new(settings: ClientSettings, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        let tls = settings.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        if let Some(tls) = &tls {
            metrics.certificate_expires(tls.expires());
        }
        metrics.limits(&settings.limits);
        let admission = Admission::new(settings.limits.clone());
        let tcp = TcpConnections::new(settings.limits.clone(), FileShares::now());
        let unfinished =
            UnfinishedMessages::new(settings.limits.unfinished_bytes, metrics.unfinished_bytes.clone());
        let current = ConnectionSettings::new(settings, tls.clone(), &metrics, Arc::new(unfinished));
        Ok(Self {
            current: ArcSwap::from_pointee(current),
            admission,
            by_attribute: AttributeCount::default(),
            tcp,
            tls,
            refusals: Arc::new(Refusals::new(Arc::clone(&metrics))),
            metrics,
            readiness: Readiness::default(),
            unlisted_proxy_is_logged: AtomicBool::new(false),
            log_limits: Default::default(),
        })
    }

    /// How many clients are connected, or about to be.
    pub(crate) fn open(&self) -> usize {
        self.admission.open()
    }

    /// Until when the certificate is valid, if there is one.
    pub(crate) fn certificate_expires(&self) -> Option<SystemTime> {
        self.tls.as_ref().map(|tls| tls.expires())
    }

    /// The settings for a connection that is accepted now.
    pub(crate) fn current(&self) -> Arc<ConnectionSettings> {
        self.current.load_full()
    }

    /// Whether clients connect with `wss://`.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Other settings for the connections to come. Whether there is TLS at all does not change. A certificate that
    /// cannot be used is logged, and the one in use stays.
    pub(crate) fn apply(&self, settings: ClientSettings) {
        if let (Some(tls), Some(files)) = (&self.tls, &settings.tls) {
            self.note_reload(tls, &tls.reload(files.clone()));
        }
        self.metrics.limits(&settings.limits);
        self.admission.set_limits(settings.limits.clone());
        self.tcp.set_limits(settings.limits.clone());
        let unfinished = Arc::clone(&self.current.load().unfinished);
        unfinished.set_limit(settings.limits.unfinished_bytes);
        let current = ConnectionSettings::new(settings, self.tls.clone(), &self.metrics, unfinished);
        self.current.store(Arc::new(current));
    }

    /// Looks for new certificate files for as long as it is polled.
    pub(crate) async fn watch_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        tls.watch(|looked| self.note_reload(tls, looked)).await;
    }

    fn note_reload(&self, tls: &Tls, looked: &Result<Reloaded, CertificateError>) {
        match looked {
            Ok(Reloaded::Unchanged) => {}
            Ok(Reloaded::Replaced) => self.metrics.reload(Reloadable::Certificate, ReloadOutcome::Applied),
            Err(_) => self.metrics.reload(Reloadable::Certificate, ReloadOutcome::Rejected),
        }
        self.metrics.certificate_expires(tls.expires());
    }

    /// The address of the client behind a request.
    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let current = self.current.load();
        if current.settings.web_function.is_some() {
            return WebFunction::client(headers).unwrap_or(peer);
        }
        let proxies = &current.settings.proxies;
        if let Err(sentence) = check_for_unlisted_proxy(proxies, peer, headers)
            && !self.unlisted_proxy_is_logged.swap(true, Ordering::Relaxed)
        {
            warn!("{sentence}");
        }
        proxies.client(peer, headers)
    }

    /// Counts a TCP connection that was accepted from this address. One that serves many clients does not count by itself.
    pub(crate) fn accept(&self, listener: Listener, peer: IpAddr) -> Result<Permit, Limit> {
        let settings = &self.current.load().settings;
        let serves_many = settings.web_function.is_some() || settings.proxies.trust(peer);
        let admitted = self.tcp.admit(listener, (!serves_many).then_some(peer));
        admitted.inspect_err(|limit| self.metrics.limit_hit(*limit))
    }

    /// A proxy has named the client of a TCP connection, unless that is a proxy too.
    pub(crate) fn assign(&self, permit: &mut Permit, client: IpAddr) -> Result<(), Limit> {
        if self.current.load().settings.proxies.trust(client) {
            return Ok(());
        }
        self.tcp.assign(permit, client).inspect_err(|limit| self.metrics.limit_hit(*limit))
    }

    /// How often refusals by this limit are a line of the log.
    pub(crate) fn log_limit(&self, limit: Limit) -> &LogLimit {
        let index = limits::KEYS.iter().position(|key| *key == limit.key());
        &self.log_limits[index.unwrap_or_default()]
    }

    /// Counts a handshake of this address, and the connection that it may become.
    pub(crate) fn admit(&self, client: IpAddr) -> Result<Permit, Limit> {
        self.admission.admit(client).inspect_err(|limit| self.metrics.limit_hit(*limit))
    }

    /// Counts a connection by what the register function has said of its client.
    pub(crate) fn admit_attributes(&self, attributes: &Attributes) -> Result<Option<AttributePermit>, Limit> {
        let current = self.current.load();
        let admitted =
            self.by_attribute.admit(&current.settings.limits.connections_per_attribute, attributes);
        admitted.inspect_err(|limit| self.metrics.limit_hit(*limit))
    }
}

impl ConnectionSettings {
    fn new(
        settings: ClientSettings,
        tls: Option<Arc<Tls>>,
        metrics: &Arc<Metrics>,
        unfinished: Arc<UnfinishedMessages>,
    ) -> Self {
        let proxies = Arc::new(settings.proxies.clone());
        let transport = Transport::new(proxies, tls, &settings.timeouts, Arc::clone(metrics));
        Self { settings, transport, unfinished }
    }
}
