//! The answer of `explain` as people read it.

use super::Answer;
use crate::cli::output::{self, count, one_line, wrapped, wrapped_as};
use crate::clock::Time;
use crate::event::{Event, Impact};
use crate::rule::condition::Left;
use crate::view::what_if::{Judgment, Telling, WhatIf};

/// How many accounts, or pairs of impact, are written out.
const NAMED_MOST: usize = 5;

impl Answer {
    /// The whole answer.
    pub(super) fn text(&self, at: Option<Time>) -> String {
        let stories: Vec<String> = self.events.iter().map(|event| of(event, at)).collect();
        let mut text = stories.join("\n");
        for reason in &self.ignored {
            let (what, why) = (one_line(&reason.what, 200), one_line(&reason.why, 400));
            text.push_str(&wrapped_as(&format!("ignored: {what}: {why}"), "", "  "));
        }
        text
    }
}

/// One event; `at` is when it would be heard, if that is not now.
pub(super) fn of(what_if: &WhatIf, at: Option<Time>) -> String {
    let (yes, no): (Vec<&Judgment>, Vec<&Judgment>) = what_if.rules.iter().partition(|rule| rule.matches);
    let mut text = head(&what_if.event);
    for note in &what_if.event.notes {
        text.push_str(&format!("  note: {}\n", one_line(&note.to_string(), 400)));
    }
    if let Some(at) = at {
        text.push_str(&format!("  as heard   {}\n", output::minute(Some(at))));
    }
    let rules = count(what_if.rules.len(), "rule");
    text.push_str(&format!("\n{} of {rules}\n", matching(yes.len())));
    yes.iter().chain(&no).for_each(|rule| text.push_str(&judged(rule)));
    text.push_str(&format!("\n{}\n", told(what_if.told.len())));
    what_if.told.iter().for_each(|one| text.push_str(&telling(one)));
    text
}

fn matching(number: usize) -> String {
    match number {
        0 => "No rule matches, out".to_owned(),
        1 => "1 rule matches, out".to_owned(),
        more => format!("{more} rules match, out"),
    }
}

fn told(number: usize) -> String {
    match number {
        0 => "Nobody is told.".to_owned(),
        _ => format!(
            "{}, if nothing of this incident was heard before",
            count(number, "notification")
        ),
    }
}

fn head(event: &Event) -> String {
    let mut facts = vec![
        event.provider.to_string(),
        event.event_type.to_string(),
        event.stage.to_string(),
        event.kind.to_string(),
    ];
    facts.extend(event.level.map(|level| level.to_string()));
    facts.extend(event.test.then(|| "a provider's test".to_owned()));
    let id = format!("{}  ", one_line(&event.tracking_id, 256));
    let mut text = wrapped_as(&one_line(&event.title, 300), &id, "  ");
    text.push_str(&fact("what", &facts.join(", ")));
    text.push_str(&fact("published", &output::minute(Some(event.published))));
    text.push_str(&fact(
        "impact",
        &some(&event.impact.iter().map(pair).collect::<Vec<_>>()),
    ));
    text.push_str(&fact("accounts", &some(&event.accounts)));
    text
}

fn fact(label: &str, words: &str) -> String {
    wrapped_as(words, &format!("  {label:<9}  "), "             ")
}

/// The first few of a list, and how many more there are.
fn some(values: &[String]) -> String {
    let named: Vec<String> = values
        .iter()
        .take(NAMED_MOST)
        .map(|value| one_line(value, 120))
        .collect();
    match values.len() {
        0 => "none named".to_owned(),
        all if all > NAMED_MOST => format!("{} and {} more", named.join(", "), all - NAMED_MOST),
        _ => named.join(", "),
    }
}

fn pair(impact: &Impact) -> String {
    match &impact.region {
        Some(region) => format!("{} in {region}", impact.service_name()),
        None => impact.service_name().to_owned(),
    }
}

fn judged(rule: &Judgment) -> String {
    let mark = if rule.matches { "+" } else { "-" };
    let mut text = format!("  {mark} {} / {}\n", rule.customer, one_line(&rule.rule, 200));
    if let Some(left) = &rule.left {
        text.push_str(&wrapped(&format!("for {}", kept(left)), "      "));
    }
    match (&rule.why, rule.matches) {
        (Some(why), true) => text.push_str(&wrapped(&format!("tells nobody: {}", one_line(why, 600)), "      ")),
        (Some(why), false) => text.push_str(&wrapped(&one_line(why, 600), "      ")),
        (None, _) => {}
    }
    text
}

/// What is left of the event for a rule.
fn kept(left: &Left) -> String {
    let accounts = match left.accounts.is_empty() {
        true => "no account".to_owned(),
        false => some(&left.accounts),
    };
    match left.impact.is_empty() {
        true => accounts,
        false => format!(
            "{}; {accounts}",
            some(&left.impact.iter().map(pair).collect::<Vec<_>>())
        ),
    }
}

/// Who is told, how and where; below it what, when and because of which rules.
fn telling(one: &Telling) -> String {
    let address = one_line(&one.address, 200);
    let to = match address.is_empty() {
        true => one.channel.to_string(),
        false => format!("{} {address}", one.channel),
    };
    let whom = format!("{} / {}: {to}", one.customer, one_line(&one.receiver, 200));
    let rules: Vec<String> = one.rules.iter().map(|rule| one_line(rule, 200)).collect();
    let what = format!(
        "{} {}, because of {}",
        what(one),
        when(one.due_in_seconds),
        rules.join(", ")
    );
    wrapped_as(&whom, "  ", "      ") + &wrapped(&what, "      ")
}

fn what(one: &Telling) -> String {
    match one.session {
        None => one.form.clone(),
        session => format!("{} for {}", one.form, output::minute(session)),
    }
}

fn when(seconds: i64) -> String {
    match seconds {
        ..=0 => "at once".to_owned(),
        seconds => format!(
            "in {}",
            humantime::format_duration(std::time::Duration::from_secs(seconds.unsigned_abs()))
        ),
    }
}
