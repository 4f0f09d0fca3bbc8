//! What a file that was read again changes in a running gateway, as a pure function.
//!
//! Connections that are open keep what they began with. What belongs to a listening socket, to the address that
//! functions push to or to the cluster cannot change while the gateway runs: it stays, and the log names it.

use std::fmt;

use super::{ApiConfig, Config, FixedConfig, Target, secret::Secret};

/// What a reload does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What holds for new connections: the new file, with the old values of what needs a restart.
    pub config: Config,
    /// What is different, in the order of the file.
    pub changes: Vec<Change>,
    /// The keys whose new values need a restart.
    pub restart: Vec<&'static str>,
}

/// Something that is different for new connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// `push_token` or `push_token_previous`.
    PushTokens,
    /// `drain_seconds`.
    Drain,
    /// `compression`.
    Compression,
    /// `[tls]` names other files. That their content is new is no change of the configuration.
    Certificate,
    /// `[proxy]`.
    Proxy,
    /// `[limits]`.
    Limits,
    /// `[timeouts]`.
    Timeouts,
    /// `[scf]`.
    Scf,
    /// There is an API of this path now.
    ApiAdded(String),
    /// The API of this path, or how its functions are called, is different.
    ApiChanged(String),
    /// There is no API of this path any more; its connections stay, and their frames go where they went.
    ApiRemoved(String),
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PushTokens => formatter.write_str("push_token (at once)"),
            Self::Drain => formatter.write_str("drain_seconds"),
            Self::Compression => formatter.write_str("compression"),
            Self::Certificate => formatter.write_str("[tls]"),
            Self::Proxy => formatter.write_str("[proxy]"),
            Self::Limits => formatter.write_str("[limits]"),
            Self::Timeouts => formatter.write_str("[timeouts]"),
            Self::Scf => formatter.write_str("[scf]"),
            Self::ApiAdded(path) => write!(formatter, "API {path} added"),
            Self::ApiChanged(path) => write!(formatter, "API {path} changed"),
            Self::ApiRemoved(path) => write!(formatter, "API {path} removed"),
        }
    }
}

impl Plan {
    /// The sentences for the log; the second is there if something needs a restart.
    #[must_use]
    pub fn sentences(&self) -> (String, Option<String>) {
        let changes: Vec<_> = self.changes.iter().map(ToString::to_string).collect();
        let done = match changes.as_slice() {
            [] => "configuration reloaded, nothing changed".to_owned(),
            changes => format!("configuration reloaded, for new connections: {}", changes.join(", ")),
        };
        let restart = (!self.restart.is_empty()).then(|| {
            format!("changed in the file, but in force only after a restart: {}", self.restart.join(", "))
        });
        (done, restart)
    }
}

/// Compares what runs with what was read.
#[must_use]
pub fn plan(running: &Config, mut new: Config) -> Plan {
    let restart = keep_what_needs_a_restart(running, &mut new);
    let tables = [
        (tokens(running) != tokens(&new), Change::PushTokens),
        (running.drain != new.drain, Change::Drain),
        (running.compression != new.compression, Change::Compression),
        (running.tls != new.tls, Change::Certificate),
        (running.proxy != new.proxy, Change::Proxy),
        (running.limits != new.limits, Change::Limits),
        (running.timeouts != new.timeouts, Change::Timeouts),
        (running.scf != new.scf, Change::Scf),
    ];
    let mut changes: Vec<_> =
        tables.into_iter().filter_map(|(different, change)| different.then_some(change)).collect();
    changes.extend(apis(running, &new));
    Plan { config: new, changes, restart }
}

fn tokens(config: &Config) -> [&Option<Secret>; 2] {
    [&config.push_token, &config.push_token_previous]
}

/// Puts the running values in place of new ones that would have no effect, and names their keys.
fn keep_what_needs_a_restart(running: &Config, new: &mut Config) -> Vec<&'static str> {
    let (old, read) = (&running.fixed, &new.fixed);
    let listen =
        |config: &FixedConfig| config.admin.as_ref().map(|admin| (admin.listen, admin.password.clone()));
    let metrics = |config: &FixedConfig| config.admin.as_ref().and_then(|admin| admin.metrics_token.clone());
    // Whether there is TLS at all is part of the listening socket's meaning, and of the URL that clients use.
    let toggled = running.tls.is_some() != new.tls.is_some();
    let keys = [
        ("listen", old.listen != read.listen),
        ("push_listen", old.push_listen != read.push_listen),
        ("push_url", old.push_url != read.push_url),
        ("admin_listen", listen(old) != listen(read)),
        ("metrics_token", metrics(old) != metrics(read)),
        ("page", old.page != read.page),
        ("page_rows", old.page_rows != read.page_rows),
        ("cluster", old.cluster != read.cluster),
        ("cluster_lease_seconds", old.cluster_lease != read.cluster_lease),
        ("[web_function]", old.web_function != read.web_function),
        ("log_format", old.log.format != read.log.format),
        ("log_level", old.log.level != read.log.level),
        ("watch", old.watch != read.watch),
        ("[tls]", toggled),
    ];
    new.fixed.clone_from(old);
    if toggled {
        new.tls.clone_from(&running.tls);
    }
    keys.into_iter().filter_map(|(key, different)| different.then_some(key)).collect()
}

fn apis(running: &Config, new: &Config) -> Vec<Change> {
    let find = |apis: &[ApiConfig], path: &str| apis.iter().find(|api| api.path == path).cloned();
    let of_new = new.apis.iter().filter_map(|api| match find(&running.apis, &api.path) {
        None => Some(Change::ApiAdded(api.path.clone())),
        Some(old) if old != *api => Some(Change::ApiChanged(api.path.clone())),
        Some(_) if running.scf != new.scf && is_in_the_cloud(api) => {
            Some(Change::ApiChanged(api.path.clone()))
        }
        Some(_) => None,
    });
    let removed = running.apis.iter().filter(|api| find(&new.apis, &api.path).is_none());
    of_new.chain(removed.map(|api| Change::ApiRemoved(api.path.clone()))).collect()
}

fn is_in_the_cloud(api: &ApiConfig) -> bool {
    api.targets().any(|target| matches!(target, Target::Scf(_)))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{
        config::{
            Environment,
            read::{self, Certificates},
        },
        connection::limits::Limits,
        server::tls::CertificateFiles,
    };

    const FILE: &str = r#"
push_token = "old"
[scf]
region = "ap-guangzhou"
[[api]]
path = "/cloud"
register = "scf:r"
transfer = "scf:t"
cleanup = "scf:c"
[[api]]
path = "/http"
register = "http://127.0.0.1/r"
transfer = "http://127.0.0.1/t"
cleanup = "http://127.0.0.1/c"
"#;

    fn config(text: &str) -> Config {
        read::read(Path::new("gateway.toml"), text, &Environment::default(), Certificates::Checked)
            .expect("a configuration")
    }

    fn changed(from: &str, to: &str) -> Plan {
        plan(&config(FILE), config(&FILE.replace(from, to)))
    }

    #[test]
    fn the_same_file_changes_nothing() {
        let plan = plan(&config(FILE), config(FILE));
        assert_eq!((plan.changes.len(), plan.restart.len()), (0, 0));
        assert_eq!(plan.sentences(), ("configuration reloaded, nothing changed".to_owned(), None));
    }

    #[test]
    fn limits_and_apis_change_for_new_connections() {
        let text = FILE.replace("http://127.0.0.1/t", "http://127.0.0.1/t2");
        let text = format!(
            "drain_seconds = 1\ncompression = true\n{text}[[api]]\npath = \"/new\"\nregister = \"http://x/r\"\ntransfer = \
             \"http://x/t\"\ncleanup = \"http://x/c\"\n[limits]\nconnections = 7\n[timeouts]\nsend_seconds = 1\n\
             [proxy]\ntrusted = [\"::1\"]\n"
        );
        let plan = plan(&config(FILE), config(&text));
        let expected = [
            Change::Drain,
            Change::Compression,
            Change::Proxy,
            Change::Limits,
            Change::Timeouts,
            Change::ApiChanged("/http".to_owned()),
            Change::ApiAdded("/new".to_owned()),
        ];
        assert_eq!(plan.changes, expected);
        assert_eq!(plan.restart, Vec::<&str>::new());
        assert_eq!(plan.config, config(&text));
        assert_eq!(plan.config.limits, Limits { connections: 7, ..Limits::default() });
    }

    #[test]
    fn tokens_are_replaced_at_once() {
        let plan = changed("push_token = \"old\"", "push_token = \"new\"\npush_token_previous = \"old\"");
        assert_eq!((plan.changes.as_slice(), plan.restart.len()), ([Change::PushTokens].as_slice(), 0));
        assert_eq!(plan.config.push_token, Some(Secret::new("new")));
    }

    #[test]
    fn an_api_that_is_gone_is_named() {
        let plan = changed("path = \"/http\"", "path = \"/other\"");
        let added = Change::ApiAdded("/other".to_owned());
        assert_eq!(plan.changes, [added, Change::ApiRemoved("/http".to_owned())]);
    }

    #[test]
    fn another_region_changes_the_apis_that_are_in_the_cloud() {
        let plan = changed("ap-guangzhou", "ap-shanghai");
        assert_eq!(plan.changes, [Change::Scf, Change::ApiChanged("/cloud".to_owned())]);
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_was_and_is_named() {
        let text = FILE.replace(
            "push_token = \"old\"",
            "push_token = \"old\"\nlisten = \"127.0.0.1:1\"\n\
            push_listen = \"127.0.0.1:2\"\npush_url = \"http://x\"\nadmin_listen = \"127.0.0.1:3\"\n\
            metrics_token = \"x\"\npage = false\npage_rows = 9\nlog_format = \"json\"\nlog_level = \"warn\"\nwatch = true\n\
            cluster = \"redis://x\"\ncluster_lease_seconds = 1\ndrain_seconds = 1",
        );
        let running = config(FILE);
        let plan = plan(&running, config(&text));
        let keys = [
            "listen",
            "push_listen",
            "push_url",
            "admin_listen",
            "metrics_token",
            "page",
            "page_rows",
            "cluster",
            "cluster_lease_seconds",
            "log_format",
            "log_level",
            "watch",
        ];
        assert_eq!(plan.restart, keys);
        assert_eq!(plan.config, Config { drain: Duration::from_secs(1), ..running });
        let (_, restart) = plan.sentences();
        assert!(restart.is_some_and(|sentence| sentence.ends_with(&keys.join(", "))));
    }

    #[test]
    fn other_certificate_files_are_read_but_tls_is_not_turned_on_or_off() {
        let files = |name: &str| Some(CertificateFiles { certificate: name.into(), key: name.into() });
        let with = |tls: Option<CertificateFiles>| Config { tls, ..config(FILE) };
        let other_files = plan(&with(files("a")), with(files("b")));
        assert_eq!((other_files.changes, other_files.restart.len()), (vec![Change::Certificate], 0));
        assert_eq!(other_files.config.tls, files("b"));
        for (old, new) in [(None, files("a")), (files("a"), None)] {
            let toggled = plan(&with(old.clone()), with(new));
            assert_eq!((toggled.changes.len(), toggled.restart.as_slice()), (0, ["[tls]"].as_slice()));
            assert_eq!(toggled.config.tls, old);
        }
    }
}
