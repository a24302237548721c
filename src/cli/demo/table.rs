//! What must arrive: receivers and communications, stated beforehand, and the tally of what did.
//!
//! The table is derived by hand from `rules/`, never from the daemon: that is what makes the demo a proof.

use std::collections::{BTreeMap, BTreeSet};

use super::received::Receipt;
use super::story::{STORY, TRACKING_ID};

/// One mailbox or hook, and what it must get.
pub struct Row {
    /// The receiver's name in the rule file.
    pub receiver: &'static str,
    /// How it is told.
    pub channel: &'static str,
    /// The mailbox, or the hook's path.
    pub address: &'static str,
    /// For each communication of the story, what must arrive.
    pub expected: [Expected; 5],
}

/// What one communication must bring to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Silence.
    Nothing,
    /// One message, although it came for two subscriptions and two rules may have asked for it.
    Message,
    /// One calendar invitation for each of the livestream's two sessions.
    Invitations,
}

use Expected::{Invitations, Message, Nothing};

/// Who must be told what. Columns: update, mitigation, preliminary review, final review, retrospective.
pub const TABLE: [Row; 8] = [
    row("platform", "email", "platform@contoso.example", [Message; 5]),
    row("platform", "teams", "/teams", [Message; 5]),
    row(
        "oncall",
        "slack",
        "/slack",
        [Message, Message, Nothing, Nothing, Nothing],
    ),
    row("tickets", "webhook", "/tickets", [Message; 5]),
    row(
        "leads",
        "email",
        "ada@contoso.example",
        [Nothing, Nothing, Message, Message, Invitations],
    ),
    row(
        "leads",
        "email",
        "lin@contoso.example",
        [Nothing, Nothing, Message, Message, Invitations],
    ),
    row("changes", "email", "changes@contoso.example", [Nothing; 5]),
    row("web", "email", "web@fabrikam.example", [Nothing; 5]),
];

const fn row(receiver: &'static str, channel: &'static str, address: &'static str, expected: [Expected; 5]) -> Row {
    Row {
        receiver,
        channel,
        address,
        expected,
    }
}

impl Expected {
    /// How many different messages.
    pub fn count(self) -> usize {
        match self {
            Nothing => 0,
            Message => 1,
            Invitations => 2,
        }
    }
}

/// What a receipt turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// A message of this row of the table, counted.
    Counted(usize),
    /// The same message again, by its id: not counted.
    Again(usize),
    /// To an address that nobody should write to.
    Astray,
}

/// What arrived so far.
#[derive(Default)]
pub struct Tally {
    ids: BTreeSet<(usize, String)>,
    counts: BTreeMap<(usize, usize), usize>,
    repeats: usize,
    flaws: Vec<String>,
}

impl Tally {
    /// Counts one receipt that came while the `nth` communication was being told.
    pub fn record(&mut self, nth: usize, receipt: &Receipt) -> Arrived {
        let Some(row) = TABLE.iter().position(|row| row.address == receipt.address) else {
            self.flaws
                .push(format!("a message to `{}`, whom no rule names", receipt.address));
            return Arrived::Astray;
        };
        if !self.ids.insert((row, receipt.id.clone())) {
            self.repeats += 1;
            return Arrived::Again(row);
        }
        *self.counts.entry((row, nth)).or_default() += 1;
        let expected = TABLE[row].expected[nth];
        let flaws = flaws(nth, expected, receipt);
        self.flaws
            .extend(flaws.into_iter().map(|flaw| format!("{}: {flaw}", place(row, nth))));
        Arrived::Counted(row)
    }

    /// How many different messages of the `nth` communication a row got.
    pub fn count(&self, row: usize, nth: usize) -> usize {
        self.counts.get(&(row, nth)).copied().unwrap_or(0)
    }

    /// How often a message came again under the same id.
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// Whether everybody got all that the `nth` communication must bring.
    pub fn is_complete(&self, nth: usize) -> bool {
        let mut rows = TABLE.iter().enumerate();
        rows.all(|(row, stated)| self.count(row, nth) >= stated.expected[nth].count())
    }

    /// What is missing, too much or wrong after the first `played` communications; empty when all is well.
    pub fn failures(&self, played: usize) -> Vec<String> {
        let cells = (0..played).flat_map(|nth| (0..TABLE.len()).map(move |row| (row, nth)));
        let wrong = cells.filter_map(|(row, nth)| self.wrong(row, nth));
        let unplayed = STORY.iter().skip(played);
        let unplayed = unplayed.map(|it| format!("{}: never posted, after what failed before", it.kind));
        self.flaws.iter().cloned().chain(wrong).chain(unplayed).collect()
    }

    fn wrong(&self, row: usize, nth: usize) -> Option<String> {
        let (got, want) = (self.count(row, nth), TABLE[row].expected[nth].count());
        let place = place(row, nth);
        match got.cmp(&want) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Less => Some(format!("{place}: {} of {want} missing", want - got)),
            std::cmp::Ordering::Greater => Some(format!("{place}: {} too many", got - want)),
        }
    }
}

fn place(row: usize, nth: usize) -> String {
    let Row {
        receiver,
        channel,
        address,
        ..
    } = &TABLE[row];
    format!("{} for {receiver} ({channel} {address})", STORY[nth].kind)
}

/// What is wrong with one message itself.
fn flaws(nth: usize, expected: Expected, receipt: &Receipt) -> Vec<String> {
    let mut flaws: Vec<String> = receipt.flaw.iter().cloned().collect();
    let words = letters(&receipt.words);
    if !words.contains(&letters(TRACKING_ID)) {
        flaws.push(format!("does not name {TRACKING_ID}"));
    }
    // Media cut long titles, and wrap them; none cuts this early.
    let title: String = letters(&STORY[nth].title()).chars().take(40).collect();
    if !words.contains(&title) {
        flaws.push("does not say the communication's title".to_owned());
    }
    if receipt
        .kind
        .as_deref()
        .is_some_and(|kind| letters(kind) != letters(STORY[nth].kind))
    {
        flaws.push(format!(
            "calls itself `{}`",
            receipt.kind.as_deref().unwrap_or_default()
        ));
    }
    if receipt.invitation != (expected == Invitations) {
        flaws.push(
            if receipt.invitation {
                "is an invitation"
            } else {
                "is not an invitation"
            }
            .to_owned(),
        );
    }
    flaws
}

/// The letters and digits of a text, in lower case: what is left when media escape, wrap and decorate.
fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(address: &str, id: &str, nth: usize) -> Receipt {
        Receipt {
            address: address.to_owned(),
            id: id.to_owned(),
            words: format!("{} {TRACKING_ID}", STORY[nth].title()),
            invitation: id.starts_with("invitation"),
            ..Receipt::default()
        }
    }

    /// Everything that must arrive, once.
    fn all() -> Vec<(usize, Receipt)> {
        let mut all = Vec::new();
        for row in &TABLE {
            for (nth, expected) in row.expected.iter().enumerate() {
                let form = if *expected == Invitations {
                    "invitation"
                } else {
                    "message"
                };
                let ids = (0..expected.count()).map(|copy| format!("{form} {nth} {copy}"));
                all.extend(ids.map(|id| (nth, receipt(row.address, &id, nth))));
            }
        }
        all
    }

    fn tally(receipts: &[(usize, Receipt)]) -> Tally {
        let mut tally = Tally::default();
        for (nth, receipt) in receipts {
            tally.record(*nth, receipt);
        }
        tally
    }

    #[test]
    fn what_is_stated_is_enough() {
        let tally = tally(&all());
        assert_eq!(tally.failures(STORY.len()), Vec::<String>::new());
        assert!((0..STORY.len()).all(|nth| tally.is_complete(nth)));
    }

    #[test]
    fn any_single_message_that_is_missing_is_noticed() {
        for gone in 0..all().len() {
            let mut receipts = all();
            receipts.remove(gone);
            let failures = tally(&receipts).failures(STORY.len());
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(failures[0].contains("missing"), "{failures:?}");
        }
    }

    #[test]
    fn a_story_that_stopped_halfway_is_no_success() {
        let mut receipts = all();
        receipts.retain(|(nth, _)| *nth < 3);
        let failures = tally(&receipts).failures(3);
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert!(
            failures.iter().all(|failure| failure.contains("never posted")),
            "{failures:?}"
        );
    }

    #[test]
    fn the_same_id_counts_once_and_another_id_is_one_too_many() {
        let mut receipts = all();
        receipts.push((0, receipt("/slack", "message 0 0", 0)));
        let again = tally(&receipts);
        assert_eq!((again.repeats(), again.failures(5)), (1, vec![]));
        receipts.push((0, receipt("/slack", "message 0 1", 0)));
        let failures = tally(&receipts).failures(5);
        assert_eq!(failures, ["update for oncall (slack /slack): 1 too many"]);
    }

    #[test]
    fn a_message_to_somebody_else_or_of_another_text_is_a_failure() {
        let mut receipts = all();
        receipts.push((0, receipt("eve@elsewhere.example", "message", 0)));
        receipts[0].1.words = "Nothing to see here".to_owned();
        let failures = tally(&receipts).failures(5);
        assert_eq!(failures.len(), 3, "{failures:?}");
    }
}
