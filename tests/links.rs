//! Every relative link of a document names a file that exists, and its anchor a heading of that file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::readme::markdown::{anchors, links};
use crate::readme::{file, root};

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    for name in ["README.md", "README.zh-CN.md", "docs/own-functions.md", "deploy/gateway/kubernetes.md"] {
        assert!(
            documents.iter().any(|document| document == Path::new(name)),
            "{name} is not among the documents"
        );
    }
    let mut broken = Vec::new();
    for document in &documents {
        let text = file(&document.to_string_lossy());
        for link in links(&text) {
            if let Err(reason) = follow(document, &text, &link) {
                broken.push(format!("{}: {link}: {reason}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// Every Markdown file of the repository, as paths from its root.
pub fn documents() -> Vec<PathBuf> {
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

/// Follows a link of a document with this path and text. A link to another site is not followed.
fn follow(document: &Path, text: &str, link: &str) -> Result<(), String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = document.parent().unwrap_or(Path::new("")).join(path);
    if link.is_empty() || (!path.is_empty() && (path.starts_with('/') || !root().join(&target).exists())) {
        return Err("there is no such file".to_owned());
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let anchors = if path.is_empty() { anchors(text) } else { anchors(&file(&target.to_string_lossy())) };
    if anchors.iter().any(|known| known == anchor) {
        return Ok(());
    }
    Err(format!("the headings are {}", anchors.join(", ")))
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "# One two\n";
    let follow = |link| follow(Path::new("docs/x.md"), text, link);
    for right in ["#one-two", "deploy.md", "../README.md#speed", "../deploy/gateway", "https://x.test/y"] {
        assert_eq!(follow(right), Ok(()), "{right}");
    }
    for wrong in ["#one", "README.md", "../README.md#spee", "/docs/deploy.md", "../nowhere", ""] {
        assert!(follow(wrong).is_err(), "{wrong}");
    }
}
