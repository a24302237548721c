//! Files of one room do not use each other in a circle: whoever reads one needs not read them all. A file and those below
//! it (`claim/terms/mod.rs`, `claim/terms/read.rs`) are one thing, and may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMod, ItemUse, UseTree};

/// A module's path: `["claim", "terms", "read"]`.
type Module = Vec<String>;

/// What one file names.
#[derive(Default)]
struct Names {
    /// Paths as they are written, `["super", "terms", "Term"]`.
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths
            .push(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

impl Names {
    fn tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(before, &path.tree);
                before.pop();
            }
            UseTree::Name(name) => self.one(before, name.ident.to_string()),
            UseTree::Rename(name) => self.one(before, name.ident.to_string()),
            UseTree::Glob(_) => self.paths.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
        }
    }

    fn one(&mut self, before: &[String], name: String) {
        self.paths.push(before.iter().cloned().chain([name]).collect());
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg") && quoted(attribute).is_some_and(|inside| inside == "test"))
    };
    attributes.iter().any(is_test)
}

/// What stands in the brackets of an attribute.
fn quoted(attribute: &Attribute) -> Option<String> {
    let list = attribute.meta.require_list().ok()?;
    Some(list.tokens.to_string())
}

/// The module that a path means, seen from another one: the longest one of those that there are.
fn meant<'m>(path: &[String], from: &Module, modules: &'m BTreeMap<Module, Names>) -> Option<&'m Module> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        _ => from.clone(),
    };
    let steps = path.iter().filter(|step| *step != "crate" && *step != "self");
    for step in steps {
        match step.as_str() {
            "super" => drop(at.pop()),
            name => at.push(name.to_owned()),
        }
    }
    (1..=at.len())
        .rev()
        .find_map(|length| modules.get_key_value(&at[..length]).map(|(module, _)| module))
}

/// Every file with what it names; tests are left out.
fn modules() -> BTreeMap<Module, Names> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let below = path.strip_prefix(&src).expect("below src").with_extension("");
                let mut module: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if module.last().is_some_and(|last| last == "mod") {
                    module.pop();
                }
                let is_root = module == ["lib"] || module == ["main"];
                if is_root || module.iter().any(|part| part == "tests" || part == "cases") {
                    continue;
                }
                let file = syn::parse_file(&fs::read_to_string(&path).expect("a file")).expect("is Rust");
                let mut names = Names::default();
                names.visit_file(&file);
                modules.insert(module, names);
            }
        }
    }
    modules
}

/// Which files of its room each file uses, but for those above and below it.
fn uses(modules: &BTreeMap<Module, Names>) -> BTreeMap<&Module, BTreeSet<&Module>> {
    let is_of_room = |one: &Module, other: &Module| one[0] == other[0];
    let is_family = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
    let of = |(module, names): (&_, &Names)| {
        let used = names.paths.iter().filter_map(|path| meant(path, module, modules));
        used.filter(|used| is_of_room(module, used) && !is_family(module, used))
            .collect()
    };
    modules
        .iter()
        .map(|(module, names)| (module, of((module, names))))
        .collect()
}

/// A way from a file over others back to itself, if there is one.
fn circle(uses: &BTreeMap<&Module, BTreeSet<&Module>>) -> Option<Vec<String>> {
    let mut left: BTreeMap<&Module, BTreeSet<&Module>> = uses.clone();
    // whoever uses nothing that is left is in no circle
    loop {
        let done: BTreeSet<&Module> = left
            .iter()
            .filter(|(_, used)| used.is_empty())
            .map(|(module, _)| *module)
            .collect();
        if done.is_empty() {
            break;
        }
        left.retain(|module, _| !done.contains(module));
        left.values_mut()
            .for_each(|used| used.retain(|used| !done.contains(used)));
    }
    let mut way: Vec<&Module> = vec![left.keys().next()?];
    loop {
        let next = left[way.last().expect("begun")].first().expect("uses something");
        if let Some(nth) = way.iter().position(|before| before == next) {
            return Some(way[nth..].iter().chain([next]).map(|module| module.join("/")).collect());
        }
        way.push(next);
    }
}

#[test]
fn files_of_a_room_do_not_use_each_other_in_a_circle() {
    let modules = modules();
    assert!(modules.len() > 100, "where are the sources?");
    let uses = uses(&modules);
    assert!(
        uses.values().map(BTreeSet::len).sum::<usize>() > 300,
        "what do they use?"
    );
    let circle = circle(&uses);
    assert_eq!(circle, None, "these use each other in a circle");
}

#[test]
fn a_circle_is_found_and_a_family_is_none() {
    let names = |paths: &[&str]| Names {
        paths: paths
            .iter()
            .map(|path| path.split("::").map(str::to_owned).collect())
            .collect(),
    };
    let module = |path: &str| -> Module { path.split("::").map(str::to_owned).collect() };
    let mut modules = BTreeMap::from([
        (module("a"), names(&["self::b::B", "c::C"])),
        (module("a::b"), names(&["super::A", "super::c::C", "crate::a::c"])),
        (module("a::c"), names(&["super::d::D"])),
        (module("a::d"), names(&["crate::a", "crate::other::b"])),
        (module("other::b"), names(&["crate::a::d"])),
    ]);
    assert_eq!(circle(&uses(&modules)), None);
    modules.insert(module("a::d"), names(&["super::b::B"]));
    let found = circle(&uses(&modules)).expect("a circle");
    assert_eq!(found, ["a/b", "a/c", "a/d", "a/b"]);
}
