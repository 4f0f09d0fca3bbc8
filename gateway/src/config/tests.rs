use std::{fs, num::NonZeroU32, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::{
    connection::origin::Origins, function::local::Variables, registry::cluster::RedisUrl,
    start::api::ApiSettings,
};

/// A folder with a program, a certificate with its key, and another key.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("bootstrap");
    fs::write(&program, "#!/bin/sh\n").expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("an executable file");
    let issued = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).expect("a certificate");
    fs::write(folder.path().join("cert.pem"), issued.cert.pem()).expect("a file");
    fs::write(folder.path().join("key.pem"), issued.signing_key.serialize_pem()).expect("a file");
    let other = rcgen::KeyPair::generate().expect("a key");
    fs::write(folder.path().join("other.pem"), other.serialize_pem()).expect("a file");
    folder
}

fn load_with(text: &str, environment: &Environment) -> Result<Config, ProblemReport> {
    let folder = folder();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).expect("a file");
    Config::load(&file, environment)
}

fn load(text: &str) -> Result<Config, ProblemReport> {
    load_with(text, &Environment::default())
}

/// The report without the folder's name.
fn report(text: &str) -> String {
    report_with(text, &Environment::default())
}

fn report_with(text: &str, environment: &Environment) -> String {
    let folder = folder();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).expect("a file");
    let report = Config::load(&file, environment).expect_err("a file with mistakes");
    report.to_string().replace(&format!("{}/", folder.path().display()), "")
}

const API: &str = r#"
[[api]]
path = "/chat"
register = "process:bootstrap"
transfer = "process:bootstrap"
cleanup = "process:bootstrap"
"#;

#[test]
fn an_api_is_all_that_a_file_needs() {
    let config = load(API).expect("a configuration");
    assert_eq!(config.fixed.listen, "127.0.0.1:9000".parse().expect("an address"));
    assert_eq!((config.fixed.push_listen, config.fixed.push_url, config.push_token), (None, None, None));
    assert_eq!((config.fixed.admin, config.fixed.cluster, config.tls), (None, None, None));
    assert_eq!(config.drain, Duration::from_secs(30));
    assert_eq!((config.limits, config.timeouts), (Limits::default(), Timeouts::default()));
    assert_eq!((config.proxy, config.scf), (Proxies::default(), Scf::default()));
    let [api] = config.apis.as_slice() else { panic!("one API") };
    assert_eq!(api.path, "/chat");
    assert_eq!(api.settings.origins, Origins::Any);
    assert!(!api.settings.integration_response && api.env == Variables::default());
    assert_eq!(
        (api.settings.idle_timeout, api.function_timeout),
        (Duration::from_mins(10), Duration::from_secs(3))
    );
    let Target::Process(program) = &api.register else { panic!("a process") };
    assert!(program.is_absolute() && program.ends_with("bootstrap"), "{program:?}");
}

#[test]
fn every_key_is_read() {
    let environment = Environment::default().with("GATEWAY_ADMIN_PASSWORD", "hunter2");
    let config = load_with(
        r#"
listen = "0.0.0.0:9000"
push_listen = "10.0.0.5:9001"
push_url = "http://10.0.0.5:9001/"
push_token = "to-ken"
admin_listen = "0.0.0.0:9002"
cluster = "redis://:hunter2@10.0.0.7/0"
drain_seconds = 5
compression = { min_bytes = 100, level = 9 }
log_format = "json"
log_level = "debug"
page = false
metrics_token = "read-only"
watch = true
[tls]
certificate = "cert.pem"
key = "key.pem"
[proxy]
trusted = ["10.0.0.0/8", "::1"]
proxy_protocol = true
[limits]
connections = 1
connections_per_ip = 2
handshakes_per_second_per_ip = 3
frames_per_second = 4
frame_bytes = 5
send_queue_bytes = 0x1000
unfinished_bytes = 0x200_000
message_seconds = 7
[timeouts]
tls_handshake_seconds = 1
request_head_seconds = 2
ping_interval_seconds = 3
send_seconds = 4
close_seconds = 5
[scf]
region = "ap-guangzhou"
endpoint = "http://127.0.0.1:1234"
role = "gateway"
[[api]]
path = "/chat"
register = "scf:prod/chat-register:3"
transfer = "http://127.0.0.1:8080/transfer"
cleanup = "process:./bootstrap"
origins = ["https://example.com"]
integration_response = true
idle_timeout_seconds = 60
compression = false
function_timeout_seconds = 5
max_instances = 2
init_timeout_seconds = 6
memory_mb = 256
concurrent_calls = 7
waiting_calls = 9
[api.env]
WS_PUSH_TO = "others"
WS_CLOSE = "a,b"
"#,
        &environment,
    )
    .expect("a configuration");
    assert_eq!(config.fixed.push_url.as_deref(), Some("http://10.0.0.5:9001"));
    assert_eq!(config.push_token.as_ref().map(Secret::expose), Some("to-ken"));
    let admin = config.fixed.admin.as_ref().expect("an admin address");
    assert_eq!(admin.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!(config.fixed.cluster, RedisUrl::parse("redis://:hunter2@10.0.0.7/0").ok());
    assert_eq!(config.drain, Duration::from_secs(5));
    assert_eq!(config.compression, Some(Compression { min_bytes: 100, level: 9 }));
    assert!(!config.apis[0].settings.compression);
    assert_eq!(admin.metrics_token.as_ref().map(Secret::expose), Some("read-only"));
    assert!(!config.fixed.page && config.fixed.watch);
    let log = LogSettings { format: Some(LogFormat::Json), level: Some(::log::LevelFilter::Debug) };
    assert_eq!(config.fixed.log, log);
    assert!(config.tls.as_ref().is_some_and(|files| files.key.ends_with("key.pem")));
    assert!(config.proxy.proxy_protocol && config.proxy.trusted.len() == 2);
    let Limits { connections, connections_per_ip, frame_bytes, send_queue_bytes, .. } = config.limits;
    assert_eq!((connections, connections_per_ip, frame_bytes, send_queue_bytes), (1, 2, 5, 4096));
    assert_eq!(config.limits.handshakes_per_second_per_ip.get(), 3);
    assert_eq!(config.limits.frames_per_second.get(), 4);
    assert_eq!((config.limits.unfinished_bytes, config.limits.message_seconds.get()), (2 << 20, 7));
    let Timeouts { tls_handshake, request_head, ping_interval, send, close } = config.timeouts;
    let seconds = [tls_handshake, request_head, ping_interval, send, close].map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3, 4, 5]);
    assert_eq!(config.scf.endpoint.to_string(), "http://127.0.0.1:1234/");
    assert_eq!(config.scf.role.as_deref(), Some("gateway"));
    let [api] = config.apis.as_slice() else { panic!("one API") };
    let targets: Vec<_> = api.targets().map(ToString::to_string).collect();
    assert_eq!(targets[..2], ["scf:prod/chat-register:3", "http://127.0.0.1:8080/transfer"]);
    assert!(targets[2].ends_with("bootstrap"), "{}", targets[2]);
    assert_eq!(api.settings.origins, Origins::Only(vec!["https://example.com".to_owned()]));
    assert!(api.settings.integration_response);
    let ApiConfig { function_timeout, init_timeout, memory_mb, .. } = *api;
    let ApiSettings { idle_timeout, max_instances, concurrent_calls, waiting_calls, .. } = api.settings;
    assert_eq!([idle_timeout, function_timeout, init_timeout].map(|time| time.as_secs()), [60, 5, 6]);
    let numbers = [max_instances, concurrent_calls, waiting_calls].map(NonZeroU32::get);
    assert_eq!((numbers, memory_mb), ([2, 7, 9], 256));
    let env = [("WS_PUSH_TO", "others"), ("WS_CLOSE", "a,b")];
    assert_eq!(api.env, env.into_iter().collect());
}

#[test]
fn what_is_for_processes_alone_needs_a_process() {
    let remote = API.replace("process:bootstrap", "http://127.0.0.1/f");
    let settings = "max_instances = 1\ninit_timeout_seconds = 1\nmemory_mb = 1\n[api.env]\nA = \"b\"\n";
    let report = report(&format!("{remote}{settings}"));
    for key in ["api.max_instances", "api.init_timeout_seconds", "api.memory_mb", "[api.env]"] {
        assert!(
            report.contains(&format!("{key} is for process: functions, and this API has none")),
            "{report}"
        );
    }
    let one_process = remote.replacen("http://127.0.0.1/f", "process:bootstrap", 1);
    assert!(load(&format!("{one_process}{settings}")).is_ok());
}

#[test]
fn compression_is_a_flag_or_a_table() {
    let compression = |text: &str| load(&format!("{text}\n{API}")).map(|config| config.compression);
    assert_eq!(compression("").expect("sound"), None);
    assert_eq!(compression("compression = false").expect("sound"), None);
    let default = Compression::default();
    assert_eq!(compression("compression = true").expect("sound"), Some(default));
    assert_eq!(compression("compression = {}").expect("sound"), Some(default));
    let fast = compression("compression.level = 1").expect("sound");
    assert_eq!(fast, Some(Compression { level: 1, ..default }));
    for (text, wrong) in [
        ("compression = 1", "compression must be true or false"),
        ("compression.level = 10", "compression.level = 10: allowed are 1 to 9"),
        ("compression.windows = 1", "compression.windows is not a known key; known here: level, min_bytes"),
    ] {
        let report = compression(text).expect_err("wrong").to_string();
        assert!(report.contains(wrong), "{report}");
    }
}

#[test]
fn a_file_with_a_dozen_mistakes_gets_one_report_of_them_all() {
    assert_eq!(report(include_str!("tests/mistakes.toml")), include_str!("tests/mistakes.txt").trim_end());
}

#[test]
fn what_is_not_toml_is_reported_beside_the_other_mistakes() {
    let text = "listen = \"0.0.0.0:9000\npush_listen = \"x\"\ndrain_seconds = 1\ndrain_seconds = 2\n";
    let expected = [
        "gateway.toml:1:23: not TOML: invalid basic string, expected `\"`",
        "gateway.toml:2:15: push_listen = \"x\": write an IP address and a port, such as 0.0.0.0:9000 or [::]:9000",
        "gateway.toml:4:1: not TOML: duplicate key",
    ];
    assert_eq!(report(text).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Config::load(Path::new("/no/such/gateway.toml"), &Environment::default());
    let report = missing.expect_err("no file").to_string();
    assert!(
        report.starts_with("/no/such/gateway.toml: cannot read the configuration: No such file"),
        "{report}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, b"# one\n# \xff\n").expect("a file");
    let report = Config::load(&file, &Environment::default()).expect_err("not UTF-8").to_string();
    assert!(report.ends_with("line 2 is not UTF-8, in which TOML is written"), "{report}");
}

#[test]
fn an_empty_file_lacks_an_api() {
    assert_eq!(
        report(""),
        "gateway.toml:1:1: there is no [[api]]: write one with path, register, transfer and cleanup"
    );
}

#[test]
fn a_value_that_cannot_be_used_is_not_reported_as_missing_too() {
    let text = format!(
        "push_listen = \"x\"\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[scf]\nregion = \"?\"\n\
         [proxy]\ntrusted = [\"?\"]\nproxy_protocol = true\n{}",
        API.replacen("process:bootstrap", "scf:register", 1)
    );
    let report = report(&text);
    let lines: Vec<_> = report.lines().map(|line| line.split(':').nth(1).expect("a line's number")).collect();
    assert_eq!(lines, ["1", "6", "8"], "{report}");
}

#[test]
fn a_single_table_is_no_list_of_apis() {
    let report = report(&API.replace("[[api]]", "[api]"));
    assert_eq!(report, "gateway.toml:2:1: api must be a list of tables: write [[api]], not a table");
}

#[test]
fn a_key_that_slipped_below_a_table_is_sent_back_to_the_top() {
    for key in section::TOP_LEVEL {
        let report = report(&format!("{API}[limits]\n{key} = 1\n"));
        assert!(
            report.starts_with(&format!("gateway.toml:8:1: limits.{key} is not a known key")),
            "{report}"
        );
        assert!(report.ends_with("belongs above the first [table]"), "{report}");
    }
    let known = report(&format!("x = 1\n{API}"));
    assert!(known.contains(&section::TOP_LEVEL.join(", ")), "{known}");
}

#[test]
fn secrets_from_the_environment_are_checked_and_come_first() {
    let text = format!("push_token = \"of-the-file\"\n{API}");
    let environment = Environment::default().with("GATEWAY_PUSH_TOKEN", "of-the-machine");
    let config = load_with(&text, &environment).expect("a configuration");
    assert_eq!(config.push_token.as_ref().map(Secret::expose), Some("of-the-machine"));
    let environment =
        Environment::default().with("GATEWAY_PUSH_TOKEN", "hunter2!").with("GATEWAY_ADMIN_PASSWORD", "");
    let text = format!("admin_listen = \"127.0.0.1:9002\"\n{API}");
    let expected = [
        "gateway.toml: the variable GATEWAY_PUSH_TOKEN: a token consists of letters, digits, _ and -",
        "gateway.toml:1:16: admin_listen = \"127.0.0.1:9002\": the variable GATEWAY_ADMIN_PASSWORD: it is empty",
    ];
    assert_eq!(report_with(&text, &environment).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let environment = Environment::default()
        .with("GATEWAY_PUSH_TOKEN_FILE", file("token", "of-the-file\n"))
        .with("GATEWAY_METRICS_TOKEN", "read-only")
        .with("GATEWAY_ADMIN_PASSWORD_FILE", file("password", "hunter2"))
        .with("GATEWAY_CLUSTER_FILE", file("cluster", "redis://:hunter2@10.0.0.7/0\r\n"));
    let text = format!("admin_listen = \"0.0.0.0:9002\"\n{API}");
    let config = load_with(&text, &environment).expect("a configuration");
    assert_eq!(config.push_token.as_ref().map(Secret::expose), Some("of-the-file"));
    assert_eq!(config.fixed.cluster, RedisUrl::parse("redis://:hunter2@10.0.0.7/0").ok());
    let admin = config.fixed.admin.as_ref().expect("an admin address");
    assert!(admin.password.as_ref().is_some_and(|password| password.matches(b"hunter2")));
    assert!(admin.metrics_token.as_ref().is_some_and(|token| token.matches(b"read-only")));

    let both = environment.with("GATEWAY_PUSH_TOKEN", "x").with("GATEWAY_CLUSTER_FILE", "/no/such/file");
    let report = report_with(&text, &both);
    let expected = [
        "gateway.toml: the variables GATEWAY_PUSH_TOKEN and GATEWAY_PUSH_TOKEN_FILE are both set",
        "gateway.toml: the variable GATEWAY_CLUSTER_FILE: cannot read the file /no/such/file: No such file or directory \
         (os error 2)",
    ];
    assert_eq!(report.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_key_that_is_nearly_right_is_recognised() {
    for (written, meant) in [
        ("push_tokne = \"x\"\n", "push_tokne is not a known key; "),
        ("drain_second = 1\n", "; did you mean drain_seconds?"),
        ("push_tokens = \"x\"\n", "; did you mean push_token?"),
        ("\"\" = 1\n", "\"\" is not a known key; known here"),
        ("\"a b\" = 1\n", "\"a b\" is not a known key; known here"),
    ] {
        let report = report(&format!("{written}{API}"));
        assert!(report.starts_with("gateway.toml:1:1: ") && report.contains(meant), "{report}");
    }
    assert!(!report(&format!("x = 1\n{API}")).contains("did you mean"));
    let below = report(&format!("{API}[limits]\nconections = 1\n"));
    assert!(below.ends_with("; did you mean limits.connections?"), "{below}");
}

#[test]
fn a_certificate_that_cannot_be_used_stops_a_start_and_no_reload() {
    let folder = folder();
    let file = folder.path().join("gateway.toml");
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"other.pem\"\n";
    fs::write(&file, format!("push_listen = \"127.0.0.1:9001\"\n{API}{tls}")).expect("a file");
    assert!(Config::load(&file, &Environment::default()).is_err());
    assert!(Config::reload(&file, &Environment::default()).is_ok());
}

#[test]
fn the_page_is_behind_a_password_unless_it_is_on_this_machine() {
    let open = |listen: &str| load(&format!("admin_listen = \"{listen}\"\n{API}"));
    assert!(open("127.0.0.1:9002").is_ok());
    assert!(open("[::1]:9002").is_ok());
    for listen in ["0.0.0.0:9002", "10.0.0.5:9002", "[::]:9002"] {
        let report = open(listen).expect_err(listen).to_string();
        assert!(report.contains("set the variable GATEWAY_ADMIN_PASSWORD"), "{report}");
    }
    let metrics = "metrics_token = \"read-only\"\nadmin_listen = \"0.0.0.0:9002\"\n";
    assert!(load(&format!("{metrics}{API}")).is_err());
    assert!(load(&format!("page = false\n{metrics}{API}")).is_ok(), "all that is there has a token");
}

#[test]
fn the_push_address_is_not_an_api() {
    let text = API.replace("/chat", "/api-local");
    assert!(report(&text).contains("is the push address's path"));
    assert!(load(&format!("push_listen = \"127.0.0.1:9001\"\n{text}")).is_ok());
    let text = format!("push_token = \"hunter2\"\n{}", API.replace("/chat", "/api-hunter2"));
    assert!(report(&text).contains("is the push address's path"));
    assert!(!report(&text).contains("hunter2"));
    assert!(load(&API.replace("/chat", "/api-v1")).is_ok());
}

#[test]
fn with_tls_functions_are_given_an_address_that_they_can_verify() {
    let tls = format!("{API}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    assert!(
        report(&tls).starts_with("gateway.toml:7:1: with [tls] functions push over TLS too: set push_url")
    );
    assert!(load(&format!("push_listen = \"127.0.0.1:9001\"\n{tls}")).is_ok());
    assert!(load(&format!("push_url = \"https://gateway.test:9000\"\n{tls}")).is_ok());
}

/// A file that is being written, or was cut by a full disk.
#[test]
fn no_part_of_a_file_is_too_odd_for_a_report() {
    let text = include_str!("../../../examples/gateway.toml");
    let read = |text: &str| {
        read::read(Path::new("gateway.toml"), text, &Environment::default(), read::Certificates::Checked)
    };
    for (cut, _) in text.char_indices() {
        let report = read(&text[..cut]).expect_err("no program and no certificate are there");
        assert!(!report.problems.is_empty());
    }
    for (index, _) in text.lines().enumerate() {
        let without: Vec<_> =
            text.lines().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| line).collect();
        let report = read(&without.join("\n")).expect_err("no program and no certificate are there");
        let lines = without.len() + 1;
        assert!(report.problems.iter().all(|problem| problem.line <= lines), "{report}");
    }
}

#[test]
fn an_empty_list_of_origins_is_a_mistake() {
    let text = format!("{API}origins = []\n");
    assert!(
        report(&text).starts_with("gateway.toml:7:11: api.origins = []: an empty list refuses every page")
    );
}

#[test]
fn no_secret_is_shown() {
    let environment = Environment::default().with("GATEWAY_ADMIN_PASSWORD", "hunter2");
    let text = format!(
        "push_token = \"hunter2\"\nadmin_listen = \"127.0.0.1:9002\"\ncluster = \"redis://:hunter2@x\"\n{API}\
         [api.env]\nPASSWORD = \"hunter2\"\n"
    );
    let config = load_with(&text, &environment).expect("a configuration");
    let shown = format!("{config:?} {environment:?}");
    assert!(shown.contains("PASSWORD") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_seldom_should_be_is_warned_of() {
    assert_eq!(warnings::of(&load(API).expect("a configuration")), Vec::<String>::new());
    let environment = Environment::default().with("GATEWAY_ADMIN_PASSWORD", "hunter2");
    let text = format!("listen = \"0.0.0.0:9000\"\nadmin_listen = \"0.0.0.0:9002\"\n{API}");
    let warned = warnings::of(&load_with(&text, &environment).expect("a configuration")).join("\n");
    for named in ["set push_token", "set [tls]", "0.0.0.0:9002"] {
        assert!(warned.contains(named), "{warned}");
    }
    let text = format!("{API}[proxy]\ntrusted = [\"0.0.0.0/0\"]\n");
    let warned = warnings::of(&load(&text).expect("a configuration")).join("\n");
    assert!(warned.contains("every client can claim any address"), "{warned}");
}

#[test]
fn the_example_has_no_mistakes() {
    let folder = folder();
    for made in ["examples/tls", "target/package"] {
        fs::create_dir_all(folder.path().join(made)).expect("a folder");
    }
    for (from, to) in [
        ("cert.pem", "examples/tls/fullchain.pem"),
        ("key.pem", "examples/tls/privkey.pem"),
        ("bootstrap", "target/package/bootstrap"),
    ] {
        fs::copy(folder.path().join(from), folder.path().join(to)).expect("a file");
    }
    let text = include_str!("../../../examples/gateway.toml");
    let file = folder.path().join("examples/gateway.toml");
    fs::write(&file, text).expect("a file");
    let config = Config::load(&file, &Environment::default()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.apis.len(), 2);
    // What is commented out are the defaults: with all of it in force nothing changes.
    let enabled: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split_once(" = ").is_some_and(|(key, _)| is_key(key)) => {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, &enabled).expect("a file");
    let enabled = Config::load(&file, &Environment::default()).unwrap_or_else(|report| panic!("{report}"));
    let expected = Config {
        push_token_previous: Some(Secret::new("changed")),
        fixed: FixedConfig {
            cluster: RedisUrl::parse("redis://10.0.0.7/0").ok(),
            admin: config
                .fixed
                .admin
                .clone()
                .map(|admin| Admin { metrics_token: Some(Secret::new("change-me-too")), ..admin }),
            log: LogSettings { format: Some(LogFormat::Text), level: Some(::log::LevelFilter::Info) },
            ..config.fixed.clone()
        },
        scf: Scf { role: Some("gateway".to_owned()), ..config.scf.clone() },
        limits: Limits {
            connections_per_attribute: [("user".to_owned(), 5)].into(),
            ..config.limits.clone()
        },
        ..config
    };
    assert_eq!(enabled, expected);
}

fn is_key(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}
