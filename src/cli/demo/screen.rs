//! What the demo prints: who got what, when, and where it is kept. Readable without colour.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};

use super::daemon::Daemon;
use super::folder::Folder;
use super::received::Receipt;
use super::story::{Communication, STORY, SUBSCRIPTIONS, TRACKING_ID};
use super::table::{Arrived, TABLE, Tally};
use crate::clock::Clock;

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const LOUD: Style = AnsiColor::Yellow.on_default().bold();

/// The terminal, or whatever stands in for it.
pub struct Screen {
    colours: bool,
}

impl Screen {
    /// Colours only for a terminal, and only if nobody objects.
    pub fn new(plain: bool) -> Self {
        let objected = plain || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: !objected && std::io::stdout().is_terminal(),
        }
    }

    /// What is about to happen, and where.
    pub fn opening(&self, daemon: &Daemon, smtp: SocketAddr, hooks: SocketAddr) {
        self.line(self.in_style(
            STRONG,
            "Bellwether demo: one incident, from the first alert to the livestream",
        ));
        self.line(format_args!(
            "Azure's {TRACKING_ID}, replayed: {} receivers, {} subscriptions, {} communications. Nothing leaves this machine.",
            TABLE.len(),
            SUBSCRIPTIONS.len(),
            STORY.len()
        ));
        self.line(format_args!(
            "  daemon   {}   log: {}",
            daemon.url(),
            shown(daemon.log())
        ));
        self.line(format_args!("  mail     smtp://{smtp}"));
        self.line(format_args!("  hooks    http://{hooks}/tickets, /slack, /teams"));
    }

    /// The next communication of the provider.
    pub fn communication(&self, nth: usize, communication: &Communication) {
        let heading = format!("{}. {}: {}", nth + 1, communication.kind, communication.title());
        self.line("");
        self.line(self.in_style(STRONG, heading));
    }

    /// The daemon took it for one subscription.
    pub fn posted(&self, subscription: &str, status: u16) {
        self.event(format_args!("-> posted for {subscription}: {status}, so it is on disk"));
    }

    /// The daemon is dead; whether that was before anything was delivered.
    pub fn killed(&self, nobody_told: bool) {
        let before = if nobody_told { ", and nobody was told yet" } else { "" };
        self.event(self.in_style(LOUD, format!("!! kill -9: the daemon is gone{before}")));
    }

    /// It lives again.
    pub fn restarted(&self, took: Duration) {
        let text = format!(
            "!! started again over the same files, ready after {:.1} s",
            took.as_secs_f64()
        );
        self.event(self.in_style(LOUD, text));
    }

    /// Somebody got something.
    pub fn arrived(&self, arrived: Arrived, receipt: &Receipt) {
        let (row, remark) = match arrived {
            Arrived::Counted(row) => (Some(&TABLE[row]), ""),
            Arrived::Again(row) => (Some(&TABLE[row]), "(again, same id) "),
            Arrived::Astray => (None, "(astray) "),
        };
        let (receiver, channel) = row.map_or(("?", "?"), |row| (row.receiver, row.channel));
        let title = one_line(&receipt.title);
        self.event(format_args!(
            "<- {receiver:<9}{channel:<8} {remark}{}",
            self.in_style(GOOD, title)
        ));
        for file in &receipt.files {
            self.line(self.in_style(FAINT, format!("                 {}", shown(file))));
        }
    }

    /// The table of what was expected and what came.
    pub fn table(&self, tally: &Tally, played: usize) {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(
            ["receiver", "channel", "address"]
                .into_iter()
                .chain(STORY.iter().map(|it| it.kind)),
        );
        for (row, stated) in TABLE.iter().enumerate() {
            let cells =
                (0..STORY.len()).map(|nth| cell(tally.count(row, nth), stated.expected[nth].count(), nth < played));
            let names = [stated.receiver, stated.channel, stated.address].map(str::to_owned);
            table.add_row(names.into_iter().chain(cells));
        }
        self.line("");
        self.line(self.in_style(STRONG, "What arrived, of what had to"));
        self.line(table);
    }

    /// How it went.
    pub fn verdict(&self, failures: &[String], repeats: usize) {
        self.line("");
        let repeated = match repeats {
            0 => "nothing came twice".to_owned(),
            some => format!("{some} came again, under the same id"),
        };
        if failures.is_empty() {
            let text = format!("Everything arrived, to everybody it concerns and nobody else; {repeated}.");
            self.line(self.in_style(GOOD, text));
            return;
        }
        self.line(self.in_style(BAD, format!("Not as it should be ({repeated}):")));
        for failure in failures {
            self.line(format_args!("  {failure}"));
        }
    }

    /// Where to look on.
    pub fn places(&self, folder: &Folder, page: &str, keep: bool) {
        self.line(format_args!(
            "Mails, invitations and hooks: {}",
            shown(&folder.received())
        ));
        self.line(format_args!("The rules that decided:       {}", shown(&folder.rules())));
        if keep {
            self.line(format_args!("The incident's page:          {page}"));
            self.line("The daemon runs on until Ctrl-C.");
        } else {
            self.line(format_args!(
                "The incident's page:          {page} (run the demo with --keep, and look)"
            ));
        }
    }

    fn event(&self, text: impl Display) {
        let now = Clock::System.now().format("%H:%M:%S%.3f");
        self.line(format_args!("  {} {text}", self.in_style(FAINT, now)));
    }

    fn in_style(&self, style: Style, text: impl Display) -> String {
        if self.colours {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    fn line(&self, text: impl Display) {
        // Whoever closed the pipe does not want to read on; the exit code still tells.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

fn cell(got: usize, want: usize, played: bool) -> String {
    match (got, want) {
        (0, 0) => "-".to_owned(),
        _ if !played => "not posted".to_owned(),
        _ => format!("{got} of {want}"),
    }
}

/// A title on one line of at most a hundred characters, harmless to a terminal.
fn one_line(title: &str) -> String {
    let tame = |c: char| if c.is_control() { ' ' } else { c };
    let cut = title.char_indices().nth(100).map(|(at, _)| at);
    let end = if cut.is_some() { "…" } else { "" };
    title[..cut.unwrap_or(title.len())]
        .chars()
        .map(tame)
        .chain(end.chars())
        .collect()
}

/// A path as short as it can be said from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_break_the_line_or_the_terminal() {
        assert_eq!(one_line("red\u{1b}[31m\r\nnext"), "red [31m  next");
        let long = one_line(&"ü".repeat(101));
        assert_eq!((long.chars().count(), long.ends_with("ü…")), (101, true));
    }

    #[test]
    fn a_cell_says_what_came_of_what_had_to() {
        assert_eq!(
            [cell(1, 2, true), cell(0, 0, true), cell(0, 1, false)],
            ["1 of 2", "-", "not posted"]
        );
        assert_eq!(cell(1, 0, true), "1 of 0", "too much is shown too");
    }
}
