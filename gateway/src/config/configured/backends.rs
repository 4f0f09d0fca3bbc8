//! The functions of a configuration, each with what runs it.

use std::{env, fmt, path::Path, sync::Arc};

use parking_lot::Mutex;

use crate::{
    config::{self, Config, Scf, Target},
    function::{
        local::{Processes, Variables},
        remote::{
            Remote, RemoteSettings,
            attempt::Attempt,
            client::{HttpClient, Trust, TrustError},
            http::{self, HttpFunction},
            scf::{
                self, RegionError, ScfClient, ScfFunction,
                credentials::{CredentialSource, CredentialsError, METADATA, RoleCredentials, RoleError},
            },
        },
    },
    start::api::{Api, FunctionSource},
};

/// Reads a variable of the environment.
type ReadVariable = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What functions elsewhere are called with: kept connections and credentials. It outlives reloads.
pub struct Backends {
    variables: ReadVariable,
    clients: Mutex<Option<BackendClients>>,
    /// The one of the last configuration that needed one.
    cloud: Mutex<Option<(Scf, Arc<ScfClient>)>>,
}

/// Kept connections; servers differ in how long they keep them.
#[derive(Clone)]
struct BackendClients {
    http: HttpClient,
    cloud: HttpClient,
}

/// Why functions elsewhere cannot be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendsError {
    /// There are no certificates to trust.
    #[error("{0}")]
    Tls(#[source] TrustError),
    /// There are no credentials.
    #[error("{0}")]
    Credentials(#[source] CredentialsError),
    /// The role cannot be used.
    #[error("scf.role: {0}")]
    Role(#[source] RoleError),
    /// The region cannot be used.
    #[error("scf.region: {0}")]
    Region(#[source] RegionError),
}

impl Backends {
    /// With credentials from the environment of this process. Nothing is read before a configuration needs it.
    #[must_use]
    pub fn new() -> Self {
        Self::with_variables(|name| env::var(name).ok())
    }

    /// With credentials from these variables.
    #[must_use]
    pub(crate) fn with_variables(variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(variables), clients: Mutex::default(), cloud: Mutex::default() }
    }

    /// The APIs of a configuration.
    pub fn apis(&self, config: &Config) -> Result<Vec<Api>, BackendsError> {
        let inherited = if config.fixed.web_function.is_some() { inherited() } else { Variables::default() };
        let with_inherited = |api: &config::ApiConfig| {
            let env = inherited.iter().chain(api.env.iter()).map(|(name, value)| (name, value.clone()));
            config::ApiConfig { env: env.collect(), ..api.clone() }
        };
        config.apis.iter().map(|api| self.api(&with_inherited(api), &config.scf)).collect()
    }

    fn api(&self, api: &config::ApiConfig, scf: &Scf) -> Result<Api, BackendsError> {
        let source = |target| self.source(target, api, scf);
        let mut built = Api::new(
            api.path.as_str(),
            source(&api.register)?,
            source(&api.transfer)?,
            source(&api.cleanup)?,
        );
        built.settings = api.settings.clone();
        Ok(built)
    }

    fn source(
        &self,
        target: &Target,
        api: &config::ApiConfig,
        scf: &Scf,
    ) -> Result<FunctionSource, BackendsError> {
        Ok(match target {
            Target::Process(program) => processes(program, api).into(),
            Target::Http(address) => remote(self.http(address)?, api).into(),
            Target::Scf(function) => remote(self.scf(function, scf)?, api).into(),
        })
    }

    /// A function at an HTTP address.
    pub(super) fn http(&self, address: &http::Address) -> Result<HttpFunction, BackendsError> {
        Ok(HttpFunction::new(self.clients()?.http, address.clone()))
    }

    /// A function in the cloud.
    pub(super) fn scf(&self, target: &scf::ScfTarget, scf: &Scf) -> Result<ScfFunction, BackendsError> {
        Ok(ScfFunction::new(self.cloud(scf)?, target.clone()))
    }

    fn clients(&self) -> Result<BackendClients, BackendsError> {
        let mut clients = self.clients.lock();
        if let Some(clients) = &*clients {
            return Ok(clients.clone());
        }
        let http = HttpClient::new(&Trust::System, http::IDLE).map_err(BackendsError::Tls)?;
        let cloud = http.with_idle(scf::IDLE);
        Ok(clients.insert(BackendClients { http, cloud }).clone())
    }

    fn cloud(&self, scf: &Scf) -> Result<Arc<ScfClient>, BackendsError> {
        let http = self.clients()?.cloud;
        let mut cloud = self.cloud.lock();
        if let Some((known, client)) = &*cloud
            && known == scf
        {
            return Ok(Arc::clone(client));
        }
        let credentials = match &scf.role {
            Some(role) => {
                let credentials = RoleCredentials::new(role, METADATA).map_err(BackendsError::Role)?;
                CredentialSource::Role(credentials)
            }
            None => {
                CredentialSource::from_environment(&self.variables).map_err(BackendsError::Credentials)?
            }
        };
        let region = scf.region.as_deref().unwrap_or_default();
        let client = ScfClient::new(http, scf.endpoint.clone(), region, credentials);
        let client = Arc::new(client.map_err(BackendsError::Region)?);
        *cloud = Some((scf.clone(), Arc::clone(&client)));
        Ok(client)
    }
}

impl Default for Backends {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Backends").finish_non_exhaustive()
    }
}

/// A web function's variables, which are also those of the functions in it: all but the platform's and the gateway's own.
fn inherited() -> Variables {
    let all = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(|(name, _)| config::check_variable_name(name).is_ok() && !name.starts_with("GATEWAY_"))
        .collect()
}

fn processes(program: &Path, api: &config::ApiConfig) -> Processes {
    let mut processes = Processes::new(program);
    processes.env = api.env.clone();
    processes.init_timeout = api.init_timeout;
    processes.timeout = api.function_timeout;
    processes.memory_mb = api.memory_mb;
    processes
}

fn remote<A: Attempt + 'static>(function: A, api: &config::ApiConfig) -> Arc<Remote<A>> {
    Arc::new(Remote::new(function, RemoteSettings::new(api.function_timeout)))
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;
    use crate::config::Environment;

    fn apis(text: &str, backends: &Backends) -> Result<Vec<Api>, BackendsError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, text).expect("a file");
        let config = Config::load(&file, &Environment::default()).expect("a configuration");
        backends.apis(&config)
    }

    #[test]
    fn an_api_is_as_the_file_says() {
        let text = r#"
            [[api]]
            path = "/chat"
            register = "process:/bin/sh"
            transfer = "http://127.0.0.1:1/transfer"
            cleanup = "process:/bin/cat"
            integration_response = true
            idle_timeout_seconds = 7
            function_timeout_seconds = 8
            max_instances = 9
            init_timeout_seconds = 10
            memory_mb = 11
            concurrent_calls = 12
            waiting_calls = 13
            origins = ["https://example.com"]
            [api.env]
            WS_PUSH_TO = "others"
        "#;
        let built = apis(text, &Backends::with_variables(|_| None)).expect("APIs").remove(0);
        assert_eq!(built.path, "/chat");
        let settings = &built.settings;
        let limits = [settings.max_instances, settings.concurrent_calls, settings.waiting_calls];
        assert_eq!(limits.map(NonZeroU32::get), [9, 12, 13]);
        assert_eq!((settings.integration_response, settings.idle_timeout), (true, Duration::from_secs(7)));
        assert_ne!(settings.origins, crate::connection::origin::Origins::Any);
        assert!(matches!(built.transfer, FunctionSource::Backend(_)));
        let FunctionSource::Processes(processes) = built.register else { panic!("processes") };
        assert_eq!(processes.program, Path::new("/bin/sh"));
        assert_eq!(processes.env, [("WS_PUSH_TO", "others")].into_iter().collect());
        let times = (processes.init_timeout, processes.timeout, processes.memory_mb);
        assert_eq!(times, (Duration::from_secs(10), Duration::from_secs(8), 11));
    }

    const CLOUD: &str = "[scf]\nregion = \"ap-guangzhou\"\n[[api]]\npath = \"/\"\nregister = \"scf:r\"\n\
                         transfer = \"scf:t\"\ncleanup = \"scf:c\"\n";

    #[test]
    fn without_credentials_the_error_says_what_to_set() {
        let error = apis(CLOUD, &Backends::with_variables(|_| None)).expect_err("no credentials").to_string();
        assert!(error.contains("TENCENTCLOUD_SECRET_ID") && error.contains("role in [scf]"), "{error}");
    }

    #[test]
    fn a_role_needs_no_credentials_in_the_environment() {
        let text = CLOUD.replace("[[api]]", "role = \"gateway\"\n[[api]]");
        assert_eq!(apis(&text, &Backends::with_variables(|_| None)).expect("APIs").len(), 1);
    }
}
