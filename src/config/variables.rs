//! The variables, as `--help` and docs/variables.md show them.

/// An environment variable, as `--help` shows it.
///
/// ```
/// use scf_websocket::Variable;
///
/// const REPEAT: Variable = Variable { name: "WS_REPEAT", values: "how often to greet, a number", default: "`1`" };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The values that are allowed, in Markdown.
    pub values: &'static str,
    /// What applies if it is not set, in Markdown.
    pub default: &'static str,
}

const ROLES: &str = "`register`, `transfer`, `cleanup`, or `auto`: by each event's `websocket.action`, so that one function can serve all three";

/// `WS_ROLE` where it must be set.
pub(crate) const ROLE_REQUIRED: Variable = Variable { name: "WS_ROLE", values: ROLES, default: "required" };

const ROLE: Variable = Variable { name: "WS_ROLE", values: ROLES, default: "`auto`" };

pub(crate) const PUSH_URL: Variable = Variable {
    name: "WS_PUSH_URL",
    values: "the reverse push address, `http://…` (`https://…` in a build with the cargo feature `tls`), or those of several gateways that serve the same clients, separated by commas, of which one is used until it cannot be reached",
    default: "required where something is pushed or closed",
};

pub(crate) const PUSH_CONCURRENCY: Variable =
    Variable { name: "WS_PUSH_CONCURRENCY", values: "pushes in flight at once, 1 to 256", default: "`32`" };

pub(crate) const STORE: Variable = Variable {
    name: "WS_STORE",
    values: "where connections are recorded: `dir:/absolute/path` of a directory, or `redis://[user:password@]host[:port][/db]` (`rediss://…` in a build with the cargo feature `tls`)",
    default: "none; required where rooms are used",
};

pub(crate) const ROOM: Variable = Variable {
    name: "WS_ROOM",
    values: "which set of connections this API uses: letters, digits, `.`, `_`, `-`, at most 64",
    default: "`default`",
};

pub(crate) const STORE_TTL: Variable = Variable {
    name: "WS_STORE_TTL",
    values: "seconds after which a silent connection is dropped; `0` = never",
    default: "`86400`",
};

pub(crate) const INTEGRATION_RESPONSE: Variable = Variable {
    name: "WS_INTEGRATION_RESPONSE",
    values: "`true` wraps each answer as an integration response, `false` does not",
    default: "`false`",
};

pub(crate) const TRUSTED_ROOTS: Variable = Variable {
    name: "SSL_CERT_FILE",
    values: "a PEM file with the certificate authorities to trust for `https://` and `rediss://` (in a build with the cargo feature `tls`)",
    default: "Mozilla's list, part of the build",
};

pub(crate) const LOG: Variable = Variable {
    name: "RUST_LOG",
    values: "`off`, `error`, `warn`, `info`, `debug` (payloads too), `trace`, or `module=level` pairs separated by commas",
    default: "`info`",
};

/// The variables of a program with functions of its own.
pub(crate) const COMMON: &[Variable] =
    &[ROLE, PUSH_URL, PUSH_CONCURRENCY, STORE, STORE_TTL, INTEGRATION_RESPONSE, TRUSTED_ROOTS, LOG];
