//! No two modules import each other, directly or over others: a reader can follow the files in one direction.
//!
//! An import is a `use` or a path in the code that leads into another file of the same crate. Declaring a module (`mod`)
//! is none, and neither is what a module takes from the one it is a part of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// A module's path within its crate, `["push", "client"]`; the crate's root is empty.
type Module = Vec<String>;

#[test]
fn no_module_of_the_library_imports_one_that_imports_it() {
    assert_no_circle("src");
}

#[test]
fn no_module_of_the_gateway_imports_one_that_imports_it() {
    assert_no_circle("gateway/src");
}

fn assert_no_circle(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let modules = modules(&folder);
    assert!(modules.len() > 10, "{} holds modules", folder.display());
    let imports = imports(&modules);
    let circle =
        circle(&imports).map(|circle| circle.iter().map(|m| m.join("::")).collect::<Vec<_>>().join(" → "));
    assert_eq!(circle, None, "modules that import each other in a circle");
}

/// Every file of the crate's library, parsed.
fn modules(folder: &Path) -> BTreeMap<Module, syn::File> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                modules.insert(name(folder, &path), syn::parse_file(&text).expect("Rust"));
            }
        }
    }
    // Another crate: it imports the library by its name.
    modules.remove(&vec!["main".to_owned()]);
    modules
}

fn name(folder: &Path, path: &Path) -> Module {
    let relative: PathBuf = path.strip_prefix(folder).expect("below the folder").with_extension("");
    let mut name: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if name.last().is_some_and(|last| last == "lib" || last == "mod") {
        name.pop();
    }
    name
}

fn imports(modules: &BTreeMap<Module, syn::File>) -> BTreeMap<Module, BTreeSet<Module>> {
    modules
        .iter()
        .map(|(module, file)| {
            let mut finder = Finder { modules, module, found: BTreeSet::new() };
            finder.visit_file(file);
            (module.clone(), finder.found)
        })
        .collect()
}

struct Finder<'m> {
    modules: &'m BTreeMap<Module, syn::File>,
    module: &'m Module,
    found: BTreeSet<Module>,
}

impl Finder<'_> {
    /// Notes the file that a path leads into: the longest beginning of it that is a module.
    fn note(&mut self, path: &[String]) {
        let (mut target, rest) = match path.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &path[1..]),
            Some("self") => (self.module.clone(), &path[1..]),
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let kept = self.module.len().saturating_sub(ups);
                (self.module[..kept].to_vec(), &path[ups..])
            }
            _ => (self.module.clone(), path),
        };
        let relative = target == *self.module;
        let start = target.len();
        for part in rest {
            target.push(part.clone());
            if !self.modules.contains_key(&target) {
                target.pop();
                break;
            }
        }
        if relative && target.len() == start {
            return;
        }
        // The crate's root and every other module that this one is a part of.
        if !self.module.starts_with(&target) {
            self.found.insert(target);
        }
    }

    fn note_tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.note_tree(before, item)),
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.note(before);
                before.pop();
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.note(before);
                before.pop();
            }
            UseTree::Glob(_) => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        // Tests may use whatever they test.
        if let Item::Mod(module) = item
            && module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"))
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }
}

/// The modules of one circle, in order; `None` if there is none.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| follow(module, imports, &mut Vec::new(), &mut done))
}

fn follow(
    module: &Module,
    imports: &BTreeMap<Module, BTreeSet<Module>>,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(start) = way.iter().position(|earlier| earlier == module) {
        return Some(way[start..].iter().chain([module]).cloned().collect());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module.clone());
    let found = imports.get(module).into_iter().flatten().find_map(|next| follow(next, imports, way, done));
    way.pop();
    done.insert(module.clone());
    found
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let mut imports = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::new()),
    ]);
    assert_eq!(circle(&imports), None);
    imports.insert(module("c"), BTreeSet::from([module("a")]));
    assert_eq!(circle(&imports), Some(vec![module("a"), module("b"), module("c"), module("a")]));
}
