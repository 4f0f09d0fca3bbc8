//! A gateway in the test's own process, whose functions are no processes either.

use std::{net::Ipv4Addr, sync::Arc};

use scf_websocket_gateway::{
    Api, Builder, ClientSettings,
    function::{Failure, FunctionBackend, Role},
    registry::ConnectionRegistry,
};
use serde_json::Value;

use crate::{AsyncFn, Echo, Gateway, functions::TestFunctions, gateway::Host, log};

/// A gateway about to be started.
#[must_use = "a gateway runs once it is started"]
pub struct InProcess {
    functions: Arc<dyn TestFunctions>,
    api: Api,
    builder: Builder,
}

impl InProcess {
    /// Functions that follow the commands of [`Echo`].
    pub fn echo() -> Self {
        Self::with(Arc::new(Echo::default()))
    }

    /// All three functions are this one.
    pub fn of<F, R>(function: F) -> Self
    where
        F: Fn(Role, Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        Self::with(Arc::new(AsyncFn::new(function)))
    }

    fn with<F: TestFunctions + FunctionBackend + 'static>(functions: Arc<F>) -> Self {
        let api = Api::of("/", Arc::clone(&functions));
        let builder = scf_websocket_gateway::Gateway::builder().listen((Ipv4Addr::LOCALHOST, 0).into());
        Self { functions, api, builder }
    }

    /// Changes the API.
    pub fn api(mut self, change: impl FnOnce(&mut Api)) -> Self {
        change(&mut self.api);
        self
    }

    /// Changes the gateway.
    pub fn gateway(mut self, change: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// How clients are served, if not as they are by default.
    pub fn clients(self, change: impl FnOnce(&mut ClientSettings)) -> Self {
        let mut settings = ClientSettings::default();
        change(&mut settings);
        self.gateway(|builder| builder.clients(settings))
    }

    /// Who holds the connections.
    pub fn registry(self, registry: Arc<dyn ConnectionRegistry>) -> Self {
        self.gateway(|builder| builder.registry(registry))
    }

    pub async fn start(self) -> Gateway {
        log::keep();
        let running = self.builder.api(self.api).start().await.expect("the gateway starts");
        self.functions.push_to(&running.push_url());
        Gateway {
            clients: format!("{}/", running.client_url()),
            push: running.push_url().to_string(),
            client_page: None,
            page: running.has_page().then(|| format!("http://{}/", running.addr())),
            host: Host::InProcess { running: Some(running), functions: self.functions },
        }
    }
}
