//! The rules folder on disk: reading it, whole or in part; `watch` hears when it changes.
//!
//! Strangers own parts of it: only regular files are read, links are followed only where [`Reach`] lets them end, and
//! everything has a limit. A file that cannot be read is broken, never gone. What begins with a dot is no customer and no
//! rule file: Kubernetes and git keep what they need under such names.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::customer::may_be_a_customer;
use crate::problem::{escaped, is_invisible};
use crate::rule::check::Source;
use crate::secret::beneath::{Reach, Refused, Root};
use passed_over::Gathered;

mod passed_over;
pub mod secrets;
mod watch;

pub use passed_over::PassedOver;
pub use watch::{Watch, watch};

/// The largest rule file, bytes.
pub const FILE_BYTES_MOST: u64 = 256 * 1024;

/// The most rule files of one customer.
pub const FILES_MOST: usize = 10_000;

/// The most that the rule files of one customer have together, bytes: a change of one of them reads all of them again,
/// while others wait.
const FOLDER_BYTES_MOST: u64 = 16 << 20;

/// How often the folder is read again when it was exchanged while it was read.
const EXCHANGED_MOST: usize = 3;

/// Who the folders below the rules folder belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Customers who are strangers to each other.
    Strangers,
    /// Teams of one organisation, which may share files by links.
    Teams,
}

/// What of the rules folder to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These folders below it, whole; they may be gone.
    Folders(BTreeSet<String>),
}

impl Part {
    /// Both parts.
    pub fn and(self, other: Part) -> Part {
        match (self, other) {
            (Part::Folders(mut names), Part::Folders(more)) => {
                names.extend(more);
                Part::Folders(names)
            }
            _ => Part::Whole,
        }
    }
}

/// What a reading of the folder found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files' texts, by path.
    pub sources: Vec<Source>,
    /// Files that are there and cannot be used: path and why.
    pub unreadable: Vec<(String, String)>,
    /// Why nothing can be found: the rules folder itself is missing, or is empty. Then nobody's rules are gone, but those
    /// who swap the folder have not finished, or its volume is not mounted.
    pub nothing: Option<String>,
    /// What lies there and is not read as a rule file.
    pub passed_over: Vec<PassedOver>,
}

/// Reads every rule file below `rules`, or in a part of it: directly in it, and in its folders (but not in `secrets/`).
///
/// # Errors
/// When the folder itself is there and cannot be listed.
pub fn read(rules: &Path, part: &Part, neighbours: Neighbours) -> Result<Found> {
    let mut found = Found::default();
    for _ in 0..EXCHANGED_MOST {
        let root = match Root::of(rules) {
            Ok(root) => root,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let nothing = Some(format!("there is no rules folder {}", rules.display()));
                return Ok(Found {
                    nothing,
                    ..Found::default()
                });
            }
            Err(error) => return Err(error).with_context(|| format!("opening the rules folder {}", rules.display())),
        };
        found = read_once(&root, part, neighbours)?;
        // a folder that is swapped is read whole: before or after
        if fs::canonicalize(rules).is_ok_and(|now| now == root.real()) {
            break;
        }
    }
    Ok(found)
}

fn read_once(root: &Root, part: &Part, neighbours: Neighbours) -> Result<Found> {
    let mut found = Found::default();
    let rules = root.real();
    if is_empty(rules).with_context(|| format!("listing the rules folder {}", rules.display()))? {
        found.nothing = Some(format!("there is nothing in the rules folder {}", rules.display()));
        return Ok(found);
    }
    if let Part::Folders(names) = part {
        let names = names.iter().filter(|name| may_be_a_customer(name));
        let there = names.filter(|name| root.real().join(name).is_dir());
        there.for_each(|name| found.read_customer(root, name, neighbours));
        return Ok(found);
    }
    let mut gathered = Gathered::default();
    let mut names = list(rules, usize::MAX).with_context(|| format!("listing the rules folder {}", rules.display()))?;
    // a folder whose name begins with a dot is nobody's
    names.retain(|(name, _)| may_be_a_customer(name));
    for (name, path) in names {
        match path.is_dir() {
            true => found.read_customer(root, &name, neighbours),
            false if is_rule_file(&name) => drop(found.take(root, name, u64::MAX, Reach::Everything)),
            false => gathered.note("", &name, false),
        }
    }
    found.passed_over.extend(gathered.of("", true));
    Ok(found)
}

impl Found {
    /// Reads a customer's folder.
    fn read_customer(&mut self, root: &Root, customer: &str, neighbours: Neighbours) {
        if !self.is_readable(customer, "/") {
            return;
        }
        let reach = match neighbours {
            Neighbours::Strangers => Reach::Customer(customer),
            Neighbours::Teams => Reach::Everything,
        };
        let folder = match root.path_of(Path::new(customer), reach) {
            Ok(folder) => folder,
            Err(refused) => return self.unreadable.push((format!("{customer}/"), refused.to_string())),
        };
        let files = match list(&folder, FILES_MOST) {
            Ok(files) if files.len() > FILES_MOST => {
                let why = format!(
                    "the folder holds more than {FILES_MOST} files; none of them is read: move what is no rule file"
                );
                return self.unreadable.push((format!("{customer}/"), why));
            }
            Ok(files) => files,
            Err(error) => {
                let why = format!("the folder cannot be listed: {error}");
                return self.unreadable.push((format!("{customer}/"), why));
            }
        };
        let (mut left, mut has_rule_files, mut gathered) = (FOLDER_BYTES_MOST, false, Gathered::default());
        for (name, path) in files {
            if is_rule_file(&name) {
                has_rule_files = true;
                left -= self.take(root, format!("{customer}/{name}"), left, reach);
            } else {
                // where a link leads to is nobody's to see
                let is_folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
                gathered.note(&format!("{customer}/"), &name, is_folder);
            }
        }
        // a folder of that name beside the customers' is one of secrets, too, unless it has rules
        if has_rule_files || customer != "secrets" {
            self.passed_over
                .extend(gathered.of(&format!("{customer}/"), has_rule_files));
        }
    }

    /// Whether a name can be shown in logs and messages as it is.
    fn is_readable(&mut self, name: &str, end: &str) -> bool {
        let is_readable = !name.contains(is_invisible);
        if !is_readable {
            let why = "is not read: its name holds a line end or another character that cannot be seen; rename it";
            self.unreadable.push((escaped(name) + end, why.to_owned()));
        }
        is_readable
    }

    /// Reads a file that has at most `most` bytes; says how many it has.
    fn take(&mut self, root: &Root, name: String, most: u64, reach: Reach<'_>) -> u64 {
        if !self.is_readable(&name, "") {
            return 0;
        }
        let read = text_of(root, &name, reach).and_then(|text| match text.len() as u64 <= most {
            true => Ok(text),
            false => Err(format!(
                "does not fit: the files of a folder have at most {FOLDER_BYTES_MOST} bytes together, and those before \
                 it leave {most}"
            )),
        });
        match read {
            Ok(text) => {
                let bytes = text.len() as u64;
                self.sources.push(Source { path: name, text });
                bytes
            }
            Err(why) => {
                self.unreadable.push((name, why));
                0
            }
        }
    }
}

/// Whether nothing in a folder may be a customer's or a rule file.
fn is_empty(folder: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if may_be_a_customer(&entry?.file_name().to_string_lossy()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `.yaml` or `.yml`, and not an editor's own file.
fn is_rule_file(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !file.starts_with(['.', '#', '~']) && has_ending(file)
}

/// Whether a name ends as rule files do, in whatever case.
fn has_ending(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    [".yaml", ".yml"]
        .iter()
        .any(|end| small.len() > end.len() && small.ends_with(end))
}

/// What is in a folder, by name; of a larger one, `most` and one more, whichever they are.
fn list(folder: &Path, most: usize) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)?.take(most.saturating_add(1)) {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

/// A file's text; never waits on a pipe.
fn text_of(root: &Root, name: &str, reach: Reach<'_>) -> Result<String, String> {
    let file = root.open(Path::new(name), reach);
    let mut file = file.map_err(|refused: Refused| refused.to_string())?;
    let meta = file
        .metadata()
        .map_err(|error| format!("cannot be looked at: {error}"))?;
    if meta.len() > FILE_BYTES_MOST {
        return Err(format!(
            "has {} bytes; a rule file has at most {FILE_BYTES_MOST}: split it into several files",
            meta.len()
        ));
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(FILE_BYTES_MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error().valid_up_to()))
}

/// What a text that is not UTF-8 probably is, where it stops being it, and how it becomes it.
fn not_utf8(bytes: &[u8], valid: usize) -> String {
    let before = &bytes[..valid];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let of_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or(before);
    let column = 1 + String::from_utf8_lossy(of_line).chars().count();
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    let sort = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ if zeros > bytes.len() / 4 => "UTF-16",
        _ if zeros > 0 => "no text",
        _ => "Windows-1252 or Latin-1",
    };
    format!(
        "is not UTF-8 text (line {line}, column {column}, byte {valid}): it looks like {sort}; save it as UTF-8 in your \
         editor"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_yaml_files_are_read_and_nothing_else_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let contoso = dir.path().join("contoso");
        fs::create_dir_all(contoso.join("secrets")).expect("folders");
        fs::write(contoso.join("production.yaml"), "rules: []").expect("a file");
        fs::write(contoso.join("secrets/teams.yaml"), "https://secret").expect("a file");
        fs::write(contoso.join("notes.txt"), "x").expect("a file");
        fs::write(contoso.join(".production.yaml.swp.yaml"), "x").expect("a file");
        fs::write(contoso.join("latin1.yaml"), [b'a', 0xe9]).expect("a file");
        fs::write(contoso.join("large.yaml"), "x".repeat(256 * 1024 + 1)).expect("a file");
        fs::write(contoso.join("full.yaml"), "x".repeat(256 * 1024)).expect("a file");
        std::os::unix::fs::symlink("/etc/passwd", contoso.join("link.yaml")).expect("a link");
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        let read: Vec<&str> = found.sources.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(read, ["contoso/full.yaml", "contoso/production.yaml"]);
        let refused: Vec<&str> = found.unreadable.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            refused,
            ["contoso/large.yaml", "contoso/latin1.yaml", "contoso/link.yaml"]
        );
    }

    #[test]
    fn what_lies_beside_the_rule_files_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for folder in [
            "acme/network",
            "acme/secrets",
            "only/deep",
            "..2026_11_29",
            "secrets",
            "empty",
        ] {
            fs::create_dir_all(at(folder)).expect("folders");
        }
        for name in [
            "acme/network/prod.yaml",
            "acme/Security.YAML",
            "acme/Net.Yml",
            "acme/dba.yaml.txt",
            "acme/api.json",
            "acme/README.md",
            "acme/.hidden",
            "acme/secrets/teams",
            "only/deep/a.yaml",
            "only/b.txt",
            "..2026_11_29/a.yaml",
            "secrets/smtp",
            "top.json",
            "README",
        ] {
            fs::write(at(name), "rules: []").expect("a file");
        }
        let found = read(dir.path(), &Part::Whole, Neighbours::Strangers).expect("reads");
        let read_files: Vec<&str> = found.sources.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(read_files, ["acme/Net.Yml", "acme/Security.YAML"]);
        let told: Vec<&str> = found.passed_over.iter().map(|one| one.path.as_str()).collect();
        let wanted = [
            "acme/api.json",
            "acme/dba.yaml.txt",
            "acme/network/",
            "empty/",
            "only/",
            "only/b.txt",
            "only/deep/",
            "top.json",
        ];
        assert_eq!(told, wanted);
        let part = read(
            dir.path(),
            &Part::Folders(["acme".to_owned()].into()),
            Neighbours::Strangers,
        )
        .expect("reads");
        assert_eq!(part.passed_over.len(), 3);
    }

    #[test]
    fn a_file_in_another_encoding_says_which_and_where() {
        let text = |bytes: &[u8]| {
            let dir = tempfile::tempdir().expect("a directory");
            fs::write(dir.path().join("a.yaml"), bytes).expect("a file");
            read(dir.path(), &Part::Whole, Neighbours::Strangers)
                .expect("reads")
                .unreadable[0]
                .1
                .clone()
        };
        let latin = text(b"rules: []\n# Z\xfcrich\n");
        assert!(
            latin.contains("line 2, column 4") && latin.contains("Windows-1252"),
            "{latin}"
        );
        assert!(text(b"\xff\xfer\0u\0l\0").contains("UTF-16"));
        assert!(text(b"PK\x03\x04\0\xff\0a man can read nothing here").contains("no text"));
    }

    #[test]
    fn a_name_that_could_forge_a_line_is_told_in_escapes_and_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        for folder in ["contoso", "evil\nERROR all is lost"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
            fs::write(dir.path().join(folder).join("a.yaml"), "rules: []").expect("a file");
        }
        fs::write(dir.path().join("contoso/b\u{1b}[2J.yaml"), "rules: []").expect("a file");
        fs::write(dir.path().join("contoso/note\n.txt"), "is no rule file").expect("a file");
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        assert_eq!(found.sources.len(), 1);
        let refused: Vec<&str> = found.unreadable.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(refused, [r"contoso/b\u{1b}[2J.yaml", r"evil\nERROR all is lost/"]);
        let part = Part::Folders(["evil\nERROR all is lost".to_owned()].into());
        assert_eq!(
            read(dir.path(), &part, Neighbours::Teams)
                .expect("reads")
                .unreadable
                .len(),
            1
        );
    }

    #[test]
    fn of_a_folder_with_too_many_files_none_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("contoso")).expect("a folder");
        for nth in 0..=FILES_MOST {
            fs::write(dir.path().join(format!("contoso/{nth}.txt")), "").expect("a file");
        }
        fs::write(dir.path().join("contoso/a.yaml"), "rules: []").expect("a file");
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        assert_eq!((found.sources.len(), found.unreadable.len()), (0, 1));
        assert_eq!(found.unreadable[0].0, "contoso/");
    }

    #[test]
    fn a_folder_has_a_limit_and_what_does_not_fit_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        for customer in ["contoso", "fabrikam"] {
            fs::create_dir(dir.path().join(customer)).expect("a folder");
        }
        let at = |name: &str| dir.path().join(name);
        let full = "x".repeat(FILE_BYTES_MOST as usize);
        for nth in 0..FOLDER_BYTES_MOST / FILE_BYTES_MOST {
            fs::write(at(&format!("contoso/{nth:02}.yaml")), &full).expect("a file");
        }
        fs::write(at("fabrikam/a.yaml"), &full).expect("a file");
        assert!(
            read(dir.path(), &Part::Whole, Neighbours::Teams)
                .expect("reads")
                .unreadable
                .is_empty()
        );
        fs::write(at("contoso/63.yaml"), &full[1..]).expect("a file");
        for name in ["contoso/a.yaml", "contoso/b.yaml", "contoso/c.yaml"] {
            fs::write(at(name), "x".repeat(if name.ends_with("a.yaml") { 2 } else { 1 })).expect("a file");
        }
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        let refused: Vec<&str> = found.unreadable.iter().map(|(path, _)| path.as_str()).collect();
        // one byte was left: the first that fits takes it
        assert_eq!(refused, ["contoso/a.yaml", "contoso/c.yaml"]);
        assert!(found.unreadable[0].1.contains("leave 1"), "{:?}", found.unreadable);
        assert!(found.sources.iter().any(|source| source.path == "fabrikam/a.yaml"));
    }

    #[test]
    fn parts_are_added_up() {
        let folders = |names: &[&str]| Part::Folders(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            folders(&["a", "b"]).and(folders(&["b", "c"])),
            folders(&["a", "b", "c"])
        );
        assert_eq!(folders(&["a"]).and(Part::Whole), Part::Whole);
        assert_eq!(Part::Whole.and(folders(&["a"])), Part::Whole);
    }

    #[test]
    fn of_a_part_only_its_folders_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["contoso", "fabrikam"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
            fs::write(dir.path().join(name).join("a.yaml"), "rules: []").expect("a file");
        }
        let part = Part::Folders(["contoso", "gone"].map(str::to_owned).into());
        let found = read(dir.path(), &part, Neighbours::Teams).expect("reads");
        assert_eq!(found.sources.len(), 1);
        assert_eq!(found.sources[0].path, "contoso/a.yaml");
    }

    #[test]
    fn a_folder_that_is_missing_or_empty_is_told_apart_from_customers_without_rules() {
        let missing = read(Path::new("/nowhere/at/all"), &Part::Whole, Neighbours::Teams).expect("reads");
        assert!(missing.sources.is_empty() && missing.unreadable.is_empty());
        assert!(missing.nothing.is_some_and(|why| why.contains("/nowhere/at/all")));
        let dir = tempfile::tempdir().expect("a directory");
        for folder in ["lost+found", "..2026_1", ".git"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let empty = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        assert!(empty.nothing.is_some_and(|why| why.contains("nothing in")));
        fs::create_dir(dir.path().join("contoso")).expect("a folder");
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        assert_eq!(found.nothing, None);
    }

    fn link(target: &str, at: PathBuf) {
        fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(target, at).expect("a link");
    }

    fn paths(found: &Found) -> Vec<&str> {
        found.sources.iter().map(|source| source.path.as_str()).collect()
    }

    #[test]
    fn of_a_configmap_each_file_is_read_once_and_its_data_folders_are_no_customers() {
        for neighbours in [Neighbours::Teams, Neighbours::Strangers] {
            let dir = tempfile::tempdir().expect("a directory");
            let at = |name: &str| dir.path().join(name);
            // mounted at the top with items, and another one in a customer's folder
            fs::create_dir_all(at("..2026_1/contoso")).expect("folders");
            fs::write(at("..2026_1/contoso/a.yaml"), "rules: []").expect("a file");
            fs::create_dir_all(at("fabrikam/..2026_2")).expect("folders");
            fs::write(at("fabrikam/..2026_2/b.yaml"), "rules: []").expect("a file");
            link("..2026_1", at("..data"));
            link("..data/contoso", at("contoso"));
            link("..2026_2", at("fabrikam/..data"));
            link("..data/b.yaml", at("fabrikam/b.yaml"));
            let found = read(dir.path(), &Part::Whole, neighbours).expect("reads");
            assert_eq!(paths(&found), ["contoso/a.yaml", "fabrikam/b.yaml"]);
            assert_eq!(found.unreadable, []);
            let part = Part::Folders(["contoso", "..2026_1", "..data"].map(str::to_owned).into());
            let found = read(dir.path(), &part, neighbours).expect("reads");
            assert_eq!(paths(&found), ["contoso/a.yaml"]);
        }
    }

    #[test]
    fn links_that_may_not_be_followed_are_broken_files_with_the_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("fabrikam")).expect("folders");
        fs::write(at("fabrikam/b.yaml"), "rules: []").expect("a file");
        link("/etc/passwd", at("contoso/host.yaml"));
        link("../fabrikam/b.yaml", at("contoso/theirs.yaml"));
        link("../fabrikam", at("contoso/folder.yaml"));
        link("/etc", at("etc"));
        let found = read(dir.path(), &Part::Whole, Neighbours::Strangers).expect("reads");
        assert_eq!(paths(&found), ["fabrikam/b.yaml"]);
        let refused: BTreeSet<(&str, bool)> = found
            .unreadable
            .iter()
            .map(|(path, why)| (path.as_str(), why.contains("outside of the rules folder")))
            .collect();
        let expected = [
            ("contoso/host.yaml", true),
            ("contoso/theirs.yaml", false),
            ("contoso/folder.yaml", false),
            ("etc/", true),
        ];
        assert_eq!(refused, expected.into());
        let found = read(dir.path(), &Part::Whole, Neighbours::Teams).expect("reads");
        assert_eq!(paths(&found), ["contoso/theirs.yaml", "fabrikam/b.yaml"]);
    }
}
