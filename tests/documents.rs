//! The documents: their links lead somewhere, and the README says the same in both languages.

mod languages;
mod links;
pub mod markdown;

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

/// Every Markdown file of the repository, as paths from its root.
fn documents() -> Vec<PathBuf> {
    let mut documents = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is listed") {
            let path = entry.expect("the entry is listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !path.is_symlink() && !is_foreign(&name) {
                folders.push(path);
            } else if name.ends_with(".md") {
                documents.push(path.strip_prefix(root()).expect("the root").to_owned());
            }
        }
    }
    documents.sort();
    documents
}

/// Whether a folder holds what was built or installed.
fn is_foreign(name: &str) -> bool {
    name.starts_with('.') || ["target", "node_modules"].contains(&name)
}
