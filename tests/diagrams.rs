//! Each diagram in `docs/diagrams` is drawn of its current source, and names files that exist.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/diagrams")).expect("docs/diagrams");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "dot"));
    assert!(files.len() >= 3, "the diagrams are in docs/diagrams");
    files
}

#[test]
fn every_drawing_is_of_its_current_source() {
    for source in sources() {
        let hash = Sha256::digest(read(&source))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat();
        let drawing = read(&source.with_extension("svg"));
        assert!(drawing.contains(&hash), "{} has changed: run `make diagrams`", source.display());
    }
}

#[test]
fn every_file_that_a_diagram_names_exists() {
    for source in sources() {
        let text = read(&source);
        let words = text.split([' ', '<', '>', '"', ',', ';', ':']);
        for name in words.filter(|word| Path::new(word).extension().is_some_and(|found| found == "rs")) {
            let paths = [name.to_owned(), format!("gateway/src/{name}")];
            let exists = paths.iter().any(|path| root().join(path).is_file());
            assert!(exists, "{} names {name}, which does not exist", source.display());
        }
    }
}
