//! The README matches the program: its table of variables equals `--help`, CI runs its commands, and the tests that it and
//! SECURITY.md name exist.

use std::fs;
use std::path::Path;

use scf_websocket::Variable;
use scf_websocket::bootstrap::VARIABLES;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

#[test]
fn the_table_of_variables_matches_the_program() {
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
            assert!(ci.contains(command), "`{command}` is in README.md but not in .ci/run");
        }
    }
    assert!(commands > 3, "only {commands} commands found in README.md");
}

#[test]
fn the_program_of_the_documents_is_the_example() {
    let example = file("examples/shout.rs");
    let (_, program) = example.split_once("\n\n").expect("a first line that says what it is");
    for name in ["README.md", "docs/own-functions.md"] {
        assert!(
            file(name).contains(&format!("```rust\n{program}```\n")),
            "{name} must contain examples/shout.rs"
        );
    }
}

#[test]
fn every_named_test_exists() {
    let readme = file("README.md");
    let guarantees = readme.split("## What it guarantees").nth(1).and_then(|rest| rest.split("\n## ").next());
    let mut names = 0;
    for text in [guarantees.expect("the section"), &file("SECURITY.md")] {
        for row in text.lines().filter(|line| line.starts_with("| ") && !line.contains("| ---")).skip(1) {
            let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
            for name in cell.split('`').skip(1).step_by(2) {
                names += 1;
                assert!(exists(name), "{name} is named but does not exist");
            }
        }
    }
    assert!(names > 20, "only {names} named tests found");
}

/// `name` is a path, or a module of these tests, alone or followed by the start of a test's name.
fn exists(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file();
    }
    let (module, test) = name.split_once("::").unwrap_or((name, "*"));
    let test = test.trim_end_matches(['…', '*']);
    file(&format!("tests/{module}.rs")).contains(&format!("fn {test}"))
}
