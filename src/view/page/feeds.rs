//! The page that says where feeds are.

use askama::Template;

use super::{Frame, render};
use crate::view::words::Moment;

/// Where a customer's feeds are.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Whose.
    pub customer: String,
    /// Their signed name.
    pub name: String,
    /// Where people reach the pages, if that is known.
    pub base: Option<url::Url>,
}

impl Addresses {
    /// As Atom, JSON Feed and calendar; from the top of this service, where it is not known where that is.
    pub fn addresses(&self) -> [String; 3] {
        ["atom", "json", "ics"].map(|ending| {
            let file = format!("{}.{ending}", self.name);
            let base = self.base.clone().and_then(|mut url| {
                url.path_segments_mut().ok()?.pop_if_empty().extend(["feeds", &file]);
                Some(url.to_string())
            });
            base.unwrap_or_else(|| format!("/feeds/{file}"))
        })
    }
}

#[derive(Template)]
#[template(path = "feeds.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    feeds: &'a [Addresses],
}

/// The page.
pub fn feeds(frame: &Frame, feeds: &[Addresses]) -> String {
    render(&Page {
        frame,
        title: "Feeds",
        made: frame.moment(frame.now),
        feeds,
    })
}
