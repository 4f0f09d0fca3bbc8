//! The documents match the program: the table of variables equals `--help`, CI runs its commands, and the tests
//! that docs/guarantees.md and SECURITY.md name exist.

mod figures;
mod languages;
pub mod markdown;

use std::fs;
use std::path::Path;

use scf_websocket::Variable;
use scf_websocket::bootstrap::VARIABLES;

use self::markdown::sections;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

#[test]
fn the_table_of_variables_matches_the_program() {
    let row = |variable: &Variable| {
        format!("| `{}` | {} | {} |\n", variable.name, variable.values, variable.default)
    };
    let rows = VARIABLES.iter().map(row).collect::<Vec<_>>().concat();
    let table = format!("| variable | values | default |\n| --- | --- | --- |\n{rows}\n");
    assert!(file("docs/variables.md").contains(&table), "docs/variables.md must contain:\n{table}");
}

/// The README's commands: CI runs each line, or a test the whole block.
#[test]
fn every_command_is_run() {
    const TESTED: (&str, &str) = ("examples/python-samples/bootstrap", "gateway/tests/python_functions.rs");
    let (readme, ci) = (sections(&file("README.md")), file(".ci/run"));
    let blocks = readme.iter().flat_map(|section| &section.code).filter(|block| block.language == "sh");
    let (mut commands, mut blocks_of_tests) = (0, 0);
    for block in blocks {
        if block.lines.iter().any(|line| line.contains(TESTED.0)) {
            assert!(file(TESTED.1).contains("include_str!(\"../../README.md\")"));
            blocks_of_tests += 1;
            continue;
        }
        for command in block.lines.iter().map(|line| line.split(" #").next().unwrap_or_default().trim()) {
            assert!(ci.contains(command), "`{command}` is in README.md but not in .ci/run");
            commands += 1;
        }
    }
    assert!(commands > 0 && blocks_of_tests == 1, "{commands} commands, {blocks_of_tests} blocks");
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

/// A page has to be one file, so that the example for clients is in it.
#[test]
fn the_chats_page_connects_as_the_example_does() {
    let script = file("examples/reconnecting.js");
    assert!(
        file("examples/chat.html").contains(&format!("<script>\n{script}</script>\n")),
        "examples/chat.html must contain examples/reconnecting.js"
    );
}

#[test]
fn every_named_test_exists() {
    let mut names = 0;
    for document in ["docs/guarantees.md", "SECURITY.md"] {
        for row in
            sections(&file(document)).iter().flat_map(|section| &section.tables).flat_map(|table| &table[2..])
        {
            let before = names;
            for name in row.last().map(String::as_str).unwrap_or_default().split('`').skip(1).step_by(2) {
                names += 1;
                assert!(exists(name), "{document} names {name}, which does not exist");
            }
            assert!(names > before, "{document} names no test for: {}", row[0]);
        }
    }
    assert!(names > 20, "only {names} named tests found");
}

/// `name` is a path, or a module of these tests, alone or followed by the start of a test's name.
fn exists(name: &str) -> bool {
    if name.contains('/') {
        return root().join(name).is_file();
    }
    let (module, test) = name.split_once("::").unwrap_or((name, "*"));
    let test = test.trim_end_matches(['…', '*']);
    file(&format!("tests/{module}.rs")).contains(&format!("fn {test}"))
}
