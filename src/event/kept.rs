//! Events that were kept elsewhere: whether one may be taken as it stands, and when two are the same one.
//!
//! An archive is a file of strangers until it is checked: what stands in it goes into pages and mails like anything that
//! a provider posts, so it must be as safe as what [`read()`](super::read()) makes.

use sha2::{Digest, Sha256};

use super::{Arrival, Event, html};

/// The longest tracking id, characters.
const TRACKING_ID_CHARS_MOST: usize = 256;

/// The longest name of an account, a service or a region, characters.
const NAME_CHARS_MOST: usize = 1_000;

/// Why an event cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The field that is to blame.
    pub field: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
}

impl Event {
    /// The event as history, if it may be taken as it stands; its HTML is made safe again.
    ///
    /// # Errors
    /// When a field holds what no reader of events makes.
    pub fn taken_from_archive(mut self) -> Result<Self, Unfit> {
        self.check_words()?;
        self.check_parts()?;
        self.html = html::sanitise_again(std::mem::take(&mut self.html));
        self.arrival = Arrival::History;
        Ok(self)
    }

    fn check_words(&self) -> Result<(), Unfit> {
        let id = &self.tracking_id;
        if id.trim().is_empty() || id.chars().count() > TRACKING_ID_CHARS_MOST {
            let what = format!("it has between 1 and {TRACKING_ID_CHARS_MOST} characters");
            return Err(unfit("tracking_id", what));
        }
        let words = [
            ("tracking_id", Some(id)),
            ("title", Some(&self.title)),
            ("subtype", self.subtype.as_ref()),
            ("source", self.source.as_ref()),
            ("communication_id", self.communication_id.as_ref()),
        ];
        for (field, word) in words {
            if word.is_some_and(|word| word.chars().any(char::is_control)) {
                return Err(unfit(field, "it is one line, without control characters"));
            }
        }
        let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        match self.text.chars().any(is_odd) {
            true => Err(unfit("text", "it holds control characters")),
            false => Ok(()),
        }
    }

    fn check_parts(&self) -> Result<(), Unfit> {
        let accounts = self.impact.iter().flat_map(|impact| &impact.accounts);
        if let Some(odd) = self
            .accounts
            .iter()
            .chain(accounts)
            .find(|account| !is_account(account))
        {
            let shown: String = odd.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(unfit(
                "accounts",
                format!("`{shown}` is no account: lower case, without spaces"),
            ));
        }
        if !self.accounts.is_sorted() {
            return Err(unfit("accounts", "they are sorted"));
        }
        let names = self
            .impact
            .iter()
            .flat_map(|impact| [Some(&impact.service), impact.region.as_ref()]);
        let is_name = |name: &String| name.chars().count() <= NAME_CHARS_MOST && !name.chars().any(char::is_control);
        if !names.flatten().all(is_name) {
            return Err(unfit(
                "impact",
                format!("a name is one line of at most {NAME_CHARS_MOST} characters"),
            ));
        }
        if self.sessions.iter().any(|session| session.end < session.start) {
            return Err(unfit("sessions", "a session ends before it starts"));
        }
        match &self.link {
            Some(link) if !matches!(link.scheme(), "http" | "https") => Err(unfit("link", "it is no web address")),
            _ => Ok(()),
        }
    }

    /// A digest of everything that was said, whatever became of it here: how it arrived, and out of which archive.
    pub fn said_digest(&self) -> [u8; 32] {
        let said = Event {
            arrival: Arrival::History,
            imported: None,
            published: self.published_said.unwrap_or(self.published),
            published_said: None,
            ..self.clone()
        };
        let said = serde_json::to_vec(&said).expect("an event is JSON");
        Sha256::digest(said).into()
    }
}

fn unfit(field: &'static str, what: impl Into<String>) -> Unfit {
    Unfit {
        field,
        what: what.into(),
    }
}

fn is_account(account: &str) -> bool {
    let is_fine = |c: char| !c.is_control() && !c.is_whitespace() && !c.is_uppercase();
    !account.is_empty() && account.chars().count() <= NAME_CHARS_MOST && account.chars().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::read;

    fn event() -> Event {
        let body = include_bytes!("../../tests/fixtures/samples/synthetic/azure-legacy-incident-active.json");
        read(body, None, Arrival::Live).expect("an event").events.remove(0)
    }

    #[test]
    fn what_a_reader_made_is_taken_as_it_stands_and_tells_nobody() {
        let before = event();
        let taken = before.clone().taken_from_archive().expect("is fit");
        assert_eq!(taken.arrival, Arrival::History);
        assert_eq!(
            Event {
                arrival: Arrival::Live,
                ..taken.clone()
            },
            before
        );
        assert_eq!(taken.said_digest(), before.said_digest());
    }

    #[test]
    fn what_no_reader_makes_is_refused_by_its_field_and_markup_is_made_safe() {
        type Change = fn(&mut Event);
        let cases: [(&str, Change); 8] = [
            ("tracking_id", |event| event.tracking_id = " ".to_owned()),
            ("tracking_id", |event| event.tracking_id = "x".repeat(257)),
            ("title", |event| event.title = "a\nb".to_owned()),
            ("text", |event| event.text = "a\u{1b}[2J".to_owned()),
            ("accounts", |event| event.accounts = vec!["ABC".to_owned()]),
            ("accounts", |event| {
                event.accounts = vec!["b".to_owned(), "a".to_owned()]
            }),
            ("impact", |event| event.impact[0].service = "a\nb".to_owned()),
            ("link", |event| event.link = url::Url::parse("javascript:alert(1)").ok()),
        ];
        for (field, change) in cases {
            let mut event = event();
            change(&mut event);
            assert_eq!(event.taken_from_archive().expect_err(field).field, field);
        }
        let mut scripted = event();
        scripted.html = "<p onclick=\"x()\">a</p><script>alert(1)</script>".to_owned();
        let html = scripted.taken_from_archive().expect("is made safe").html;
        assert!(
            html.contains("a") && !html.contains("script") && !html.contains("onclick"),
            "{html}"
        );
    }
}
