//! The answer of `explain` as people read it.

use super::{Answer, Judgment, Story, Telling};
use crate::cli::output::{self, count, one_line};
use crate::event::{Event, Impact};
use crate::rule::condition::Left;

/// How many accounts, or pairs of impact, are written out.
const NAMED_MOST: usize = 5;

impl Answer {
    /// The whole answer.
    pub(super) fn text(&self) -> String {
        let stories: Vec<String> = self.events.iter().map(Story::text).collect();
        let mut text = stories.join("\n");
        for reason in &self.ignored {
            text.push_str(&format!(
                "ignored: {}: {}\n",
                one_line(&reason.what, 200),
                one_line(&reason.why, 400)
            ));
        }
        text
    }
}

impl Story {
    fn text(&self) -> String {
        let (yes, no): (Vec<&Judgment>, Vec<&Judgment>) = self.rules.iter().partition(|rule| rule.matches);
        let mut text = head(&self.event);
        for note in &self.event.notes {
            text.push_str(&format!("  note: {}\n", one_line(&note.to_string(), 400)));
        }
        text.push_str(&format!(
            "\n{} of {}\n",
            matching(yes.len()),
            count(self.rules.len(), "rule")
        ));
        yes.iter().chain(&no).for_each(|rule| text.push_str(&rule.text()));
        text.push_str(&format!("\n{}\n", told(self.told.len())));
        if !self.told.is_empty() {
            text.push_str(&tellings(&self.told));
        }
        text
    }
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
    let mut text = format!(
        "{}  {}\n",
        one_line(&event.tracking_id, 256),
        one_line(&event.title, 300)
    );
    text.push_str(&format!("  what       {}\n", facts.join(", ")));
    text.push_str(&format!("  published  {}\n", output::minute(Some(event.published))));
    text.push_str(&format!(
        "  impact     {}\n",
        some(&event.impact.iter().map(pair).collect::<Vec<_>>())
    ));
    text.push_str(&format!("  accounts   {}\n", some(&event.accounts)));
    text
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

impl Judgment {
    fn text(&self) -> String {
        let mark = if self.matches { "+" } else { "-" };
        let mut text = format!("  {mark} {} / {}\n", self.customer, one_line(&self.rule, 200));
        if let Some(left) = &self.left {
            text.push_str(&format!("      for {}\n", kept(left)));
        }
        match (&self.why, self.matches) {
            (Some(why), true) => text.push_str(&format!("      tells nobody: {why}\n")),
            (Some(why), false) => text.push_str(&format!("      {}\n", one_line(why, 600))),
            (None, _) => {}
        }
        text
    }
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

fn tellings(told: &[Telling]) -> String {
    let mut table = output::table(&["customer", "receiver", "channel", "address", "what", "when", "rules"]);
    for one in told {
        table.add_row([
            one.customer.to_string(),
            one.receiver.clone(),
            one.channel.to_string(),
            one.address.clone(),
            what(one),
            when(one.due_in_seconds),
            one.rules.join(", "),
        ]);
    }
    output::lines(&table)
}

fn what(one: &Telling) -> String {
    match one.session {
        None => one.form.to_owned(),
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
