//! Whoever adds something that can happen, or something to remember, is told by the compiler where else it matters: in
//! what decides, no match over these enums has an arm for all the rest. It looks at the syntax tree, because clippy's lint
//! does not look into tuples.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Arm, ExprIf, ExprMatch, Pat};

/// The enums that grow when the product does.
const GROWING: [&str; 9] = [
    "Record",
    "Input",
    "Command",
    "Deadline",
    "Change",
    "Case",
    "Undecided",
    "Retry",
    "Op",
];

/// Where they are decided over, applied, folded and retired.
const DECIDING: [&str; 4] = ["src/evaluate", "src/ledger", "src/store/apply.rs", "src/store/fold.rs"];

/// The catch-alls of one file.
struct CatchAlls {
    file: PathBuf,
    found: Vec<String>,
}

impl CatchAlls {
    fn note(&mut self, what: &str, at: proc_macro2::Span) {
        let line = at.start().line;
        self.found.push(format!("{}:{line}: {what}", self.file.display()));
    }
}

impl<'ast> Visit<'ast> for CatchAlls {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_expr_match(&mut self, one: &'ast ExprMatch) {
        if one.arms.iter().any(|arm| names_growing(&arm.pat)) {
            for arm in one.arms.iter().filter(|arm| is_for_the_rest(arm)) {
                self.note("an arm for all the rest", syn::spanned::Spanned::span(&arm.pat));
            }
        }
        visit::visit_expr_match(self, one);
    }

    fn visit_expr_if(&mut self, one: &'ast ExprIf) {
        if let (syn::Expr::Let(condition), Some(_)) = (&*one.cond, &one.else_branch)
            && names_growing(&condition.pat)
        {
            self.note("`if let … else`", syn::spanned::Spanned::span(&condition.pat));
        }
        visit::visit_expr_if(self, one);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|one| {
        one.path().is_ident("cfg") && matches!(&one.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

/// Whether a pattern names a variant of an enum that grows.
fn names_growing(pattern: &Pat) -> bool {
    struct Names(bool);
    impl<'ast> Visit<'ast> for Names {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            let mut segments = path.segments.iter().rev().skip(1);
            self.0 |= segments
                .next()
                .is_some_and(|of| GROWING.iter().any(|growing| of.ident == growing));
            visit::visit_path(self, path);
        }
    }
    let mut names = Names(false);
    names.visit_pat(pattern);
    names.0
}

/// Whether an arm takes whatever comes: `_`, a name, or a tuple of such; one with a guard takes only some.
fn is_for_the_rest(arm: &Arm) -> bool {
    fn takes_all(pattern: &Pat) -> bool {
        match pattern {
            Pat::Wild(_) => true,
            Pat::Ident(name) => name.subpat.is_none() && name.ident.to_string().starts_with(char::is_lowercase),
            Pat::Tuple(tuple) => tuple.elems.iter().all(takes_all),
            Pat::Reference(inner) => takes_all(&inner.pat),
            Pat::Paren(inner) => takes_all(&inner.pat),
            Pat::TupleStruct(one) => one.path.is_ident("Some") && one.elems.iter().all(takes_all),
            Pat::Or(any) => any.cases.iter().any(takes_all),
            _ => false,
        }
    }
    arm.guard.is_none() && takes_all(&arm.pat)
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder");
    let files = entries.flat_map(|entry| files_below(&entry.expect("an entry").path()));
    files
        .filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
        .collect()
}

fn catch_alls(text: &str, file: &Path) -> Vec<String> {
    let mut catch_alls = CatchAlls {
        file: file.to_owned(),
        found: Vec::new(),
    };
    catch_alls.visit_file(&syn::parse_file(text).expect("Rust"));
    catch_alls.found
}

#[test]
fn what_decides_has_no_arm_for_all_the_rest_of_what_can_happen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = DECIDING.iter().flat_map(|path| files_below(&root.join(path))).collect();
    assert!(files.len() > 20, "where are they?");
    let found: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("tests.rs") && !file.ends_with("trap.rs"))
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("a source file");
            catch_alls(&text, file.strip_prefix(root).expect("below the root"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn catch_alls_are_found_in_tuples_too_and_only_over_enums_that_grow() {
    let found = |body: &str| catch_alls(&format!("fn f() {{ {body} }}"), Path::new("f.rs")).len();
    assert_eq!(found("match one { Input::Retired => 1, _ => 2 }"), 1);
    assert_eq!(found("match (one, two) { (Input::Retired, 3) => 1, (_, _) => 2 }"), 1);
    assert_eq!(
        found("match one { Some(Input::Retired) => 1, Some(other) => 2, None => 3 }"),
        1
    );
    assert_eq!(found("match one { Change::Wake { .. } => 1, rest => 2 }"), 1);
    assert_eq!(found("if let Change::Wake { at, .. } = one { at } else { now }"), 1);
    assert_eq!(
        found("match one { Input::Retired => 1, Input::Heard { .. } if x => 2, Input::Heard { .. } => 3 }"),
        0
    );
    assert_eq!(found("match one { Some(1) => 1, _ => 2 }"), 0);
    assert_eq!(
        found("match one { _ if x => 1, Input::Retired | Input::Heard { .. } => 2 }"),
        0
    );
}
