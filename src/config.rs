//! The configuration: reads the environment variables that every program of this library understands.
//!
//! No other module reads the environment. The settings themselves are defined beside what they configure.

mod environment;
mod error;
mod log_filter;
mod values;
pub(crate) mod variables;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use self::environment::{Environment, RuntimeApiAddress};
pub use self::error::ConfigError;
pub(crate) use self::log_filter::log_filter;
pub use self::variables::Variable;
use crate::context::FunctionInfo;
use crate::net::TrustedRoots;
use crate::push::{PushSettings, PushUrl};
use crate::role::Role;
use crate::store::{RoomName, StoreSettings, StoreUrl};

/// The configuration of a program, from its environment variables.
///
/// It gives typed access to variables of your own; a wrong value ends the program with status 2 and one line that names
/// the variable, its value and what is allowed.
///
/// ```no_run
/// use scf_websocket::{Config, ConfigError, Functions, Program, Variable};
///
/// struct Greeter {
///     greeting: String,
///     repeat: u32,
/// }
///
/// impl Functions for Greeter {}
///
/// fn greeter(config: &Config) -> Result<Greeter, ConfigError> {
///     config.require_push("the greeting")?;
///     Ok(Greeter {
///         greeting: config.require("GREETING", "any text")?,
///         repeat: config.get("WS_REPEAT", "a number")?.unwrap_or(1),
///     })
/// }
///
/// fn main() -> std::process::ExitCode {
///     const REPEAT: Variable =
///         Variable { name: "WS_REPEAT", values: "how often to greet, a number", default: "`1`" };
///     Program::new().variables(&[REPEAT]).main(greeter)
/// }
/// ```
#[derive(Debug)]
pub struct Config {
    environment: Environment,
    role: Role,
    push: Option<PushSettings>,
    store: Option<StoreSettings>,
    integration_response: bool,
}

impl Config {
    /// Reads the variables. `default_role` applies if `WS_ROLE` is not set.
    pub(crate) fn read(environment: Environment, default_role: Option<Role>) -> Result<Self, ConfigError> {
        let role = environment.parsed("WS_ROLE", Role::parse)?.or(default_role);
        let url = environment.parsed("WS_PUSH_URL", PushUrl::parse)?;
        let concurrency = environment.parsed("WS_PUSH_CONCURRENCY", values::concurrency)?;
        let concurrency = concurrency.unwrap_or(values::DEFAULT_CONCURRENCY);
        let trusted_roots = TrustedRoots::new(environment.text("SSL_CERT_FILE")?.map(Into::into));
        let store = store(&environment, &trusted_roots)?;
        let integration_response = environment.parsed("WS_INTEGRATION_RESPONSE", values::boolean)?;
        let Some(role) = role else {
            return Err(ConfigError::missing("WS_ROLE", Role::ALLOWED));
        };
        Ok(Self {
            environment,
            role,
            push: url.map(|url| PushSettings { url, concurrency, trusted_roots }),
            store,
            integration_response: integration_response.unwrap_or(false),
        })
    }

    /// The role of the function (`WS_ROLE`); [`Role::Auto`] by default.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The text of a variable; `None` if it is not set.
    ///
    /// # Errors
    /// If the value is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        self.environment.text(name)
    }

    /// The parsed value of a variable; `None` if it is not set.
    ///
    /// # Errors
    /// If the value does not parse; the message then shows `allowed`, a description of the allowed values.
    pub fn get<T: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<T>, ConfigError> {
        self.get_with(name, |value| value.parse().map_err(|_| allowed.to_owned()))
    }

    /// The value of a variable, parsed by a function of your own whose error describes the allowed values; `None` if
    /// the variable is not set.
    ///
    /// ```
    /// # use scf_websocket::{Config, ConfigError};
    /// /// `GREETINGS="hello,good day"`
    /// fn greetings(config: &Config) -> Result<Vec<String>, ConfigError> {
    ///     config.require_store("the greetings that were used up")?;
    ///     let list = config.get_with("GREETINGS", |text| match text {
    ///         "" => Err("texts, separated by commas".to_owned()),
    ///         list => Ok(list.split(',').map(str::to_owned).collect()),
    ///     })?;
    ///     Ok(list.unwrap_or_else(|| vec!["hello".to_owned()]))
    /// }
    /// ```
    ///
    /// # Errors
    /// If the value does not parse.
    pub fn get_with<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.environment.parsed(name, parse)
    }

    /// The parsed value of a variable that must be set.
    ///
    /// # Errors
    /// If the variable is not set or does not parse.
    pub fn require<T: FromStr>(&self, name: &str, allowed: &str) -> Result<T, ConfigError> {
        self.get(name, allowed)?.ok_or_else(|| ConfigError::missing(name, allowed))
    }

    /// Checks at the start that `WS_PUSH_URL` is set, instead of at the first push. The error ends with `needed by` and
    /// this reason.
    ///
    /// # Errors
    /// If it is not set.
    pub fn require_push(&self, because: &str) -> Result<(), ConfigError> {
        if self.push.is_some() {
            return Ok(());
        }
        let allowed = format!("the reverse push address, http://…; needed by {because}");
        Err(ConfigError::missing("WS_PUSH_URL", &allowed))
    }

    /// Checks at the start that `WS_STORE` is set, instead of at the first use of a room. The error ends with `needed by`
    /// and this reason.
    ///
    /// # Errors
    /// If it is not set.
    pub fn require_store(&self, because: &str) -> Result<(), ConfigError> {
        if self.store.is_some() {
            return Ok(());
        }
        Err(ConfigError::missing("WS_STORE", &format!("{}; needed by {because}", StoreUrl::ALLOWED)))
    }

    pub(crate) fn push(&self) -> Option<&PushSettings> {
        self.push.as_ref()
    }

    pub(crate) fn store(&self) -> Option<&StoreSettings> {
        self.store.as_ref()
    }

    pub(crate) fn integration_response(&self) -> bool {
        self.integration_response
    }

    pub(crate) fn function_info(&self) -> Arc<FunctionInfo> {
        let text = |name| self.environment.text(name).ok().flatten().map(str::to_owned);
        Arc::new(FunctionInfo {
            name: text("SCF_FUNCTIONNAME"),
            version: text("SCF_FUNCTIONVERSION"),
            region: text("TENCENTCLOUD_REGION"),
        })
    }

    /// The settings that are shown after those of the functions in the first line of the log: without secrets.
    pub(crate) fn common_settings(&self) -> impl fmt::Display {
        CommonSettings(self)
    }
}

fn store(
    environment: &Environment,
    trusted_roots: &TrustedRoots,
) -> Result<Option<StoreSettings>, ConfigError> {
    let url = environment.parsed("WS_STORE", StoreUrl::parse)?;
    let default_room = environment.parsed("WS_ROOM", RoomName::parse)?.unwrap_or_default();
    let time_to_live = environment.parsed("WS_STORE_TTL", values::time_to_live)?;
    let time_to_live = time_to_live.unwrap_or(Some(StoreSettings::DEFAULT_TIME_TO_LIVE));
    let trusted_roots = trusted_roots.clone();
    Ok(url.map(|url| StoreSettings { url, default_room, time_to_live, trusted_roots }))
}

struct CommonSettings<'c>(&'c Config);

impl fmt::Display for CommonSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(push) = self.0.push() {
            write!(f, "{push} ")?;
        }
        match self.0.store() {
            Some(store) => store.fmt(f)?,
            None => f.write_str("store=none")?,
        }
        write!(f, " integration_response={}", self.0.integration_response)
    }
}
