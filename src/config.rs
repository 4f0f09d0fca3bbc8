//! Every environment variable: its name, its values, its default, its line of help.
//!
//! Nothing else in the crate reads the environment. [`Config::from_env`] reads it once, before the
//! runtime API hears anything, and gives each role exactly what it needs: a transfer function that pushes
//! holds its push address, one that does not has none.

mod line;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use log::LevelFilter;
use ureq::http::Uri;

use self::values::{
    Allowed, PushTo, ROLES, RoleName, boolean, concurrency, connection_ids, encoding, list_of_sub_protocols,
    push_to, role_name, time_to_live,
};
use crate::push::PushUrl;
use crate::store::{RoomName, RoomSettings, StoreUrl};

/// A variable as `--help` and the README's table show it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The values it takes, in Markdown.
    pub values: &'static str,
    /// What holds when it is not set, in Markdown.
    pub default: &'static str,
}

/// The variables of the product, in the order of the README's table.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "WS_ROLE",
        values: "`register`, `transfer`, `cleanup`, or `auto`: by each event's `websocket.action`, so that one function can serve all three",
        default: "required",
    },
    Variable {
        name: "WS_PUSH_URL",
        values: "the reverse push address, `http://…` (`https://…` in a build with the cargo feature `tls`)",
        default: "required where something is pushed or closed",
    },
    Variable {
        name: "WS_PUSH_TO",
        values: "whom a frame goes to: `sender`, `none`, `others` (everybody in the room but the sender), `all`, or connection ids separated by commas",
        default: "`sender`",
    },
    Variable {
        name: "WS_PUSH_ENCODING",
        values: "text frames: `json` sends the frame as a JSON string, quotes and all; `raw` sends it as received (binary frames are never changed)",
        default: "`json`",
    },
    Variable { name: "WS_PUSH_CONCURRENCY", values: "pushes in flight at once, 1 to 256", default: "`32`" },
    Variable {
        name: "WS_CLOSE",
        values: "connection ids separated by commas that the cleanup role closes with each event",
        default: "none",
    },
    Variable {
        name: "WS_SUBPROTOCOLS",
        values: "accepted sub-protocols separated by commas, the preferred one first; a client that offers none of them is refused with `errNo` 103",
        default: "the client's list goes back as it came",
    },
    Variable {
        name: "WS_STORE",
        values: "where connections are recorded: `dir:/absolute/path` of a directory, or `redis://[user:password@]host[:port][/db]` (`rediss://…` in a build with the cargo feature `tls`)",
        default: "none; required by `others` and `all`",
    },
    Variable {
        name: "WS_ROOM",
        values: "which set of connections this API uses: letters, digits, `.`, `_`, `-`, at most 64",
        default: "`default`",
    },
    Variable {
        name: "WS_STORE_TTL",
        values: "seconds after which a silent connection is dropped; `0` = never",
        default: "`86400`",
    },
    Variable {
        name: "WS_INTEGRATION_RESPONSE",
        values: "`true` wraps each answer as an integration response, `false` does not",
        default: "`false`",
    },
    Variable {
        name: "RUST_LOG",
        values: "`off`, `error`, `warn`, `info`, `debug` (payloads too), `trace`, or `module=level` pairs separated by commas",
        default: "`info`",
    },
];

/// Everything that the environment decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the runtime API listens: `host:port`.
    pub runtime_api: Uri,
    /// What the user's own variables set.
    pub settings: Settings,
}

/// What the user's own variables set; SCF's variables have no part in it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this function is, with all that it needs.
    pub role: Role,
    /// Whether answers are wrapped as integration responses.
    pub integration_response: bool,
}

/// The function's role and its settings.
#[derive(Debug, Clone)]
pub enum Role {
    /// Decides whether a client may connect.
    Register(Register),
    /// Pushes a client's frame on.
    Transfer(Transfer),
    /// Hears that a client has left.
    Cleanup(Cleanup),
    /// Is each of the three, by the event's action.
    Auto(Box<Auto>),
}

/// Settings of a function that serves all roles.
#[derive(Debug, Clone)]
pub struct Auto {
    /// For connecting events.
    pub register: Register,
    /// For frames.
    pub transfer: Transfer,
    /// For closing events.
    pub cleanup: Cleanup,
}

/// Settings of the register role.
#[derive(Debug, Clone)]
pub struct Register {
    /// Which sub-protocols are accepted.
    pub sub_protocols: SubProtocols,
    /// Where connections are recorded.
    pub room: Option<RoomSettings>,
}

/// Which sub-protocols the register role accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubProtocols {
    /// The client's list goes back as it came.
    AsOffered,
    /// The first of these that the client offered; never empty.
    Known(Vec<String>),
}

/// Settings of the transfer role.
#[derive(Debug, Clone)]
pub enum Transfer {
    /// Frames are answered and pushed to nobody.
    Silent {
        /// Where the sender's time is renewed.
        room: Option<RoomSettings>,
    },
    /// Frames are pushed on.
    Push {
        /// Where to.
        push: PushSettings,
        /// Whom a frame goes to.
        to: Recipients,
        /// How a text frame is written.
        encoding: TextEncoding,
    },
}

/// The gateway's side of a push.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// The reverse push address.
    pub url: PushUrl,
    /// Pushes in flight at once.
    pub concurrency: NonZeroUsize,
}

/// Whom a frame goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// The client that sent it.
    Sender {
        /// Where its time is renewed.
        room: Option<RoomSettings>,
    },
    /// These connection ids.
    Fixed {
        /// Never empty.
        ids: Vec<String>,
        /// Where the sender's time is renewed.
        room: Option<RoomSettings>,
    },
    /// Everybody in the room.
    Room {
        /// The room.
        room: RoomSettings,
        /// Or everybody but the sender.
        with_sender: bool,
    },
}

/// How a text frame is written into a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// As a JSON string, quotes and all, in ASCII: what the vendor's sample sends.
    Json,
    /// As received.
    Raw,
}

/// Settings of the cleanup role.
#[derive(Debug, Clone)]
pub struct Cleanup {
    /// What is closed with each event.
    pub close: Option<Close>,
    /// Where connections are forgotten.
    pub room: Option<RoomSettings>,
}

/// Connections that are closed with each event.
#[derive(Debug, Clone)]
pub struct Close {
    /// Where to say so.
    pub push: PushSettings,
    /// Connection ids; never empty.
    pub connections: Vec<String>,
}

/// A variable whose value cannot be used: one line that says which, what it holds and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn not_allowed(name: &str, value: &str, allowed: &str) -> Self {
        Self(format!("{name} is {value:?}; allowed: {allowed}"))
    }

    fn missing(name: &str, allowed: &str) -> Self {
        Self(format!("{name} is not set; allowed: {allowed}"))
    }
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads the given variables: what [`Config::from_env`] does with the process's own.
    ///
    /// A value that is set and wrong is reported before one that is missing, and the missing runtime API
    /// before a missing role: whoever starts the program by hand learns first what it is for.
    pub fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let env = Environment::read(vars)?;
        let (runtime_api, settings) = read(&env, Environment::runtime_api)?;
        Ok(Self { runtime_api, settings })
    }
}

impl Settings {
    /// Reads the process's environment, SCF's variables left alone: what `--check` checks.
    pub fn from_env() -> Result<Self, ConfigError> {
        let env = Environment::read(std::env::vars_os())?;
        let ((), settings) = read(&env, |_| Ok(()))?;
        Ok(settings)
    }
}

/// Reads all variables, those of SCF by the given function.
fn read<S>(
    env: &Environment,
    scf: impl FnOnce(&Environment) -> Result<S, ConfigError>,
) -> Result<(S, Settings), ConfigError> {
    let sub_protocols = env.parsed("WS_SUBPROTOCOLS", list_of_sub_protocols)?;
    let role = env.parsed("WS_ROLE", role_name)?;
    let push = PushVariables {
        url: env.parsed("WS_PUSH_URL", PushUrl::parse)?,
        concurrency: env.parsed("WS_PUSH_CONCURRENCY", concurrency)?.unwrap_or(DEFAULT_CONCURRENCY),
    };
    let to = env.parsed("WS_PUSH_TO", push_to)?.unwrap_or(PushTo::Sender);
    let encoding = env.parsed("WS_PUSH_ENCODING", encoding)?.unwrap_or(TextEncoding::Json);
    let close = env.parsed("WS_CLOSE", connection_ids)?;
    let room = room(env)?;
    let integration_response = env.parsed("WS_INTEGRATION_RESPONSE", boolean)?.unwrap_or(false);

    let scf = scf(env)?;
    let Some(role) = role else {
        return Err(ConfigError::missing("WS_ROLE", ROLES));
    };
    let register = Register {
        sub_protocols: sub_protocols.map_or(SubProtocols::AsOffered, SubProtocols::Known),
        room: room.clone(),
    };
    let role = match role {
        RoleName::Register => Role::Register(register),
        RoleName::Transfer => Role::Transfer(transfer(to, encoding, &push, room)?),
        RoleName::Cleanup => Role::Cleanup(cleanup(close, &push, room)?),
        RoleName::Auto => Role::Auto(Box::new(Auto {
            register,
            transfer: transfer(to, encoding, &push, room.clone())?,
            cleanup: cleanup(close, &push, room)?,
        })),
    };
    Ok((scf, Settings { role, integration_response }))
}

fn transfer(
    to: PushTo,
    encoding: TextEncoding,
    push: &PushVariables,
    room: Option<RoomSettings>,
) -> Result<Transfer, ConfigError> {
    let to = match to {
        PushTo::Nobody => return Ok(Transfer::Silent { room }),
        PushTo::Sender => Recipients::Sender { room },
        PushTo::Fixed(ids) => Recipients::Fixed { ids, room },
        PushTo::Room { with_sender } => {
            let room = room.ok_or_else(|| {
                ConfigError::missing(
                    "WS_STORE",
                    &format!("{}, since WS_PUSH_TO others and all need one", StoreUrl::ALLOWED),
                )
            })?;
            Recipients::Room { room, with_sender }
        }
    };
    Ok(Transfer::Push { push: push.settings("WS_PUSH_TO (sender where it is not set)")?, to, encoding })
}

fn cleanup(
    close: Option<Vec<String>>,
    push: &PushVariables,
    room: Option<RoomSettings>,
) -> Result<Cleanup, ConfigError> {
    let close = match close {
        None => None,
        Some(connections) => Some(Close { push: push.settings("WS_CLOSE")?, connections }),
    };
    Ok(Cleanup { close, room })
}

fn room(env: &Environment) -> Result<Option<RoomSettings>, ConfigError> {
    let store = env.parsed("WS_STORE", StoreUrl::parse)?;
    let name = env.parsed("WS_ROOM", RoomName::parse)?.unwrap_or_default();
    let time_to_live = env.parsed("WS_STORE_TTL", time_to_live)?.unwrap_or(Some(DEFAULT_TIME_TO_LIVE));
    Ok(store.map(|store| RoomSettings { store, name, time_to_live }))
}

/// The log's filter, from `RUST_LOG`: an `env_logger` directive string.
///
/// Read apart from [`Config`] because the log must stand before a configuration error can be reported.
pub fn log_filter() -> Result<String, ConfigError> {
    const NAME: &str = "RUST_LOG";
    const ALLOWED: &str = "off, error, warn, info, debug, trace, or module=level pairs separated by commas";
    let Some(value) = std::env::var_os(NAME) else {
        return Ok(own_level(LevelFilter::Info));
    };
    let value = text(NAME, value, ALLOWED)?;
    if let Ok(level) = value.trim().parse::<LevelFilter>() {
        return Ok(own_level(level));
    }
    let pairs = value.split(',').all(|part| match part.split_once('=') {
        Some((module, level)) => !module.trim().is_empty() && level.trim().parse::<LevelFilter>().is_ok(),
        None => part.trim().parse::<LevelFilter>().is_ok(),
    });
    if pairs { Ok(value) } else { Err(ConfigError::not_allowed(NAME, &value, ALLOWED)) }
}

/// A bare level speaks of this crate: the HTTP client's own chatter would drown it, and at `debug` prints
/// addresses whose path is a secret.
fn own_level(level: LevelFilter) -> String {
    format!("{},scf_websocket={level},bootstrap={level}", level.min(LevelFilter::Warn))
}

impl Role {
    /// The value of `WS_ROLE`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Transfer(_) => "transfer",
            Self::Cleanup(_) => "cleanup",
            Self::Auto(_) => "auto",
        }
    }
}

const DEFAULT_CONCURRENCY: NonZeroUsize = NonZeroUsize::new(32).unwrap();
const DEFAULT_TIME_TO_LIVE: Duration = Duration::from_hours(24);

/// What the environment says of pushes, needed or not.
struct PushVariables {
    url: Option<PushUrl>,
    concurrency: NonZeroUsize,
}

impl PushVariables {
    fn settings(&self, because: &str) -> Result<PushSettings, ConfigError> {
        let url = self.url.clone().ok_or_else(|| {
            let allowed = format!("the reverse push address, http://…, since {because} needs one");
            ConfigError::missing("WS_PUSH_URL", &allowed)
        })?;
        Ok(PushSettings { url, concurrency: self.concurrency })
    }
}

/// The variables that concern this program, as text.
struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Names that begin with `WS_` are this program's: one that it does not know is a slip of the pen that
    /// would otherwise silently leave a default in force.
    fn read(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut known = BTreeMap::new();
        for (name, value) in vars {
            let Some(name) = name.to_str() else { continue };
            let ours = VARIABLES.iter().any(|variable| variable.name == name);
            if !ours && name.starts_with("WS_") {
                let names: Vec<_> =
                    VARIABLES.iter().map(|v| v.name).filter(|n| n.starts_with("WS_")).collect();
                return Err(ConfigError(format!(
                    "{name} is not a variable of this program; allowed: {}",
                    names.join(", ")
                )));
            }
            if ours || matches!(name, RUNTIME_API | RUNTIME_API_PORT) {
                known.insert(name.to_owned(), text(name, value, "UTF-8 text")?);
            }
        }
        Ok(Self(known))
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Allowed>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let parsed = parse(value)
            .map_err(|allowed| ConfigError::not_allowed(name, &without_credentials(value), &allowed))?;
        Ok(Some(parsed))
    }

    fn runtime_api(&self) -> Result<Uri, ConfigError> {
        let Some(host) = self.0.get(RUNTIME_API) else {
            return Err(ConfigError(format!(
                "{RUNTIME_API} is not set: SCF starts this program and sets it; `make run` tries it on this machine"
            )));
        };
        let Some(port) = self.0.get(RUNTIME_API_PORT) else {
            return Err(ConfigError::missing(RUNTIME_API_PORT, "the runtime API's port, which SCF sets"));
        };
        if port.parse::<u16>().is_err() {
            return Err(ConfigError::not_allowed(RUNTIME_API_PORT, port, "a port, 0 to 65535"));
        }
        format!("http://{host}:{port}/")
            .parse()
            .map_err(|_| ConfigError::not_allowed(RUNTIME_API, host, "a host name or address"))
    }
}

const RUNTIME_API: &str = "SCF_RUNTIME_API";
const RUNTIME_API_PORT: &str = "SCF_RUNTIME_API_PORT";

fn text(name: &str, value: OsString, allowed: &str) -> Result<String, ConfigError> {
    value.into_string().map_err(|raw| ConfigError::not_allowed(name, &raw.to_string_lossy(), allowed))
}

/// The value as an error may show it: what stands before an `@` in a URL is a password.
fn without_credentials(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &value[..scheme], &value[at..]),
        _ => value.to_owned(),
    }
}
