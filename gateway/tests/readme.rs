//! The README's table of the gateway's flags is what the gateway's `-h` says, and its configuration file is sound.

use std::{fs, path::Path, process::Command};

use scf_websocket_test_harness::{from_file, gateway_program};

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
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    assert!(readme.contains(&table), "README.md must contain:\n{table}");
}

/// The file of "In production", with a certificate that is there.
#[test]
fn the_file_of_the_readme_has_no_errors() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let production = readme.split("## In production").nth(1).expect("the section");
    let file =
        production.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the file");
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let files = authority.files();
    let file = file
        .replace("/etc/scf-websocket/tls/fullchain.pem", &files.certificate.display().to_string())
        .replace("/etc/scf-websocket/tls/privkey.pem", &files.key.display().to_string());
    let output = from_file(&file).args(&["--check"]).output();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("clients  wss://0.0.0.0:443\npush     http://10.0.0.5:9001/api-"), "{said}");
}
