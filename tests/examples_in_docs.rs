//! Everything that people meet in the library has an example in its documentation: each type its own, each function a call
//! in one of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item};

#[test]
fn every_item_of_the_library_has_an_example() {
    let mut docs = Docs::default();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut docs);
    let listing = include_str!("../docs/public-api.txt");
    let types = listing.lines().filter(|line| !line.starts_with("impl")).filter_map(type_name);
    let without: Vec<&str> = types.filter(|name| !docs.with_example.contains(*name)).collect();
    assert!(without.is_empty(), "types without an example of their own: {without:?}");
    let called = |name: &&str| {
        [".", "::", "fn "].iter().any(|before| {
            let call = format!("{before}{name}");
            let mut calls = docs.examples.match_indices(&call);
            calls.any(|(at, _)| docs.examples[at + call.len()..].starts_with(['(', ':']))
        })
    };
    let without: Vec<&str> = listing.lines().filter_map(function_name).filter(|name| !called(name)).collect();
    assert!(without.is_empty(), "functions that no example calls: {without:?}");
}

fn type_name(line: &str) -> Option<&str> {
    let (_, rest) = ["struct ", "enum ", "trait "].iter().find_map(|kind| line.split_once(kind))?;
    let name = rest.split(['<', ' ']).next()?;
    Some(name.rsplit("::").next().unwrap_or(name))
}

fn function_name(line: &str) -> Option<&str> {
    line.split_once("fn ")?.1.split(['<', '(']).next()
}

/// The examples of all documentation, and the types that have one.
#[derive(Default)]
struct Docs {
    examples: String,
    with_example: BTreeSet<String>,
    /// Within a fence, whether rustdoc compiles it.
    fence: Option<bool>,
}

fn sources(folder: PathBuf, docs: &mut Docs) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(path, docs);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = syn::parse_file(&fs::read_to_string(&path).expect("a source file")).expect("Rust");
            docs.visit_file(&file);
        }
    }
}

impl Visit<'_> for Docs {
    fn visit_item(&mut self, item: &Item) {
        let named = match item {
            Item::Struct(item) => Some((&item.ident, &item.attrs)),
            Item::Enum(item) => Some((&item.ident, &item.attrs)),
            Item::Trait(item) => Some((&item.ident, &item.attrs)),
            _ => None,
        };
        if let Some((name, attributes)) = named
            && attributes.iter().filter_map(doc).any(|line| line.trim_start().starts_with("```"))
        {
            self.with_example.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    /// A line, within a fence or between two.
    fn visit_attribute(&mut self, attribute: &Attribute) {
        let Some(line) = doc(attribute) else { return };
        if let Some(language) = line.trim_start().strip_prefix("```") {
            self.fence = self.fence.is_none().then_some(matches!(language, "" | "no_run"));
        } else if self.fence == Some(true) {
            self.examples += &line;
            self.examples.push('\n');
        }
    }
}

/// The line of documentation.
fn doc(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
    Some(text.value())
}
