//! The documents' tables of the gateway's flags, close reasons and metrics are what the gateway has, their configuration
//! files are sound, the README's push reaches a client, and the dashboard shows no other metrics.

use std::{fs, path::Path, process::Command};

use scf_websocket_gateway::metrics::catalogue::{self, MetricKind};
use scf_websocket_test_harness::{InProcess, Need, from_file, gateway_program, needs};

use crate::wss::authority::Authority;

/// A row for each flag, from a line such as `--listen <ADDR:PORT>  Where clients connect [default: 127.0.0.1:9000]`.
fn row(line: &str) -> Option<String> {
    let (flag, rest) = line.trim().split_once("  ")?;
    if !flag.starts_with("--") {
        return None;
    }
    let flag = flag.replace(['<', '>'], "");
    let rest = rest.trim();
    let (meaning, default) = match rest.strip_suffix(']').and_then(|rest| rest.split_once(" [default: ")) {
        // A value is written as code, a description is not.
        Some((meaning, default)) if default.contains(' ') => (meaning, default.to_owned()),
        Some((meaning, default)) => (meaning, format!("`{default}`")),
        None if flag.contains(' ') => (rest, "none".to_owned()),
        None => (rest, "off".to_owned()),
    };
    Some(format!("| `{flag}` | {meaning} | {default} |\n"))
}

#[test]
fn the_table_of_flags_is_the_gateway_s() {
    let help = Command::new(gateway_program()).arg("-h").output().expect("the gateway runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let rows: Vec<String> = help.lines().filter_map(row).collect();
    assert!(rows.len() > 10, "{help}");
    let table = format!("| flag | meaning | default |\n| --- | --- | --- |\n{}\n", rows.concat());
    assert_in("docs/gateway.md", &table);
}

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).expect(name)
}

fn assert_in(document: &str, table: &str) {
    assert!(file(document).contains(table), "{document} must contain:\n{table}");
}

/// Tests beside the code compare both with the enum and the registry.
#[test]
fn the_tables_of_close_reasons_and_metrics_are_the_gateway_s() {
    assert_in("docs/closing.md", include_str!("../src/connection/websocket/close_reasons.md"));
    assert_in("docs/metrics.md", include_str!("../src/observe/metrics/catalogue.md"));
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> Vec<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("scf_gateway_") || word.starts_with("process_")).collect()
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let text = file("deploy/grafana/gateway.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let shown: Vec<String> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("a query").to_owned())
        .collect();
    let shown: Vec<&str> = shown.iter().flat_map(|query| metrics_in(query)).collect();
    let names: Vec<String> = catalogue::ALL
        .iter()
        .map(|metric| match metric.kind {
            MetricKind::Histogram => format!("{}_bucket", metric.name),
            _ => metric.name.to_owned(),
        })
        .collect();
    for name in metrics_in(&text) {
        assert!(names.iter().any(|known| known == name), "the gateway has no {name}");
    }
    for name in &names {
        assert!(shown.contains(&name.as_str()), "no panel shows {name}");
    }
    // Labels that a query names must exist as well: `by (…)`, `{…=~…}`.
    let labels: Vec<&str> =
        catalogue::ALL.iter().flat_map(|metric| metric.labels).copied().chain(["instance", "le"]).collect();
    for query in panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets")) {
        let query = query["expr"].as_str().expect("a query");
        for grouped in query.split("by (").skip(1) {
            let grouped = grouped.split(')').next().unwrap_or_default();
            for label in grouped.split(", ") {
                assert!(labels.contains(&label), "no label {label}: {query}");
            }
        }
    }
}

/// The files of "In production", with a certificate that is there.
#[test]
fn the_files_of_the_documents_have_no_errors() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let files = authority.files();
    for document in ["README.md", "README.zh-CN.md", "docs/in-production.md"] {
        let text = file(document);
        let blocks: Vec<&str> =
            text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        // In the README the APIs come first, and the part that is to be put before them later.
        let text = blocks[..blocks.len().min(2)].iter().rev().copied().collect::<String>();
        let text = text
            .replace("/etc/scf-websocket/tls/fullchain.pem", &files.certificate.display().to_string())
            .replace("/etc/scf-websocket/tls/privkey.pem", &files.key.display().to_string());
        let output = from_file(&text).args(&["--check"]).output();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{document}: {said}");
        assert!(
            said.contains("clients  wss://0.0.0.0:443\npush     http://10.0.0.5:9001/api-"),
            "{document}: {said}"
        );
    }
}

/// The command of the README, as it is written but for the address and the id.
#[tokio::test]
async fn the_readme_s_curl_pushes_to_one_connection() {
    if !needs(Need::Curl) {
        return;
    }
    let readme = file("README.md");
    let (command, answer) = readme
        .split_once("\n$ curl ")
        .and_then(|(_, rest)| rest.split_once('\n'))
        .map(|(command, rest)| (format!("curl -sS {command}"), rest.lines().next().unwrap_or_default()))
        .expect("the command");
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let command = command
        .replace("http://127.0.0.1:9000/api-local", &gateway.push)
        .replace(r#""ID""#, &format!("{id:?}"));
    let run = move || Command::new("sh").args(["-c", &command]).output().expect("sh runs");
    let output = tokio::task::spawn_blocking(run).await.expect("the command ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), answer);
    assert_eq!(client.next_text().await, "hello");
}
