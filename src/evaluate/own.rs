//! Events of our own: what the daemon itself has to tell, to a customer or to the operator.

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, EventType, Form, Kind, Provider, Stage};

/// A part of the journal was damaged, and perhaps lost: the operator must know.
pub fn journal_damaged(is_lost: bool, text: &str, now: Time) -> Event {
    let title = match is_lost {
        true => "A part of the journal was damaged and is lost".to_owned(),
        false => "A part of the journal was damaged".to_owned(),
    };
    let organisation = CustomerId::new(crate::customer::OPERATOR);
    own(
        Kind::JournalLost,
        Stage::Active,
        &organisation,
        &format!("journal:{}", now.format("%Y%m%dT%H%M%SZ")),
        title,
        text,
        now,
    )
}

/// Rules of a customer were not tried on an event to the end, as that takes too much work: their owner must know. It
/// is the same event for the whole hour, so that it is told once.
pub(super) fn rules_too_costly(customer: &CustomerId, first: &str, more: usize, now: Time) -> Event {
    let which = match more {
        0 => format!("The rule `{first}` told"),
        _ => format!("The rule `{first}` and others told"),
    };
    let text = format!(
        "{which} nobody of an event: trying the patterns of your rules on it takes more work than one event may cost, \
         so it is not known whether they match. Look for patterns that begin with `*` and go on with many `?`, or with \
         the same letter many times, and for expressions with large repetitions like `{{50}}`: make them shorter, or \
         name what the event must be by other keys (`event type`, `impact`) beside them."
    );
    own(
        Kind::RulesBroken,
        Stage::Active,
        customer,
        &format!("rules-too-costly:{}", now.format("%Y%m%dT%HZ")),
        "Rules of yours take too much work, and told nobody of an event".to_owned(),
        &text,
        now,
    )
}

/// A word that this version does not know: whoever answers for the daemon should know, because rules cannot ask for it.
/// It says the same for every notice with that word, so that it is told once.
pub(super) fn word_not_known(tracking_id: &str, field: &str, word: &str, now: Time) -> Event {
    let text = format!(
        "A notice has the word `{word}` in its field `{field}`, and this version does not know it. The notice was taken in \
         and is told by every rule that does not narrow by that field; rules that do may have told nobody. Look at it with \
         `bellwether events`, change rules that should tell of it, and see whether there is a newer version. Other notices \
         with this word are taken in the same way and are not reported again."
    );
    not_understood(
        tracking_id,
        format!("A word that this version does not know: {word}"),
        &text,
        now,
    )
}

/// How many accounts a report names.
const ACCOUNTS_NAMED_MOST: usize = 5;

/// An event for accounts that no customer owns (an empty one: for none at all).
pub(super) fn account_not_owned(tracking_id: &str, accounts: &[String], now: Time) -> Event {
    const OWN_RULES: &str = "to hear of such events yourself, write a rule for the operator (folder `_operator`)";
    let named = accounts.iter().take(ACCOUNTS_NAMED_MOST).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    let named = match accounts.len().saturating_sub(ACCOUNTS_NAMED_MOST) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    let (title, text) = match accounts.first().map(String::as_str) {
        None | Some("") => (
            "An event for nobody: it names no subscription".to_owned(),
            format!(
                "An event names no subscription, so no customer hears of it; {OWN_RULES}. `bellwether events` shows what came \
                 in. More such events are not reported."
            ),
        ),
        Some(first) => (
            format!("An event for nobody: no customer owns {first}"),
            format!(
                "An event is for subscriptions that no customer owns: {named}. No customer hears of that part of it. If one of \
                 them is a customer's, add it to its `accounts:` in the settings; {OWN_RULES}. `bellwether events` shows what \
                 came in. More events for {first} are not reported."
            ),
        ),
    };
    not_understood(tracking_id, title, &text, now)
}

/// There are more such accounts than are told one by one.
pub(super) fn more_accounts_not_owned(tracking_id: &str, most: usize, now: Time) -> Event {
    let text = format!(
        "Events came for more than {most} subscriptions that no customer owns. They are no longer reported one by one; \
         `bellwether events` shows them."
    );
    let title = "Events for many subscriptions that no customer owns".to_owned();
    not_understood(tracking_id, title, &text, now)
}

/// There are more such words than are told one by one.
pub(super) fn more_words_not_known(tracking_id: &str, most: usize, now: Time) -> Event {
    let text = format!(
        "More than {most} words that this version does not know have come in. They are noted on their events (`bellwether \
         events ID`) and no longer reported one by one. If you do not know the sender, change the intake token."
    );
    let title = "Many words that this version does not know".to_owned();
    not_understood(tracking_id, title, &text, now)
}

/// Something that was posted could not be read and is kept. It is the same event for the whole day, so that it is told
/// once.
pub fn intake_refused(now: Time) -> Event {
    let text = "Something that was posted to the intake could not be read, was refused and is kept for a time. If it is a \
                notice, nobody was told of it. `bellwether intake refused list` shows what is kept and why it was refused, \
                `bellwether intake refused show ID` what it says; `bellwether intake refused retry ID` tries again, for \
                instance after an upgrade. More of it is not reported today.";
    let tracking_id = format!("intake-refused:{}", now.format("%Y%m%d"));
    let title = "Something that was posted could not be read".to_owned();
    not_understood(&tracking_id, title, text, now)
}

fn not_understood(tracking_id: &str, title: String, text: &str, now: Time) -> Event {
    let operator = CustomerId::new(crate::customer::OPERATOR);
    own(
        Kind::NotUnderstood,
        Stage::Active,
        &operator,
        tracking_id,
        title,
        text,
        now,
    )
}

/// An event of our own; it belongs to the customer named by its source.
pub(crate) fn own(
    kind: Kind,
    stage: Stage,
    customer: &CustomerId,
    tracking_id: &str,
    title: String,
    text: &str,
    now: Time,
) -> Event {
    Event {
        provider: Provider::Bellwether,
        source: Some(customer.as_str().to_owned()),
        tracking_id: tracking_id.to_owned(),
        event_type: EventType::HealthAdvisory,
        subtype: None,
        stage,
        kind,
        level: Some(crate::event::Level::Warning),
        title,
        html: format!("<pre>{}</pre>", escape(text)),
        text: text.to_owned(),
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: now,
        sessions: Vec::new(),
        link: None,
        properties: std::collections::BTreeMap::new(),
        test: false,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Form::Bellwether,
        text_withheld: false,
        imported: None,
    }
}

/// Text of our own as HTML: paragraphs, and lists of lines that begin with `- `.
pub(crate) fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(paragraph).collect()
}

/// A paragraph of text, or its list, as HTML.
fn paragraph(text: &str) -> String {
    let escaped = escape(text);
    let items: Option<Vec<&str>> = escaped.lines().map(|line| line.strip_prefix("- ")).collect();
    match items {
        Some(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("<li>{item}</li>")).collect();
            format!("<ul>{}</ul>", items.concat())
        }
        None => format!("<p>{escaped}</p>"),
    }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
