//! `bellwether completions` and `bellwether man`: what shells and readers of manuals get, made of the commands themselves.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap_complete::Shell;

use super::failure::Exit;
use super::output;

/// Print completions for a shell
#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write one for every command
#[derive(Debug, Clone, clap::Args)]
pub struct Man {
    /// Write the pages into this directory
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    /// Prints them.
    pub fn run(self, mut command: clap::Command) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "bellwether", &mut script);
        output::print(&String::from_utf8(script).context("completions are text")?)?;
        Ok(Exit::Fine)
    }
}

impl Man {
    /// Prints or writes the pages.
    pub fn run(self, command: clap::Command) -> Result<Exit> {
        match self.dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
                clap_mangen::generate_to(command, &dir).with_context(|| format!("writing into {}", dir.display()))?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command)
                    .render(&mut page)
                    .context("writing the manual page")?;
                output::print(&String::from_utf8(page).context("a manual page is text")?)?;
            }
        }
        Ok(Exit::Fine)
    }
}
