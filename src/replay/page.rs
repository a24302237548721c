//! The difference as one document: printable, with its style in it, so that it can be sent to whoever owns the rules.

use askama::Template;

use super::{Row, Summary, Telling, Totals};
use crate::clock::Time;
use crate::view::page::STYLE;
use crate::view::words::Moment;

/// How many who would be told, and how many who would not be, are named at most.
pub const NAMED_MOST: usize = 1_000;

/// What the document says.
pub struct Report<'a> {
    /// The folder of rules that was tried.
    pub folder: &'a str,
    /// From when on; `None`: everything that is kept.
    pub since: Option<Time>,
    /// When it was made.
    pub now: Time,
    /// What was gone through.
    pub totals: Totals,
    /// The difference by rule and receiver.
    pub summary: &'a Summary,
    /// The first who would be told.
    pub added: &'a [Telling],
    /// The first who would not be.
    pub removed: &'a [Telling],
    /// What could not be compared, as sentences.
    pub notes: &'a [String],
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Page<'a> {
    report: &'a Report<'a>,
    style: &'a str,
    since: Option<Moment>,
    made: Moment,
    changed: Vec<Row>,
    unchanged: usize,
    lists: [List<'a>; 2],
}

struct List<'a> {
    title: &'static str,
    id: &'static str,
    count: u64,
    shown: &'a [Telling],
    more: u64,
}

impl<'a> List<'a> {
    fn of(title: &'static str, id: &'static str, count: u64, shown: &'a [Telling]) -> Self {
        Self {
            title,
            id,
            count,
            shown,
            more: count.saturating_sub(shown.len() as u64),
        }
    }
}

/// The document, as HTML.
pub fn page(report: &Report<'_>) -> String {
    let rows = report.summary.rows();
    let (changed, unchanged): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.added + row.removed > 0);
    let page = Page {
        report,
        style: STYLE,
        since: report.since.map(Moment::of),
        made: Moment::of(report.now),
        changed,
        unchanged: unchanged.len(),
        lists: [
            List::of("Would also have been told", "added", report.summary.added, report.added),
            List::of(
                "Would not have been told",
                "removed",
                report.summary.removed,
                report.removed,
            ),
        ],
    };
    page.render()
        .expect("a template writes to memory, and formats what cannot fail")
}
