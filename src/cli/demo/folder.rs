//! The demo's folder: rules, secrets, state, log, and what was received. Made anew for every run.
//!
//! The rule files are those of `rules/`, compiled in. Only what must differ on one machine is changed: the ticket
//! system's address, and how long messages gather. The other addresses are secrets, as in real life.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::hooks::SIGNING_KEY;

/// The rule files, by their paths below `rules/`.
const RULES: [(&str, &str); 3] = [
    (
        "contoso/changes.yaml",
        include_str!("../../../rules/contoso/changes.yaml"),
    ),
    (
        "contoso/production.yaml",
        include_str!("../../../rules/contoso/production.yaml"),
    ),
    (
        "fabrikam/websites.yaml",
        include_str!("../../../rules/fabrikam/websites.yaml"),
    ),
];

/// The address in the rule files that is replaced by a sink's.
const TICKETS: &str = "https://tickets.contoso.example/service-health";

/// What says that a folder is ours to delete, and is locked as long as a demo uses it.
const MARK: &str = "made-by-bellwether-demo";

/// The folder of one run.
pub struct Folder {
    path: PathBuf,
    _mark: File,
}

impl Folder {
    /// Makes the folder anew.
    ///
    /// # Errors
    /// When a folder of that name is not a demo's, or another demo uses it.
    pub fn fresh(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).context("finding the current directory")?;
        let shown = path.display();
        if path.exists() {
            let mark = File::open(path.join(MARK));
            let mark = mark.with_context(|| format!("{shown} is not a demo's folder: move it away and try again"))?;
            lock(&mark, &path)?;
            std::fs::remove_dir_all(&path).with_context(|| format!("removing the last demo's {shown}"))?;
        }
        std::fs::create_dir_all(&path).with_context(|| format!("making {shown}"))?;
        let mark = File::create(path.join(MARK)).with_context(|| format!("writing into {shown}"))?;
        lock(&mark, &path)?;
        Ok(Self { path, _mark: mark })
    }

    /// Where the daemon keeps its state.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Where the rule files are.
    pub fn rules(&self) -> PathBuf {
        self.path.join("rules")
    }

    /// The daemon's log.
    pub fn log(&self) -> PathBuf {
        self.path.join("daemon.log")
    }

    /// Where the messages are kept.
    pub fn received(&self) -> PathBuf {
        self.path.join("received")
    }

    /// Writes the rule files and the customer's secrets, with the sinks at `hooks` in place of the example addresses.
    pub fn write_rules(&self, hooks: SocketAddr) -> Result<()> {
        for (path, text) in RULES {
            self.write(path, &localised(text, hooks)?)?;
        }
        self.write("contoso/secrets/contoso-teams", &format!("http://{hooks}/teams\n"))?;
        self.write("contoso/secrets/contoso-slack", &format!("http://{hooks}/slack\n"))?;
        self.write("contoso/secrets/contoso-signing", &format!("{SIGNING_KEY}\n"))
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.rules().join(path);
        let folder = path.parent().context("a rule file lies in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}

fn lock(mark: &File, path: &Path) -> Result<()> {
    match mark.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!("another demo runs in {}: stop it first", path.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// A rule file for this machine: its ticket system is a sink, and messages gather for a second instead of ten.
fn localised(text: &str, hooks: SocketAddr) -> Result<String> {
    let text = text.replace(TICKETS, &format!("http://{hooks}/tickets"));
    ensure!(
        !text.contains("https://"),
        "a rule file names an address that the demo does not know"
    );
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("    settle:")) {
        if line.starts_with("    notify:") || line.starts_with("    invite:") {
            lines.push("    settle: 1s");
        }
        lines.push(line);
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_files_compiled_in_are_all_there_are() {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut found = Vec::new();
        for customer in std::fs::read_dir(&rules).expect("rules/") {
            let files = std::fs::read_dir(customer.expect("an entry").path()).expect("a customer's folder");
            found.extend(files.map(|file| file.expect("an entry").path()));
        }
        found.sort();
        let known: Vec<_> = RULES.iter().map(|(path, _)| rules.join(path)).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn every_rule_gathers_for_a_second_and_nothing_else_changes() {
        let hooks = SocketAddr::from(([127, 0, 0, 1], 9));
        for (path, text) in RULES {
            let local = localised(text, hooks).expect("a local rule file");
            let rules = text
                .split("\nrules:")
                .nth(1)
                .and_then(|rest| rest.split("\ntests:").next())
                .expect("rules");
            assert_eq!(
                local.matches("    settle: 1s\n").count(),
                rules.matches("\n  - name:").count(),
                "{path}"
            );
            let back = local
                .replace("    settle: 1s\n", "")
                .replace("http://127.0.0.1:9/tickets", TICKETS);
            assert_eq!(back, text, "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("thesis.txt"), "years of work").expect("written");
        assert!(Folder::fresh(folder.path()).is_err());
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_second_demo_in_the_same_folder_is_refused_and_a_later_one_is_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join(".demo");
        let first = Folder::fresh(&path).expect("a first demo");
        assert!(Folder::fresh(&path).is_err());
        drop(first);
        assert!(Folder::fresh(&path).is_ok());
    }
}
