//! The public interface matches `docs/public-api.txt`, so that a review shows every change to it.
//!
//! `UPDATE_PUBLIC_API=1 cargo test -p scf-websocket public_api` updates the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{
    Attribute, Fields, File, ImplItem, Item, ItemEnum, ItemImpl, ItemStruct, ItemTrait, Signature, TraitItem,
    Type, UseTree, Visibility,
};

const LISTING: &str = "docs/public-api.txt";

/// Crates whose types must not be part of the interface, since a new major version of theirs would break it.
const DEPENDENCIES: &[&str] =
    &["base64", "env_logger", "http", "httparse", "log", "serde_json", "sha2", "signal_hook", "ureq"];

#[test]
fn the_public_interface_matches_the_listing() {
    let listing = listing();
    let path = root().join(LISTING);
    if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&path, &listing).expect("the listing is written");
    }
    let committed = fs::read_to_string(&path).expect(LISTING);
    let (now, before): (BTreeSet<&str>, BTreeSet<&str>) =
        (listing.lines().collect(), committed.lines().collect());
    let added: Vec<_> = now.difference(&before).collect();
    let removed: Vec<_> = before.difference(&now).collect();
    assert!(
        added.is_empty() && removed.is_empty(),
        "the interface differs from {LISTING}; added: {added:#?}, removed: {removed:#?}; if that is intended, run \
         UPDATE_PUBLIC_API=1 cargo test -p scf-websocket public_api"
    );
}

#[test]
fn no_type_of_a_dependency_is_in_the_public_interface() {
    for line in listing().lines() {
        let identifiers: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let named = DEPENDENCIES.iter().find(|name| identifiers.contains(name));
        assert!(named.is_none(), "{named:?} in {line}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// One line per public item, method, variant and trait implementation.
fn listing() -> String {
    let crate_root = Module::read("lib.rs");
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let all: Vec<Item> = files.into_iter().flat_map(|file| file.items).collect();
    let mut lines = BTreeSet::new();
    list(&crate_root, "", &all, &mut lines);
    let lines: Vec<String> = lines.into_iter().collect();
    lines.join("\n") + "\n"
}

struct Module {
    items: Vec<Item>,
}

impl Module {
    fn read(path: &str) -> Self {
        Self { items: parse(&root().join("src").join(path)).items }
    }
}

fn parse(path: &Path) -> File {
    let source = fs::read_to_string(path).expect("a source file");
    syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sources(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(parse(&path));
        }
    }
}

/// Lists the public items of a module, its re-exports and its public modules.
fn list(module: &Module, prefix: &str, all: &[Item], lines: &mut BTreeSet<String>) {
    for item in &module.items {
        match item {
            Item::Mod(inner) if is_public(&inner.vis) && !is_for_fuzzing(&inner.attrs) => {
                let name = inner.ident.to_string();
                lines.insert(format!("mod {prefix}{name}"));
                list(&Module::read(&format!("{name}.rs")), &format!("{prefix}{name}::"), all, lines);
            }
            Item::Use(used) if is_public(&used.vis) => {
                for name in names(&used.tree) {
                    let found = all.iter().filter(|item| defines(item, &name)).count();
                    assert_eq!(found, 1, "{name} must be defined once");
                    all.iter().filter(|item| defines(item, &name)).for_each(|item| {
                        describe(item, prefix, all, lines);
                    });
                }
            }
            item => describe(item, prefix, all, lines),
        }
    }
}

fn names(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Path(path) => names(&path.tree),
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Group(group) => group.items.iter().flat_map(names).collect(),
        other => panic!("{}: only plain re-exports are supported", text(other)),
    }
}

/// Whether the item is public and has this name. Non-generic functions are excluded, since several modules have
/// functions of the same name.
fn defines(item: &Item, name: &str) -> bool {
    match item {
        Item::Struct(item) => is_public(&item.vis) && item.ident == name,
        Item::Enum(item) => is_public(&item.vis) && item.ident == name,
        Item::Trait(item) => is_public(&item.vis) && item.ident == name,
        Item::Type(item) => is_public(&item.vis) && item.ident == name,
        Item::Fn(item) => {
            is_public(&item.vis) && item.sig.ident == name && !item.sig.generics.params.is_empty()
        }
        _ => false,
    }
}

fn describe(item: &Item, prefix: &str, all: &[Item], lines: &mut BTreeSet<String>) {
    match item {
        Item::Struct(item) if is_public(&item.vis) => describe_struct(item, prefix, all, lines),
        Item::Enum(item) if is_public(&item.vis) => describe_enum(item, prefix, all, lines),
        Item::Trait(item) if is_public(&item.vis) => describe_trait(item, prefix, lines),
        Item::Fn(item) if is_public(&item.vis) => {
            lines.insert(format!("{prefix}{}", signature(&item.sig)));
        }
        Item::Type(item) if is_public(&item.vis) => {
            let generics = &item.generics;
            lines.insert(format!("type {prefix}{}{} = {}", item.ident, text(generics), text(&item.ty)));
        }
        Item::Const(item) if is_public(&item.vis) => {
            lines.insert(format!("const {prefix}{}: {}", item.ident, text(&item.ty)));
        }
        _ => {}
    }
}

fn describe_struct(item: &ItemStruct, prefix: &str, all: &[Item], lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}{}", item.ident);
    lines.insert(format!("{}struct {name}{}", attributes(&item.attrs), text(&item.generics)));
    for field in item.fields.iter().filter(|field| is_public(&field.vis)) {
        let field_name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        lines.insert(format!("{name}.{field_name}: {}", text(&field.ty)));
    }
    describe_impls(&item.ident.to_string(), &name, all, lines);
}

fn describe_enum(item: &ItemEnum, prefix: &str, all: &[Item], lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}{}", item.ident);
    lines.insert(format!("{}enum {name}{}", attributes(&item.attrs), text(&item.generics)));
    for variant in &item.variants {
        lines.insert(format!("{name}::{}{}", variant.ident, fields(&variant.fields)));
    }
    describe_impls(&item.ident.to_string(), &name, all, lines);
}

fn fields(fields: &Fields) -> String {
    let list = fields.iter().map(|field| {
        let name = field.ident.as_ref().map(|ident| format!("{ident}: ")).unwrap_or_default();
        name + &text(&field.ty)
    });
    let list = list.collect::<Vec<_>>().join(", ");
    match fields {
        Fields::Unit => String::new(),
        Fields::Unnamed(_) => format!("({list})"),
        Fields::Named(_) => format!(" {{ {list} }}"),
    }
}

fn describe_trait(item: &ItemTrait, prefix: &str, lines: &mut BTreeSet<String>) {
    let name = format!("{prefix}{}", item.ident);
    lines.insert(format!("trait {name}{}", text(&item.generics)));
    for member in &item.items {
        let member = match member {
            TraitItem::Fn(function) => {
                let default = if function.default.is_some() { " (default)" } else { "" };
                format!("{}{default}", signature(&function.sig))
            }
            TraitItem::Type(inner) => format!("type {}: {}", inner.ident, text(&inner.bounds)),
            other => text(other),
        };
        lines.insert(format!("{name}::{member}"));
    }
}

fn describe_impls(ident: &str, name: &str, all: &[Item], lines: &mut BTreeSet<String>) {
    for item in all {
        let Item::Impl(implementation) = item else { continue };
        if is_of(implementation, ident) {
            describe_impl(implementation, name, lines);
        }
    }
}

fn is_of(implementation: &ItemImpl, ident: &str) -> bool {
    let Type::Path(path) = implementation.self_ty.as_ref() else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == ident)
}

fn describe_impl(implementation: &ItemImpl, name: &str, lines: &mut BTreeSet<String>) {
    if let Some((implemented, _)) = &implementation.trait_ {
        let generics = text(&implementation.generics);
        lines.insert(format!("impl{generics} {} for {name}", text(implemented)));
        return;
    }
    for item in &implementation.items {
        if let ImplItem::Fn(function) = item
            && is_public(&function.vis)
        {
            lines.insert(format!("{name}::{}", signature(&function.sig)));
        }
    }
}

fn signature(signature: &Signature) -> String {
    text(signature)
}

/// The attributes that are part of the interface.
fn attributes(attributes: &[Attribute]) -> String {
    let shown = attributes.iter().filter(|attribute| {
        ["derive", "non_exhaustive", "must_use"].iter().any(|name| attribute.path().is_ident(name))
    });
    shown.map(|attribute| text(attribute) + " ").collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_for_fuzzing(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| text(attribute).contains("fuzzing"))
}

/// The tokens as source text with conventional spacing.
fn text(tokens: &impl ToTokens) -> String {
    let tokens = tokens.to_token_stream().to_string();
    let spacing: BTreeMap<&str, &str> = BTreeMap::from([
        (" ,", ","),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" :: ", "::"),
        (" : ", ": "),
        ("& ", "&"),
        ("( ", "("),
        (" (", "("),
        (" )", ")"),
        ("# [", "#["),
        (" ]", "]"),
        ("[ ", "["),
        ("' _", "'_"),
    ]);
    let mut text = spacing.iter().fold(tokens, |text, (from, to)| text.replace(from, to));
    text = text.replace(" ->", "->").replace("->", " -> ").replace(" ->  ", " -> ");
    text.replace("=(", "= (").replace("? Sized", "?Sized").replace(",)", ")")
}
