//! What a binary does around its functions, from cold start to exit status: command line, log, configuration, the loop.

use std::borrow::Cow;
use std::env;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use env_logger::Target;
use log::{error, info};

use crate::config::{Config, ConfigError, Environment, RuntimeApiAddress, Variable, log_filter, variables};
use crate::context::Resources;
use crate::dispatch::Dispatcher;
use crate::error::{Chain, Error};
use crate::functions::Functions;
use crate::role::Role;
use crate::runtime;

/// How long a check waits for the store, and for the push address: the time limit of a function by default.
const ONLINE_TIMEOUT: Duration = Duration::from_secs(3);

/// Functions, or a result that holds them: what the closure of [`main`] may return.
///
/// ```
/// # struct Shout;
/// # impl scf_websocket::Functions for Shout {}
/// use scf_websocket::{Config, ConfigError, IntoFunctions};
///
/// fn shout(config: &Config) -> Result<Shout, ConfigError> {
///     config.require_push("it answers each frame").map(|()| Shout)
/// }
///
/// let functions: Result<Shout, ConfigError> = Ok(Shout);
/// assert!(functions.into_functions().is_ok());
/// ```
pub trait IntoFunctions {
    /// The functions.
    type Functions: Functions + 'static;

    /// The functions, or why they cannot be set up: the program then ends with status 2 and the error in one line.
    ///
    /// # Errors
    /// That of the closure.
    fn into_functions(self) -> Result<Self::Functions, Error>;
}

impl<F: Functions + 'static> IntoFunctions for F {
    type Functions = F;

    fn into_functions(self) -> Result<F, Error> {
        Ok(self)
    }
}

impl<F: Functions + 'static, E: Into<Error>> IntoFunctions for Result<F, E> {
    type Functions = F;

    fn into_functions(self) -> Result<F, Error> {
        self.map_err(Into::into)
    }
}

/// Runs functions as SCF's custom runtime: all that a `main` function needs to do.
///
/// It sets up the log, so that messages of the `log` crate's macros go to standard output, and reads the [`Config`],
/// from which the closure creates the functions or a `Result` with them. A wrong configuration ends the program with
/// status 2 and one line.
///
/// Then it serves events: until SIGTERM or SIGINT, which ends it with status 0 after the current outcome is delivered, or
/// until the runtime API has failed for 30 s, which ends it with status 1. `--help`, `--version` and `--check` are
/// understood; see [`Program`] for variables and a name of your own.
///
/// ```no_run
/// # struct Shout;
/// # impl scf_websocket::Functions for Shout {}
/// fn main() -> std::process::ExitCode {
///     scf_websocket::main(|_| Shout)
/// }
/// ```
pub fn main<T: IntoFunctions>(functions: impl FnOnce(&Config) -> T) -> ExitCode {
    Program::new().main(functions)
}

/// A program around functions of your own, with more settings than [`main`] offers; see [`Config`] for variables.
///
/// ```no_run
/// # struct Shout;
/// # impl scf_websocket::Functions for Shout {}
/// use scf_websocket::Program;
///
/// fn main() -> std::process::ExitCode {
///     Program::new().named(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).main(|_| Shout)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Program {
    name: &'static str,
    version: &'static str,
    variables: Cow<'static, [Variable]>,
    default_role: Option<Role>,
}

type Setup<'s> = dyn FnOnce(&Config) -> Result<Box<dyn Functions>, Error> + 's;

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl Program {
    /// A program with the name and version of this library and no variables of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            variables: Cow::Borrowed(variables::COMMON),
            default_role: Some(Role::Auto),
        }
    }

    /// The program with the variables of `bootstrap`, which must be told its role.
    pub(crate) fn bootstrap(variables: &'static [Variable]) -> Self {
        Self { variables: Cow::Borrowed(variables), default_role: None, ..Self::new() }
    }

    /// The name and version that `--version` and the first line of the log show.
    #[must_use]
    pub fn named(self, name: &'static str, version: &'static str) -> Self {
        Self { name, version, ..self }
    }

    /// Declares variables: `--help` lists them, and their names may begin with `WS_`.
    ///
    /// A variable whose name begins with `WS_` and that is not declared is a configuration error, since it is most
    /// likely misspelled. Other names need no declaration.
    #[must_use]
    pub fn variables(mut self, variables: &[Variable]) -> Self {
        self.variables.to_mut().extend_from_slice(variables);
        self
    }

    /// Runs the program, as [`main`] does.
    pub fn main<T: IntoFunctions>(self, functions: impl FnOnce(&Config) -> T) -> ExitCode {
        self.run(Box::new(|config| Ok(Box::new(functions(config).into_functions()?))))
    }

    fn run(&self, functions: Box<Setup<'_>>) -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            [] => self.serve(functions),
            ["--check"] => self.check(functions, &[]),
            ["--check", "--online"] => self.check(functions, &[Resource::Store, Resource::PushAddress]),
            ["--check", "--online=store"] => self.check(functions, &[Resource::Store]),
            ["--help" | "-h"] => self.help(),
            ["--version" | "-V"] => say(format_args!("{} {}", self.name, self.version)),
            ["--check", other, ..] | [other, ..] => refuse(format_args!(
                "{other:?} is not an option; allowed: --check, --check --online, --help, --version"
            )),
        }
    }

    fn serve(&self, setup: Box<Setup<'_>>) -> ExitCode {
        let filter = match log_filter(env::var_os("RUST_LOG")) {
            Ok(filter) => filter,
            Err(e) => return refuse(e),
        };
        start_log(&filter);
        let (config, functions, runtime_api) = match self.set_up(setup, Environment::runtime_api) {
            Ok(parts) => parts,
            Err(e) => return refuse(e),
        };
        info!("{} runtime_api={runtime_api}", self.start_line(&config, functions.as_ref()));
        serve(&config, functions, &runtime_api)
    }

    /// Prints the first line of the log whatever the log's level, and tries what the program would use.
    fn check(&self, setup: Box<Setup<'_>>, try_out: &[Resource]) -> ExitCode {
        if let Err(e) = log_filter(env::var_os("RUST_LOG")) {
            return refuse(e);
        }
        match self.set_up(setup, |_| Ok(())) {
            Ok((config, functions, ())) => {
                print_line(format_args!("INFO {}", self.start_line(&config, functions.as_ref())));
                let mut resources = Resources::new(config.push().cloned(), config.store().cloned());
                let failures = try_out.iter().filter_map(|resource| resource.failure(&mut resources));
                let failures: Vec<Error> = failures.collect();
                for failure in &failures {
                    print_line(format_args!("ERROR {failure}"));
                }
                if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(e) => refuse(e),
        }
    }

    /// Reports a wrong value before the missing runtime API, and that before a missing value: a person who starts the
    /// program by hand first learns what it is for.
    fn set_up<S>(
        &self,
        setup: Box<Setup<'_>>,
        scf: impl Fn(&Environment) -> Result<S, ConfigError>,
    ) -> Result<(Config, Box<dyn Functions>, S), Error> {
        let environment = Environment::read(env::vars_os(), &self.variables)?;
        let scf = scf(&environment);
        let set_up = Config::read(environment, self.default_role).map_err(Error::from).and_then(|config| {
            let functions = setup(&config)?;
            Ok((config, functions))
        });
        match (set_up, scf) {
            (Err(e), Err(scf)) if is_missing(&e) => Err(scf.into()),
            (set_up, scf) => {
                let (config, functions) = set_up?;
                Ok((config, functions, scf?))
            }
        }
    }

    fn start_line(&self, config: &Config, functions: &dyn Functions) -> String {
        let mut line = format!("{} {} started: role={}", self.name, self.version, config.role());
        let settings = functions.settings();
        if !settings.is_empty() {
            line.push(' ');
            line.push_str(&settings);
        }
        // Writing to a String cannot fail.
        let _ = write!(line, " {}", config.common_settings());
        line
    }

    fn help(&self) -> ExitCode {
        let mut text = format!(
            "{} {}: a register, transfer or cleanup function of a WebSocket API.\n\
             SCF starts it as a custom runtime; these variables of the function set it up.\n\
             With --check it checks them, prints how it would start, and ends: status 0, or 2 if one is wrong.\n\
             With --check --online it also tries the store and the push address: status 1 if one does not work.\n",
            self.name, self.version
        );
        for Variable { name, values, default } in &*self.variables {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {name}\n      {values}\n      default: {default}\n");
        }
        say(text.replace('`', "").trim_end())
    }
}

fn serve(config: &Config, functions: Box<dyn Functions>, runtime_api: &RuntimeApiAddress) -> ExitCode {
    let resources = Resources::new(config.push().cloned(), config.store().cloned());
    let (role, integration_response) = (config.role(), config.integration_response());
    let mut dispatcher =
        Dispatcher::new(functions, role, config.function_info(), resources, integration_response);
    match runtime::run(runtime_api, &mut dispatcher) {
        Err(e) => {
            error!("{}", Chain(&e));
            ExitCode::FAILURE
        }
    }
}

/// What a program uses outside itself.
enum Resource {
    Store,
    PushAddress,
}

impl Resource {
    /// Why it does not work, if it is set up and does not.
    fn failure(&self, resources: &mut Resources) -> Option<Error> {
        let deadline = Instant::now() + ONLINE_TIMEOUT;
        match self {
            Self::Store => resources.try_store(deadline).err().map(Error::from),
            Self::PushAddress => resources.try_push_address(deadline).err(),
        }
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(ConfigError::Missing { .. }))
}

/// Everything goes to standard output, which SCF collects and adds the time to.
fn start_log(filter: &str) {
    env_logger::Builder::new()
        .parse_filters(filter)
        .target(Target::Stdout)
        .format(|out, record| {
            out.write_all(record.level().as_str().as_bytes())?;
            out.write_all(b" ")?;
            // Not as part of another format, which would format it twice as slowly.
            out.write_fmt(*record.args())?;
            out.write_all(b"\n")
        })
        .init();
    // A panic is one line of the log, like every other message.
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        match panic.location() {
            Some(location) => error!("panic at {location}: {message:?}"),
            None => error!("panic: {message:?}"),
        }
    }));
}

fn say(text: impl Display) -> ExitCode {
    print_line(text);
    ExitCode::SUCCESS
}

/// Printed whatever the log's level, because nothing runs until the configuration is corrected.
fn refuse(why: impl Display) -> ExitCode {
    print_line(format_args!("ERROR {why}"));
    ExitCode::from(2)
}

/// Ignores a closed standard output.
fn print_line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}
