//! What lies in the rules folder and is not read as a rule file: its owner may think that it is, so it is said.

/// How many such things of one folder are named; the others are counted.
const NAMED_MOST: usize = 20;

/// What is left behind by editors and version control.
const COPIES: [&str; 8] = [".bak", ".orig", ".old", ".tmp", ".swp", ".save", ".rej", ".copy"];

/// Something that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its path below the rules folder; a folder's with a `/` at the end.
    pub path: String,
    /// Why it is not read, and what to do: what follows its name.
    pub why: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.why)
    }
}

/// What is passed over in one folder.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    named: Vec<PassedOver>,
    more: usize,
}

impl Gathered {
    /// Notes a file or folder below `folder` (empty, or with a `/` at the end) that is not read, unless nobody expects it
    /// to be.
    pub(super) fn note(&mut self, folder: &str, name: &str, is_folder: bool) {
        if is_expected(name) {
            return;
        }
        if self.named.len() == NAMED_MOST {
            self.more += 1;
            return;
        }
        let (end, why) = match is_folder {
            true => ("/", why_folder(folder)),
            false => ("", why_file(name)),
        };
        self.named.push(PassedOver {
            path: format!("{folder}{}{end}", crate::problem::escaped(name)),
            why,
        });
    }

    /// All of it; that a folder holds nothing else comes first.
    pub(super) fn of(self, folder: &str, has_rule_files: bool) -> Vec<PassedOver> {
        let said = |why: String| PassedOver {
            path: if folder.is_empty() {
                "rules/".to_owned()
            } else {
                folder.to_owned()
            },
            why,
        };
        let nothing = (!has_rule_files && !folder.is_empty()).then(|| {
            said(
                "holds no rule file, so nobody is told by it: rule files end in `.yaml` and lie right in it".to_owned(),
            )
        });
        let more = (self.more > 0).then(|| said(format!("holds {} more that are not read", self.more)));
        nothing.into_iter().chain(self.named).chain(more).collect()
    }
}

/// What lies there for other reasons, as everybody knows.
fn is_expected(name: &str) -> bool {
    let is_readme = name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("readme"));
    name.starts_with('.') || name == "secrets" || is_readme
}

fn why_folder(folder: &str) -> String {
    format!("is not read, as rule files lie right in `{folder}` and not in folders below it; move them up")
}

fn why_file(name: &str) -> String {
    let name = &crate::problem::escaped(name);
    let small = name.to_ascii_lowercase();
    let is_copy =
        small.ends_with('~') || small.starts_with(['#', '~']) || COPIES.iter().any(|end| small.ends_with(end));
    let inner = ["txt", "json", "j2", "tpl", "tmpl", "dist", "example", "disabled", "off"];
    let stem = inner
        .iter()
        .find_map(|end| small.strip_suffix(&format!(".{end}")).map(|stem| &name[..stem.len()]));
    match stem {
        _ if is_copy => "is not read: it looks like a copy that an editor left; remove it, or give it a name of its own that ends in `.yaml`".to_owned(),
        Some(stem) if super::has_ending(stem) => format!("is not read: rename it to `{stem}` if it is meant to be"),
        Some(stem) => format!("is not read: rule files end in `.yaml`; rename it to `{stem}.yaml` if it is one"),
        None => "is not read: rule files end in `.yaml` or `.yml`; rename it if it is one, or keep it elsewhere".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[(&str, bool)], has_rule_files: bool) -> Vec<String> {
        let mut gathered = Gathered::default();
        names
            .iter()
            .for_each(|(name, is_folder)| gathered.note("acme/", name, *is_folder));
        gathered
            .of("acme/", has_rule_files)
            .iter()
            .map(PassedOver::to_string)
            .collect()
    }

    #[test]
    fn each_says_what_to_do_with_it() {
        let names = [
            ("network", true),
            ("dba.yaml.txt", false),
            ("api.json", false),
            ("prod.yaml~", false),
            ("prod.yaml.bak", false),
            ("#prod.yaml#", false),
            ("prod.yaml.disabled", false),
            ("Rules.doc", false),
            ("rules", false),
            ("a\nb.txt", false),
        ];
        insta::assert_snapshot!(told(&names, true).join("\n"), @r#"
        acme/network/ is not read, as rule files lie right in `acme/` and not in folders below it; move them up
        acme/dba.yaml.txt is not read: rename it to `dba.yaml` if it is meant to be
        acme/api.json is not read: rule files end in `.yaml`; rename it to `api.yaml` if it is one
        acme/prod.yaml~ is not read: it looks like a copy that an editor left; remove it, or give it a name of its own that ends in `.yaml`
        acme/prod.yaml.bak is not read: it looks like a copy that an editor left; remove it, or give it a name of its own that ends in `.yaml`
        acme/#prod.yaml# is not read: it looks like a copy that an editor left; remove it, or give it a name of its own that ends in `.yaml`
        acme/prod.yaml.disabled is not read: rename it to `prod.yaml` if it is meant to be
        acme/Rules.doc is not read: rule files end in `.yaml` or `.yml`; rename it if it is one, or keep it elsewhere
        acme/rules is not read: rule files end in `.yaml` or `.yml`; rename it if it is one, or keep it elsewhere
        acme/a\nb.txt is not read: rule files end in `.yaml`; rename it to `a\nb.yaml` if it is one
        "#);
    }

    #[test]
    fn what_lies_there_for_other_reasons_is_not_told() {
        let names = [
            "README",
            "README.md",
            "readme.txt",
            ".git",
            ".prod.yaml.swp",
            "secrets",
            ".gitkeep",
        ];
        let names = names.map(|name| (name, name == ".git" || name == "secrets"));
        assert_eq!(told(&names, true), [""; 0]);
    }

    #[test]
    fn a_flood_is_counted_and_a_folder_without_rule_files_says_so_first() {
        let names: Vec<String> = (0..1_000).map(|nth| format!("{nth}.pdf")).collect();
        let names: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
        let told = told(&names, false);
        assert_eq!(told.len(), 1 + NAMED_MOST + 1);
        assert!(told[0].starts_with("acme/ holds no rule file"), "{told:?}");
        assert_eq!(told[1 + NAMED_MOST], "acme/ holds 980 more that are not read");
    }
}
