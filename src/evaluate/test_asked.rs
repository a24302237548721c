//! Somebody asks whether a receiver works: a message that says of itself that it is a test goes the way of all others.
//!
//! It is told to this receiver and nobody else, and makes no incident: what it tells stands in the command itself. It is
//! tried for minutes and not for days, so that it does not arrive when nobody expects it any more.

use crate::channel::Address;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Delivery, TEST_RULE};
use crate::event::{Arrival, Event, EventType, Form as Source, Kind, Level, Provider, Session, Stage};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::message::{FrozenContent, Links};
use crate::notification::{Channel, Form, SeriesId, hash};
use crate::record::{Change, Why};
use crate::rule::{Receiver, RuleSet};

/// How long a test is tried.
const LIFE: chrono::Duration = chrono::Duration::minutes(10);

/// The session of a test invitation begins so long after it.
const SESSION_IN: chrono::Duration = chrono::Duration::hours(24);

/// How long it lasts.
const SESSION_LASTS: chrono::Duration = chrono::Duration::minutes(15);

/// What a test message looks like: what the command line and the API call it, and what it says of itself.
const LOOKS: [Look; 8] = [
    Look("update", EventType::ServiceIssue, Stage::Active, Kind::Update),
    Look("mitigation", EventType::ServiceIssue, Stage::Resolved, Kind::Mitigation),
    Look(
        "preliminary-review",
        EventType::ServiceIssue,
        Stage::Rca,
        Kind::PreliminaryReview,
    ),
    Look("review", EventType::ServiceIssue, Stage::Rca, Kind::FinalReview),
    Look("invitation", EventType::ServiceIssue, Stage::Rca, Kind::Retrospective),
    Look(
        "maintenance",
        EventType::PlannedMaintenance,
        Stage::Planned,
        Kind::Update,
    ),
    Look("advisory", EventType::HealthAdvisory, Stage::Active, Kind::Update),
    Look("security", EventType::SecurityAdvisory, Stage::Active, Kind::Update),
];

struct Look(&'static str, EventType, Stage, Kind);

/// The words for what a test message may look like.
pub fn looks() -> impl Iterator<Item = &'static str> {
    LOOKS.iter().map(|look| look.0)
}

/// What a test tells, and in which form; `None` if there is no such look.
pub fn test_event(look: &str, customer: &CustomerId, receiver: &str, now: Time) -> Option<(Event, Form)> {
    let Look(_, event_type, stage, kind) = LOOKS.iter().find(|known| known.0 == look)?;
    let is_invitation = *kind == Kind::Retrospective;
    let digest = hash(&[customer.as_str(), receiver, look, &now.to_rfc3339()]);
    let form = match is_invitation {
        true => Form::invitation(0, 0, 0),
        false => Form::Message,
    };
    let text = text(look, customer, receiver, is_invitation);
    let begin = now + SESSION_IN;
    let event = Event {
        notes: Vec::new(),
        provider: Provider::Bellwether,
        source: Some(customer.as_str().to_owned()),
        tracking_id: format!("TEST-{}", digest[..8].to_uppercase()),
        event_type: *event_type,
        subtype: None,
        stage: *stage,
        kind: *kind,
        level: Some(Level::Informational),
        title: "TEST: nothing has happened, this only shows that messages arrive".to_owned(),
        html: text
            .split("\n\n")
            .map(|part| format!("<p>{}</p>", escape(part)))
            .collect(),
        text,
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: now,
        sessions: is_invitation
            .then_some(Session {
                start: begin,
                end: begin + SESSION_LASTS,
            })
            .into_iter()
            .collect(),
        link: None,
        properties: std::collections::BTreeMap::new(),
        test: true,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        arrival: Arrival::Live,
        form: Source::Bellwether,
        text_withheld: false,
        imported: None,
    };
    Some((event, form))
}

fn text(look: &str, customer: &CustomerId, receiver: &str, is_invitation: bool) -> String {
    let invitation = match is_invitation {
        true => " The invitation is a test, too: decline it or delete it. Nothing will take place.",
        false => "",
    };
    format!(
        "This is a test message ({look}) for the receiver `{receiver}` of `{customer}`. Nothing has happened, and there \
         is nothing to do.{invitation}\n\nWho runs Bellwether sent it by hand, with `bellwether send-test`, to see \
         whether messages arrive here and what they look like."
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Whether an endpoint can be told in this form: invitations go by mail.
pub fn can_be_told(channel: Channel, form: Form) -> bool {
    matches!(form, Form::Message) || channel == Channel::Email
}

/// What is asked for.
pub struct Test<'a> {
    /// Where the command stands, and in it what is told.
    pub at: Position,
    /// Whose receiver.
    pub customer: &'a CustomerId,
    /// Which.
    pub receiver: &'a str,
    /// Message or invitation.
    pub form: Form,
    /// What is told.
    pub event: &'a Event,
}

/// A delivery for each endpoint of the receiver that can be told so.
pub fn send(test: &Test<'_>, rules: &RuleSet, now: Time) -> Vec<Change> {
    let Some(receiver) = rules.receiver(test.customer, test.receiver) else {
        return nothing();
    };
    let to = receiver.to.iter();
    let to = to.filter(|address| can_be_told(address.channel(), test.form));
    let made: Vec<Change> = to
        .map(|address| delivery(test, receiver, address, rules, now))
        .collect();
    match made.is_empty() {
        true => nothing(),
        false => made,
    }
}

fn nothing() -> Vec<Change> {
    vec![Change::Nothing {
        why: Why::NoSuchReceiver,
    }]
}

fn delivery(test: &Test<'_>, receiver: &Receiver, address: &Address, set: &RuleSet, now: Time) -> Change {
    let contact = set.contact(test.customer);
    let (customer, event) = (test.customer.clone(), test.event);
    let endpoint = address.endpoint(&customer);
    let series = SeriesId::of(&customer, &format!("test {}", test.at), &endpoint, test.form);
    let rules = vec![TEST_RULE.to_owned()];
    let delivery = Delivery {
        id: series.delivery(0),
        customer: customer.clone(),
        receiver: receiver.name.clone(),
        endpoint,
        channel: address.channel(),
        form: test.form,
        incident: IncidentId::of(event),
        tracking_id: event.tracking_id.clone(),
        rules: rules.clone(),
        series,
        part: 0,
        event: test.at,
        published: event.published,
        title: event.title.clone(),
        kind: event.kind,
        created: now,
        every: true, // nothing stands for a test
    };
    let content = FrozenContent {
        customer,
        receiver: receiver.name.clone(),
        channel: address.channel(),
        form: test.form,
        rules,
        part: 0,
        impact: Default::default(),
        subscriptions: Default::default(),
        since: None,
        zone: receiver.zone,
        links: Links::default(),
        is_reply: false,
        carries: Vec::new(),
        contact,
    };
    Change::Delivery {
        delivery,
        content: Box::new(content),
        expires: Some(now + LIFE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_is_a_test_that_says_so_and_only_the_invitation_has_a_session() {
        let now: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
        let mut ids = std::collections::BTreeSet::new();
        for look in looks() {
            let (event, form) = test_event(look, &CustomerId::new("contoso"), "a <b>", now).expect("a look");
            assert!(
                event.test && event.title.starts_with("TEST: ") && event.text.contains("test message"),
                "{look}"
            );
            assert!(
                event.html.contains("a &lt;b&gt;") && !event.html.contains("<b>"),
                "{}",
                event.html
            );
            assert_eq!(event.sessions.len(), usize::from(look == "invitation"));
            assert_eq!(form == Form::Message, look != "invitation");
            assert!(!event.kind.is_own(), "{look}: its tracking id is shown");
            assert!(ids.insert(event.tracking_id), "{look}: each test is by itself");
        }
        assert!(test_event("party", &CustomerId::new("contoso"), "a", now).is_none());
    }

    #[test]
    fn only_mailboxes_are_invited() {
        let invitation = Form::invitation(0, 0, 0);
        for (channel, message, invited) in [
            (Channel::Email, true, true),
            (Channel::Webhook, true, false),
            (Channel::Slack, true, false),
            (Channel::Teams, true, false),
        ] {
            assert_eq!(can_be_told(channel, Form::Message), message);
            assert_eq!(can_be_told(channel, invitation), invited, "{channel:?}");
        }
    }
}
