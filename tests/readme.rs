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

/// What runs the commands of each document, and names it.
const RUN_BY: [(&str, &str); 11] = [
    ("README.md", "gateway/tests/python_functions.rs"),
    ("docs/admin-api.md", "gateway/tests/admin_api.rs"),
    ("docs/cluster.md", "scripts/check-documents.sh"),
    ("docs/deploy.md", "scripts/check-documents.sh"),
    ("docs/from-the-python-samples.md", "gateway/tests/python_functions.rs"),
    ("docs/in-a-web-function.md", "scripts/check-documents.sh"),
    ("docs/in-production.md", "scripts/check-production.sh"),
    ("docs/other-languages.md", "tests/other_languages.rs"),
    ("docs/own-functions.md", "scripts/check-own-functions.sh"),
    ("docs/push.md", "gateway/tests/push_commands.rs"),
    ("deploy/gateway/kubernetes.md", "scripts/check-gateway-files.sh"),
];

#[test]
fn every_command_is_run() {
    let ci = file(".ci/run");
    for document in crate::links::documents() {
        let name = document.to_string_lossy();
        let sections = sections(&file(&name));
        let blocks: Vec<_> = sections
            .iter()
            .flat_map(|section| &section.code)
            .filter(|block| ["", "sh", "console"].contains(&block.language.as_str()))
            .collect();
        // Translations have the commands of their originals.
        let of_a_reader = name.starts_with("docs/") || name.starts_with("deploy/") || name == "README.md";
        if blocks.is_empty() || !of_a_reader || name.contains("zh-CN") {
            continue;
        }
        for block in &blocks {
            assert_ne!(
                block.language, "",
                "{name}: commands are marked sh, and other text is text: {:?}",
                block.lines
            );
        }
        let runs = RUN_BY.iter().find(|(known, _)| *known == name).map(|(_, by)| *by);
        let by = runs.unwrap_or_else(|| panic!("nothing runs the commands of {name}: see RUN_BY"));
        assert!(file(by).contains(&*name), "{by} does not name {name}");
        let in_ci = by.strip_suffix(".sh").is_none_or(|script| ci.contains(script));
        assert!(in_ci, "{by} is not in .ci/run");
    }
    assert!(ci.contains("scripts/check-run.sh # runs make run and make run EXAMPLE=chat"));
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
