//! Opening files below a folder of which strangers own parts.
//!
//! Kubernetes mounts a ConfigMap or a Secret as links (`a.yaml -> ..data/a.yaml`, `..data -> ..2026_11_24_…`), so links are
//! followed, but only to where the one who names the file may read: whoever can put a link into its folder must not
//! read other files of the machine, nor those of a neighbour. What lies outside is not even looked at.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// The most links that lead from a name to its file: as many as Linux follows.
const LINKS_MOST: usize = 40;

/// How often a file is looked for again when it was exchanged between finding and opening it.
const EXCHANGED_MOST: usize = 5;

/// A folder below which files are opened, as it is at one moment: when it is exchanged, this one stays.
pub struct Root {
    folder: File,
    /// Where it is, without links.
    real: PathBuf,
    /// Where it is, as it was named.
    named: PathBuf,
}

/// Where a link may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Anywhere below the root, but not among secrets.
    Everything,
    /// In this customer's folder, or at a file directly in the root; not among secrets.
    Customer(&'a str),
    /// In this customer's folder.
    Secrets(&'a str),
}

/// Why something below a root cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A link leads out of the root.
    #[error(
        "is a link that ends outside of the rules folder, and is not followed: put the file itself there, or mount its \
         volume below the rules folder"
    )]
    Outside,
    /// A link leads to somebody else.
    #[error("is a link into the folder of another customer, and is not followed: put the file itself there")]
    Neighbour,
    /// A link leads to secrets.
    #[error("is a link into a folder of secrets, and is not followed: rule files do not hold secrets")]
    Secret,
    /// Links lead round.
    #[error("is a link that leads round in a circle, or over more than {LINKS_MOST} links")]
    Circle,
    /// A link leads nowhere.
    #[error("is a link to something that is not there")]
    Dangling,
    /// The system says no.
    #[error("cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl Refused {
    /// Whether there is simply no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Refused::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Where names lead to.
struct Resolved {
    /// Below the root, without links.
    path: PathBuf,
    /// Whether a link was followed.
    is_linked: bool,
}

impl Root {
    /// The folder that is there now; links on the way to it are the operator's and are followed.
    ///
    /// # Errors
    /// When it is not there, or cannot be opened.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let real = std::fs::canonicalize(folder)?;
        Ok(Self {
            folder: File::open(&real)?,
            real,
            named: std::path::absolute(folder)?,
        })
    }

    /// Where it is, without links.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// A folder or file below it without links, in full.
    ///
    /// # Errors
    /// When it is not there, or a link to it leads where it may not.
    pub fn path_of(&self, below: &Path, reach: Reach<'_>) -> Result<PathBuf, Refused> {
        let resolved = self.resolve(below)?;
        self.allow(below, &resolved, reach)?;
        Ok(self.real.join(resolved.path))
    }

    /// Opens a regular file for reading; waits for no pipe.
    ///
    /// # Errors
    /// When it is not there, is not a regular file, or a link to it leads where it may not.
    pub fn open(&self, below: &Path, reach: Reach<'_>) -> Result<File, Refused> {
        let direct = self.open_without_links(below);
        let is_link = |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if !direct.as_ref().is_err_and(is_link) {
            return Ok(direct?);
        }
        let mut last = Refused::Circle;
        for _ in 0..EXCHANGED_MOST {
            let resolved = self.resolve(below)?;
            self.allow(below, &resolved, reach)?;
            match self.open_without_links(&resolved.path) {
                Ok(file) => return Ok(file),
                Err(error) if is_link(&error) || error.kind() == io::ErrorKind::NotFound => last = error.into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }

    fn open_without_links(&self, below: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&self.folder, below, flags, Mode::empty(), resolve)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a regular file")),
        }
    }

    /// Follows the links of a name one by one, and looks at nothing that is not below the root.
    fn resolve(&self, below: &Path) -> Result<Resolved, Refused> {
        let mut ahead: VecDeque<OsString> = parts_of(below);
        let mut named_ahead = ahead.len();
        let mut at = self.real.clone();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            let is_of_a_link = ahead.len() >= named_ahead;
            named_ahead = named_ahead.min(ahead.len());
            match part.as_bytes() {
                b"/" => at = PathBuf::from("/"),
                b".." => drop(at.pop()),
                _ => {
                    let next = at.join(&part);
                    // the folder's own name, and the way to it
                    let is_on_the_way = self.real.starts_with(&next) || self.named.starts_with(&next);
                    if !next.starts_with(&self.real) {
                        match is_on_the_way {
                            true if next == self.named => at = self.real.clone(),
                            true => at = next,
                            false => return Err(Refused::Outside),
                        }
                        continue;
                    }
                    let target = match next.symlink_metadata() {
                        Ok(meta) if meta.is_symlink() => std::fs::read_link(&next)?,
                        Ok(_) => {
                            at = next;
                            continue;
                        }
                        Err(error) if error.kind() == io::ErrorKind::NotFound && is_of_a_link => {
                            return Err(Refused::Dangling);
                        }
                        Err(error) => return Err(error.into()),
                    };
                    links += 1;
                    if links > LINKS_MOST {
                        return Err(Refused::Circle);
                    }
                    parts_of(&target)
                        .into_iter()
                        .rev()
                        .for_each(|part| ahead.push_front(part));
                }
            }
        }
        let path = at.strip_prefix(&self.real).map_err(|_| Refused::Outside)?;
        Ok(Resolved {
            path: path.to_owned(),
            is_linked: links > 0,
        })
    }

    /// Whether what a link leads to may be read.
    fn allow(&self, below: &Path, resolved: &Resolved, reach: Reach<'_>) -> Result<(), Refused> {
        if !resolved.is_linked {
            return Ok(());
        }
        let (customer, may_be_secret) = match reach {
            Reach::Everything => (None, false),
            Reach::Customer(customer) => (Some(customer), false),
            Reach::Secrets(customer) => (Some(customer), true),
        };
        let is_secret = resolved.path.components().any(|part| part.as_os_str() == "secrets");
        if is_secret && !may_be_secret {
            return Err(Refused::Secret);
        }
        let Some(customer) = customer else { return Ok(()) };
        let is_in_a_folder = below.components().count() > 1;
        let is_at_the_top = resolved.path.components().count() == 1 && !is_hidden(&resolved.path);
        match is_in_a_folder && is_at_the_top && !may_be_secret || self.is_own(&resolved.path, customer)? {
            true => Ok(()),
            false => Err(Refused::Neighbour),
        }
    }

    /// Whether a path without links is in a customer's folder, which may be a link of the operator's into the volume that
    /// the root is the top of (`contoso -> ..data/contoso`), but to no other customer.
    fn is_own(&self, path: &Path, customer: &str) -> Result<bool, Refused> {
        let folder = self.resolve(Path::new(customer))?.path;
        let is_its_own = folder == Path::new(customer) || is_hidden(&folder);
        Ok(is_its_own && !folder.as_os_str().is_empty() && path.starts_with(&folder))
    }
}

/// Whether a name below the root is no customer's and no rule file: `..data`, `.git`.
fn is_hidden(path: &Path) -> bool {
    path.as_os_str().as_bytes().starts_with(b".")
}

fn parts_of(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::CurDir => None,
        other => Some(other.as_os_str().to_owned()),
    };
    path.components().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `rules` with these files, and links (name, target).
    fn place(files: &[&str], links: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().expect("a folder");
        let rules = dir.path().join("rules");
        for name in files {
            let path = rules.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, *name).expect("a file");
        }
        for (name, target) in links {
            let path = rules.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            symlink(target.replace("{rules}", &rules.display().to_string()), path).expect("a link");
        }
        let root = Root::of(&rules).expect("opens");
        (dir, root)
    }

    fn read(root: &Root, name: &str, reach: Reach<'_>) -> String {
        let mut text = String::new();
        match root.open(Path::new(name), reach) {
            Ok(mut file) => drop(file.read_to_string(&mut text).expect("reads")),
            Err(error) => text = error.to_string(),
        }
        text
    }

    #[test]
    fn links_of_a_mounted_configmap_are_followed_wherever_it_is_mounted() {
        let contoso = Reach::Customer("contoso");
        // on the rules folder, with files at its top
        let (_dir, root) = place(
            &["..2026_1/a.yaml"],
            &[("..data", "..2026_1"), ("a.yaml", "..data/a.yaml")],
        );
        assert_eq!(read(&root, "a.yaml", Reach::Everything), "..2026_1/a.yaml");
        // on the rules folder, with items in folders: only the first name is a link
        let (_dir, root) = place(
            &["..2026_1/contoso/a.yaml", "..2026_1/contoso/secrets/key"],
            &[("..data", "..2026_1"), ("contoso", "..data/contoso")],
        );
        assert_eq!(read(&root, "contoso/a.yaml", contoso), "..2026_1/contoso/a.yaml");
        let secrets = Reach::Secrets("contoso");
        assert_eq!(
            read(&root, "contoso/secrets/key", secrets),
            "..2026_1/contoso/secrets/key"
        );
        // on a customer's folder
        let (_dir, root) = place(
            &["contoso/..2026_1/a.yaml", "contoso/secrets/..1/key"],
            &[
                ("contoso/..data", "..2026_1"),
                ("contoso/a.yaml", "..data/a.yaml"),
                ("contoso/secrets/..data", "..1"),
                ("contoso/secrets/key", "..data/key"),
            ],
        );
        assert_eq!(read(&root, "contoso/a.yaml", contoso), "contoso/..2026_1/a.yaml");
        assert_eq!(read(&root, "contoso/secrets/key", secrets), "contoso/secrets/..1/key");
    }

    #[test]
    fn a_link_out_of_the_rules_folder_is_refused_with_its_reason_however_it_is_written() {
        let up = "../".repeat(30);
        let passwd = format!("{up}etc/passwd");
        for target in [
            "/etc/passwd",
            &passwd,
            "../../outside",
            "/proc/self/environ",
            "../../rules2/a.yaml",
        ] {
            let (dir, root) = place(&["contoso/b.yaml"], &[("contoso/a.yaml", target)]);
            fs::write(dir.path().join("outside"), "outside").expect("a file");
            for reach in [Reach::Everything, Reach::Customer("contoso"), Reach::Secrets("contoso")] {
                let error = root.open(Path::new("contoso/a.yaml"), reach).expect_err("refused");
                assert!(matches!(error, Refused::Outside), "{target}: {error}");
            }
        }
        // by way of a folder that is a link
        let (_dir, root) = place(&["contoso/b.yaml"], &[("contoso/etc", "/etc")]);
        let error = root
            .open(Path::new("contoso/etc/passwd"), Reach::Everything)
            .expect_err("refused");
        assert!(matches!(error, Refused::Outside), "{error}");
        // what was opened is below the folder that was looked into, also when a link goes out and comes back
        let (_dir, root) = place(
            &["b.yaml"],
            &[("contoso/a.yaml", "../../rules/b.yaml"), ("c.yaml", "{rules}/b.yaml")],
        );
        assert_eq!(read(&root, "contoso/a.yaml", Reach::Everything), "b.yaml");
        assert_eq!(read(&root, "c.yaml", Reach::Everything), "b.yaml");
    }

    #[test]
    fn a_link_to_a_neighbour_or_to_secrets_is_refused_where_customers_are_strangers() {
        let (_dir, root) = place(
            &[
                "fabrikam/a.yaml",
                "fabrikam/secrets/key",
                "contoso/secrets/key",
                "contoso/b.yaml",
                "all.yaml",
            ],
            &[
                ("contoso/a.yaml", "../fabrikam/a.yaml"),
                ("contoso/key.yaml", "../fabrikam/secrets/key"),
                ("contoso/own.yaml", "secrets/key"),
                ("contoso/c.yaml", "b.yaml"),
                ("contoso/all.yaml", "../all.yaml"),
                ("contoso/secrets/theirs", "../../fabrikam/secrets/key"),
                ("tailspin", "fabrikam"),
            ],
        );
        let contoso = Reach::Customer("contoso");
        let kind = |name: &str, reach| format!("{:?}", root.open(Path::new(name), reach).expect_err("refused"));
        assert_eq!(kind("contoso/a.yaml", contoso), "Neighbour");
        assert_eq!(kind("tailspin/a.yaml", Reach::Customer("tailspin")), "Neighbour");
        assert_eq!(kind("contoso/secrets/theirs", Reach::Secrets("contoso")), "Neighbour");
        assert_eq!(kind("tailspin/secrets/key", Reach::Secrets("tailspin")), "Neighbour");
        for name in ["contoso/key.yaml", "contoso/own.yaml"] {
            for reach in [contoso, Reach::Everything] {
                assert_eq!(kind(name, reach), "Secret", "{name}");
            }
        }
        assert_eq!(read(&root, "contoso/c.yaml", contoso), "contoso/b.yaml");
        assert_eq!(read(&root, "contoso/all.yaml", contoso), "all.yaml");
        // one organisation's teams may share
        assert_eq!(read(&root, "contoso/a.yaml", Reach::Everything), "fabrikam/a.yaml");
    }

    #[test]
    fn links_in_a_circle_and_links_to_nothing_are_told_apart_from_what_is_missing() {
        let (_dir, root) = place(
            &["a.yaml", "g/a.yaml"],
            &[
                ("b.yaml", "c.yaml"),
                ("c.yaml", "b.yaml"),
                ("d.yaml", "gone.yaml"),
                ("e", "a.yaml"),
                ("f", "g"),
            ],
        );
        let error = |name: &str| root.open(Path::new(name), Reach::Everything).expect_err("refused");
        assert!(matches!(error("b.yaml"), Refused::Circle));
        assert!(matches!(error("d.yaml"), Refused::Dangling));
        assert!(error("gone.yaml").is_missing());
        assert!(error("f/gone.yaml").is_missing(), "{}", error("f/gone.yaml"));
        assert!(!error("e/x").is_missing(), "{}", error("e/x"));
    }

    #[test]
    fn a_folder_that_is_reached_by_links_is_looked_into_where_it_was_and_by_its_name() {
        let (dir, _) = place(&[".trees/1/contoso/a.yaml"], &[]);
        let rules = dir.path().join("rules");
        symlink(".trees/1", rules.join("current")).expect("a link");
        let named = rules.join("current");
        symlink(named.join("contoso/a.yaml"), rules.join(".trees/1/contoso/b.yaml")).expect("a link");
        let root = Root::of(&named).expect("opens");
        fs::remove_file(&named).expect("is gone");
        assert_eq!(
            read(&root, "contoso/a.yaml", Reach::Everything),
            ".trees/1/contoso/a.yaml"
        );
        assert_eq!(
            read(&root, "contoso/b.yaml", Reach::Everything),
            ".trees/1/contoso/a.yaml"
        );
    }

    #[test]
    fn a_pipe_and_a_folder_are_no_files() {
        let (dir, root) = place(&["contoso/a.yaml"], &[("b.yaml", "contoso")]);
        let pipe = dir.path().join("rules/pipe.yaml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        for name in ["pipe.yaml", "contoso", "b.yaml"] {
            let said = read(&root, name, Reach::Everything);
            assert!(said.contains("it is not a regular file"), "{name}: {said}");
        }
    }
}
