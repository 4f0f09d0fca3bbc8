//! Takes the whole file apart: each table by itself first, then what must fit together.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::{Spanned, de::DeTable};

use super::{
    Admin, Config, Environment, FixedConfig, LogSettings, Scf, api, log,
    problems::{ProblemReport, Problems},
    section::Section,
    target::Target,
    values, web_function,
};
use crate::{
    config::secret::Secret,
    connection::{compression::Compression, limits::Limits, timeouts::Timeouts},
    contract::MAX_EVENT_BYTES,
    observe::timeline,
    push::address::Tokens,
    registry::cluster::{self, RedisUrl},
    server::{client_address::Proxies, tls::CertificateFiles},
};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000);

/// Functions cannot verify a certificate for an address that was made of `listen`.
const PUSHES_NEED_A_NAME: &str = "with [tls] functions push over TLS too: set push_url to https:// and a name that the \
    certificate has, or push_listen to an address of their own, which is without TLS";

/// Whether certificates are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Certificates {
    Checked,
    Ignored,
}

/// Reads the text of a file that is at `file`.
pub(super) fn read(
    file: &Path,
    text: &str,
    environment: &Environment,
    certificates: Certificates,
) -> Result<Config, ProblemReport> {
    let problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.add_syntax(&error.span().unwrap_or_default(), format!("not TOML: {}", error.message()));
    }
    let top = Section::new("", document.into_inner(), 0..0, &problems);
    let config = assemble(top, folder_of(file), environment, certificates);
    problems.into_report(file).map_or(Ok(config), Err)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn assemble(
    mut top: Section<'_, '_>,
    folder: &Path,
    environment: &Environment,
    certificates: Certificates,
) -> Config {
    let listen = top.parsed("listen", values::address);
    let push_listen = top.parsed("push_listen", values::address);
    let push_url = top.parsed("push_url", values::push_url);
    let push_token = secret(&mut top, "push_token", environment, values::push_token);
    let push_token_previous = secret(&mut top, "push_token_previous", environment, values::push_token);
    let admin_listen = top.parsed("admin_listen", values::address);
    let metrics_token = secret(&mut top, "metrics_token", environment, values::metrics_token);
    let page = top.flag("page", true);
    let page_rows = top.count("page_rows", timeline::ROWS, 1..=timeline::MAX_ROWS);
    let cluster = secret(&mut top, "cluster", environment, RedisUrl::parse);
    let cluster_lease = top.seconds("cluster_lease_seconds", cluster::LEASE.as_secs(), 1..=300);
    let drain = top.seconds("drain_seconds", 30, 0..=86_400);
    let compression = compression(&mut top);
    let log = log_settings(&mut top, environment);
    let watch = top.flag("watch", false);
    let (separate_pushes, named_pushes) = (top.was_given("push_listen"), top.was_given("push_url"));
    let tls = top.section("tls", "tls.").map(|table| {
        if !separate_pushes && !named_pushes {
            table.problems.add_missing(&table.span, PUSHES_NEED_A_NAME);
        }
        tls(table, folder, certificates)
    });
    let proxy = top.section("proxy", "proxy.").map(proxy).unwrap_or_default();
    let mut limits = limits(&mut top);
    let web_function = top.section("web_function", "web_function.").map(|table| {
        if push_token.is_none() {
            table.problems.add_missing(&table.span, web_function::NEEDS_A_TOKEN);
        }
        web_function::read(table)
    });
    if let Some(web) = &web_function {
        limits.frame_bytes = limits.frame_bytes.min(web.frame_bytes);
    }
    let timeouts = timeouts(&mut top);
    let (scf, missing_region) = scf(&mut top);
    let apis = apis(&mut top, folder);
    check_addresses(
        &top,
        [("listen", &listen), ("push_listen", &push_listen), ("admin_listen", &admin_listen)],
    );
    let admin = admin_listen.map(|listen| {
        let password = password(&top, &listen, environment, metrics_token.is_some() && !page);
        Admin { listen: listen.into_inner(), password, metrics_token }
    });
    let tokens = (!separate_pushes).then(|| Tokens::new(push_token.as_ref(), push_token_previous.as_ref()));
    check_paths(&top, &apis, &tokens.unwrap_or_else(Tokens::none));
    if let Some(missing) = missing_region {
        check_region(&top, missing, &apis);
    }
    top.finish();
    Config {
        fixed: FixedConfig {
            listen: listen.map_or(DEFAULT_LISTEN, Spanned::into_inner),
            push_listen: push_listen.map(Spanned::into_inner),
            push_url: push_url.map(Spanned::into_inner),
            admin,
            page,
            page_rows,
            log,
            watch,
            cluster,
            cluster_lease,
            web_function,
        },
        push_token,
        push_token_previous,
        drain,
        compression,
        tls: tls.flatten(),
        proxy,
        limits,
        timeouts,
        scf,
        apis: apis.into_iter().filter_map(|read| read.api).collect(),
    }
}

/// A secret: the variable `GATEWAY_…` before the file, so that a file can be shared and a machine has its own.
fn secret<T>(
    top: &mut Section<'_, '_>,
    key: &'static str,
    environment: &Environment,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let from_file = top.secret(key, &parse);
    match environment.read(&format!("GATEWAY_{}", key.to_ascii_uppercase()), parse) {
        None => from_file,
        Some(read) => read.map_err(|sentence| top.problems.add_outside(sentence)).ok(),
    }
}

/// The variable before the file here too.
fn log_settings(top: &mut Section<'_, '_>, environment: &Environment) -> LogSettings {
    let format = top.parsed("log_format", str::parse).map(Spanned::into_inner);
    let level = top.parsed("log_level", log::level).map(Spanned::into_inner);
    let of_environment = environment
        .read("GATEWAY_LOG_FORMAT", str::parse)
        .and_then(|read| read.map_err(|sentence| top.problems.add_outside(sentence)).ok());
    LogSettings { format: of_environment.or(format), level }
}

/// The password of the admin address. Without one other machines may reach it only if all they get is the metrics, with
/// their token.
fn password(
    top: &Section<'_, '_>,
    listen: &Spanned<SocketAddr>,
    environment: &Environment,
    metrics_alone: bool,
) -> Option<Secret> {
    let not_empty = |text: &str| match text {
        "" => Err("it is empty".to_owned()),
        text => Ok(Secret::new(text)),
    };
    let addr = listen.get_ref();
    let read = match environment.read("GATEWAY_ADMIN_PASSWORD", not_empty) {
        Some(read) => read.map(Some),
        None if addr.ip().is_loopback() || metrics_alone => Ok(None),
        None => Err("other machines reach this address: set the variable GATEWAY_ADMIN_PASSWORD, or listen on 127.0.0.1"
            .to_owned()),
    };
    read.unwrap_or_else(|sentence| {
        top.problem(&listen.span(), "admin_listen", &format!(" = \"{addr}\": {sentence}"));
        None
    })
}

fn tls(mut table: Section<'_, '_>, folder: &Path, certificates: Certificates) -> Option<CertificateFiles> {
    let path = |text: &str| {
        if text.is_empty() { Err("write the path of a PEM file".to_owned()) } else { Ok(folder.join(text)) }
    };
    let certificate: Option<Spanned<PathBuf>> =
        table.required("certificate", "write the path of the certificate chain in PEM", path);
    let key = table.required("key", "write the path of the private key in PEM", path);
    let files = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let (certificate_span, key_span) = (certificate.span(), key.span());
            let files = CertificateFiles { certificate: certificate.into_inner(), key: key.into_inner() };
            if certificates == Certificates::Checked
                && let Err(error) = files.load()
            {
                let (span, name) =
                    if error.is_about_key() { (key_span, "key") } else { (certificate_span, "certificate") };
                table.problem(&span, name, &format!(": {error}"));
            }
            Some(files)
        }
        _ => None,
    };
    table.finish();
    files
}

fn proxy(mut table: Section<'_, '_>) -> Proxies {
    let trusted = table.list("trusted", values::network);
    let protocol = table.flag("proxy_protocol", false);
    if protocol && !table.was_given("trusted") {
        table.problems.add_missing(
            &table.span,
            "proxy.proxy_protocol = true has no effect without proxy.trusted: name the proxies that send its header",
        );
    }
    table.finish();
    Proxies { trusted: trusted.map(Spanned::into_inner).unwrap_or_default(), proxy_protocol: protocol }
}

fn limits(top: &mut Section<'_, '_>) -> Limits {
    let Some(mut table) = top.section("limits", "limits.") else { return Limits::default() };
    let default = Limits::default();
    let frame_bytes = MAX_EVENT_BYTES as u64;
    let connections = table.count("connections", default.connections, 1..=10_000_000);
    let connections_per_ip = table.count("connections_per_ip", default.connections_per_ip, 1..=10_000_000);
    let limits = Limits {
        connections,
        connections_per_ip,
        handshakes_per_second_per_ip: table.positive(
            "handshakes_per_second_per_ip",
            default.handshakes_per_second_per_ip,
            1_000_000,
        ),
        frames_per_second: table.positive("frames_per_second", default.frames_per_second, 1_000_000),
        frame_bytes: table.count("frame_bytes", default.frame_bytes, 1..=frame_bytes),
        send_queue_bytes: table.count("send_queue_bytes", default.send_queue_bytes, 1024..=1 << 30),
        unfinished_bytes: table.count("unfinished_bytes", default.unfinished_bytes, 1 << 20..=1 << 40),
        message_seconds: table.positive("message_seconds", default.message_seconds, 3600),
        // Clients that may connect are not refused before.
        tcp_connections_per_ip: table.count(
            "tcp_connections_per_ip",
            default.tcp_connections_per_ip.max(connections_per_ip.saturating_mul(2)),
            1..=10_000_000,
        ),
        connections_per_attribute: table
            .counts("connections_per_attribute", "limits.connections_per_attribute."),
    };
    table.finish();
    limits
}

fn compression(top: &mut Section<'_, '_>) -> Option<Compression> {
    let default = Compression::default();
    let (is_on, table) = top.flag_or_section("compression", "compression.", false);
    let Some(mut table) = table else { return is_on.then_some(default) };
    let level = table.integer("level", default.level.into(), 1..=9);
    let compression = Compression {
        min_bytes: table.count("min_bytes", default.min_bytes, 1..=1 << 30),
        level: u32::try_from(level).unwrap_or(default.level),
    };
    table.finish();
    Some(compression)
}

fn timeouts(top: &mut Section<'_, '_>) -> Timeouts {
    let Some(mut table) = top.section("timeouts", "timeouts.") else { return Timeouts::default() };
    let default = Timeouts::default();
    let mut seconds = |key, default: Duration| table.seconds(key, default.as_secs(), 1..=3600);
    let timeouts = Timeouts {
        tls_handshake: seconds("tls_handshake_seconds", default.tls_handshake),
        request_head: seconds("request_head_seconds", default.request_head),
        ping_interval: seconds("ping_interval_seconds", default.ping_interval),
        send: seconds("send_seconds", default.send),
        close: seconds("close_seconds", default.close),
    };
    table.finish();
    timeouts
}

/// Where the table of the cloud API is, if the region should be in it and is not.
struct MissingRegion(Option<Range<usize>>);

fn scf(top: &mut Section<'_, '_>) -> (Scf, Option<MissingRegion>) {
    let Some(mut table) = top.section("scf", "scf.") else {
        return (Scf::default(), Some(MissingRegion(None)));
    };
    let default = Scf::default();
    let scf = Scf {
        region: table.parsed("region", values::region).map(Spanned::into_inner),
        endpoint: table.parsed("endpoint", values::endpoint).map_or(default.endpoint, Spanned::into_inner),
        role: table.parsed("role", values::role).map(Spanned::into_inner),
    };
    let missing = (!table.was_given("region")).then(|| MissingRegion(Some(table.span.clone())));
    table.finish();
    (scf, missing)
}

fn apis(top: &mut Section<'_, '_>, folder: &Path) -> Vec<api::Read> {
    let tables = top.sections("api", "write one with path, register, transfer and cleanup", "api.");
    tables.into_iter().map(|table| api::read(table, folder)).collect()
}

/// Of two listeners on one address the second would not start.
fn check_addresses(top: &Section<'_, '_>, named: [(&str, &Option<Spanned<SocketAddr>>); 3]) {
    let addresses: Vec<_> =
        named.into_iter().filter_map(|(name, address)| Some((name, address.as_ref()?))).collect();
    for (index, (name, address)) in addresses.iter().enumerate() {
        for (other_name, other) in &addresses[..index] {
            if overlap(*address.get_ref(), *other.get_ref()) {
                let advice = if *name == "push_listen" {
                    "leave it out to take pushes where clients connect"
                } else {
                    "write another address or port"
                };
                let sentence =
                    format!(" = \"{}\": {other_name} has this address; {advice}", address.get_ref());
                top.problem(&address.span(), name, &sentence);
            }
        }
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}

/// Each API has a path of its own, which is not the push address's.
fn check_paths(top: &Section<'_, '_>, apis: &[api::Read], tokens: &Tokens) {
    let mut seen = HashSet::new();
    for path in apis.iter().filter_map(|read| read.path.as_ref()) {
        let (span, path) = (path.span(), path.get_ref().as_str());
        if tokens.accept(path) {
            let sentence = " is the push address's path: write another one, or set push_listen";
            top.problem(&span, "api.path", sentence);
        }
        if !seen.insert(path) {
            let sentence = format!(" = {path:?}: another [[api]] has this path; each needs its own");
            top.problem(&span, "api.path", &sentence);
        }
    }
}

fn check_region(top: &Section<'_, '_>, MissingRegion(table): MissingRegion, apis: &[api::Read]) {
    let mut targets = apis.iter().flat_map(|read| &read.targets).flatten();
    let Some(first) = targets.find(|target| matches!(target.get_ref(), Target::Scf(_))) else { return };
    let message = format!(
        "scf.region is missing: {} needs it; write the region, such as ap-guangzhou",
        first.get_ref()
    );
    top.problems.add_missing(&table.unwrap_or_else(|| first.span()), message);
}
