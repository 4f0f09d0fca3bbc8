//! The README matches the program: its table of variables is that of `--help`, CI runs its commands, and the tests that it
//! and SECURITY.md name exist.

use std::fs;
use std::path::Path;

use scf_websocket::Variable;
use scf_websocket::bootstrap::VARIABLES;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

#[test]
fn the_table_of_variables_is_the_program_s() {
    let row = |variable: &Variable| {
        format!("| `{}` | {} | {} |\n", variable.name, variable.values, variable.default)
    };
    let rows = VARIABLES.iter().map(row).collect::<Vec<_>>().concat();
    let table = format!("| variable | values | default |\n| --- | --- | --- |\n{rows}\n");
    assert!(file("README.md").contains(&table), "README.md must contain:\n{table}");
}

#[test]
fn every_command_is_run_by_ci() {
    let (readme, ci) = (file("README.md"), file(".ci/run"));
    let mut commands = 0;
    for block in readme.split("```sh\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            let command = line.split(" #").next().unwrap_or_default().trim();
            if command.is_empty() {
                continue;
            }
            commands += 1;
            assert!(ci.contains(command), "`{command}` stands in README.md and not in .ci/run");
        }
    }
    assert!(commands > 3, "the README has commands");
}

#[test]
fn every_test_that_is_named_is_there() {
    let readme = file("README.md");
    let guarantees = readme.split("## What it guarantees").nth(1).and_then(|rest| rest.split("\n## ").next());
    let mut names = 0;
    for text in [guarantees.expect("the section"), &file("SECURITY.md")] {
        for row in text.lines().filter(|line| line.starts_with("| ") && !line.contains("| ---")).skip(1) {
            let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
            for name in cell.split('`').skip(1).step_by(2) {
                names += 1;
                assert!(is_there(name), "{name} is named and is not there");
            }
        }
    }
    assert!(names > 20, "{names} are named");
}

/// A path, or a module of these tests, alone or with the start of a test's name.
fn is_there(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file();
    }
    let (module, test) = name.split_once("::").unwrap_or((name, "*"));
    let test = test.trim_end_matches(['…', '*']);
    file(&format!("tests/{module}.rs")).contains(&format!("fn {test}"))
}
