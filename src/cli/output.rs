//! Words on a screen: what commands print, readable without colour, and safe to show in a terminal.

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::{Context as _, Result};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::clock::Time;

/// How a command's answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.context("writing to stdout"),
    }
}

/// Writes to stderr; when even that fails there is nobody left to tell.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a value as JSON to stdout.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("writing JSON")?;
    text.push('\n');
    print(&text)
}

/// Whether colours may be written to this stream: only to a terminal, and only if nobody objects.
pub fn may_colour(stream: &impl IsTerminal) -> bool {
    let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !objects && !is_dumb && stream.is_terminal()
}

/// How wide a screen is taken to be where nothing says how wide it is, in columns.
const COLUMNS: usize = 80;

/// The narrowest screen that is written for, in columns.
const COLUMNS_LEAST: usize = 40;

/// How many columns the answer may take: what `COLUMNS` says, or as many as the terminal has.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.trim().parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    said.or_else(of_terminal).unwrap_or(COLUMNS).max(COLUMNS_LEAST)
}

/// So many things are done at once: nobody wants to see a bar for it.
const WORTH_A_BAR: usize = 500;

/// A bar on stderr for something that takes a while; nothing, where stderr is no terminal or there is little to do.
pub struct Bar {
    bar: ProgressBar,
    what: &'static str,
}

impl Bar {
    /// Not shown yet.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::hidden();
        Self { bar, what }
    }

    /// So many of so many are done. May be called from any thread.
    pub fn at(&self, done: usize, of: usize) {
        if of < WORTH_A_BAR {
            return;
        }
        if self.bar.length().is_none() {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}");
            self.bar.set_style(style.expect("a template that can be read"));
            self.bar.set_message(self.what);
            self.bar.set_length(of as u64);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Counts on stderr what is gone through, where nobody knows how much there is; nothing, where stderr is no terminal.
pub struct Counter(ProgressBar);

impl Counter {
    /// Counts this.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg} ({elapsed})");
        bar.set_style(style.expect("a template that can be read"));
        bar.set_message(what);
        Self(bar)
    }

    /// So many.
    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A table without lines, the titles in its first row.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The same, within [`WIDTH`]: the last column takes what the others leave, and its words are broken over lines. The
/// others hold what one copies, and are never broken.
pub fn fitted(head: &[&str]) -> Table {
    let mut table = table(head);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH as u16);
    let last = head.len().saturating_sub(1);
    for (nth, column) in table.column_iter_mut().enumerate() {
        match nth == last {
            true => column.set_padding((0, 0)),
            false => column.set_constraint(ColumnConstraint::ContentWidth),
        };
    }
    table
}

/// The table's text: no blanks at the ends of lines, one line end behind it.
pub fn lines(table: &Table) -> String {
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n") + "\n"
}

/// Text of strangers on one line, without what a terminal would obey, at most `most` characters.
pub fn one_line(text: &str, most: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c })
        .collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match clean.char_indices().nth(most) {
        None => clean,
        Some(_) => clean.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// How wide what is printed for people is: a terminal as it opens, a mail, a page of a book.
pub const WIDTH: usize = 80;

/// A sentence in lines of at most [`WIDTH`] characters, each after `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    wrapped_as(text, indent, indent)
}

/// A sentence in lines of at most [`WIDTH`] characters, the first after `first` and the others after `next`. A word that is
/// longer is not broken: it may be something to copy.
pub fn wrapped_as(text: &str, first: &str, next: &str) -> String {
    let mut lines = first.to_owned();
    let mut used = first.chars().count();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if !is_empty && used + 1 + length > WIDTH {
            lines.push('\n');
            lines.push_str(next);
            (used, is_empty) = (next.chars().count(), true);
        }
        if !is_empty {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        (used, is_empty) = (used + length, false);
    }
    lines + "\n"
}

/// Marks that change the direction of what follows (Unicode UAX #9).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time to the minute; `—` where there is none.
pub fn minute(time: Option<Time>) -> String {
    time.map_or_else(|| "—".to_owned(), |time| time.format("%Y-%m-%d %H:%MZ").to_string())
}

/// `1 file`, `2 files`, `no files`.
pub fn count(number: usize, one: &str) -> String {
    match number {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb\t \u{202e}c", 80), "a [2J b c");
        assert_eq!(one_line("ääääää", 4), "äää…");
        assert_eq!(one_line("four", 4), "four");
    }

    #[test]
    fn a_table_has_no_lines_and_no_blanks_at_the_end() {
        let mut table = table(&["id", "title"]);
        table.add_row(["12.0", "Storage"]);
        table.add_row(["130.0", "x"]);
        assert_eq!(lines(&table), "ID     TITLE\n12.0   Storage\n130.0  x\n");
    }

    #[test]
    fn sentences_are_broken_between_words_within_the_width() {
        let text =
            "the rule wants App Service or Azure Front Door in West Europe, North Europe or Global, the event has none";
        let lines = wrapped_as(text, "  - ", "      ");
        assert!(lines.lines().all(|line| line.chars().count() <= WIDTH), "{lines}");
        assert_eq!(lines.split_whitespace().skip(1).collect::<Vec<_>>().join(" "), text);
        assert!(lines.starts_with("  - the") && lines.lines().nth(1).is_some_and(|line| line.starts_with("      ")));
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), "  "), format!("  a\n  {long}\n  b\n"));
        assert_eq!(wrapped("", "  "), "  \n");
    }

    #[test]
    fn numbers_are_spoken() {
        assert_eq!([0, 1, 2].map(|n| count(n, "file")), ["no files", "1 file", "2 files"]);
    }
}
