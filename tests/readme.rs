//! The README says what the program does: its table of variables is the program's, its commands are run.

use std::fs;
use std::path::Path;

use scf_websocket::config::{VARIABLES, Variable};

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
