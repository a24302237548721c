//! The page of deliveries: a line for each, with what was tried, and a button for who may have it tried again.

use askama::Template;

use super::{Frame, render};
use crate::delivery::{End, State};
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::notification::Form;
use crate::view::state::{self, Badge};
use crate::view::story::Tracked;
use crate::view::words::{self, Moment, without_addresses};

/// What is listed.
pub struct List<'a> {
    /// The deliveries, the newest first, as the viewer may know them.
    pub tracked: &'a [Tracked],
    /// Where older ones are.
    pub next: Option<&'a str>,
    /// Whether these are the newest.
    pub is_first: bool,
    /// The state that was asked for.
    pub state: Option<&'a str>,
    /// What else was asked for, as a query.
    pub kept: &'a str,
    /// The delivery that was just asked to be tried again.
    pub again: Option<&'a str>,
    /// Whether the reader may have one tried again.
    pub may_operate: bool,
    /// Whether whose it is is worth saying.
    pub has_customers: bool,
}

/// One delivery.
struct Line {
    id: String,
    link: String,
    title: String,
    /// Whether the title is ours, and no provider's.
    is_ours: bool,
    tracking_id: String,
    badge: Badge,
    receiver: String,
    channel: String,
    customer: String,
    rules: String,
    made: Moment,
    /// When it is tried again, or ended, with its label.
    then: (&'static str, Moment),
    tries: String,
    why: String,
    can_be_tried: bool,
}

/// A filter that is a link.
struct Choice {
    query: String,
    name: &'static str,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    choices: Vec<Choice>,
    lines: Vec<Line>,
    older: Option<String>,
    list: &'a List<'a>,
}

/// The page.
pub fn deliveries(frame: &Frame, list: &List<'_>) -> String {
    render(&Page {
        frame,
        title: "Deliveries",
        made: frame.moment(frame.now),
        choices: choices(frame, list),
        lines: list.tracked.iter().map(|tracked| Line::of(tracked, frame)).collect(),
        older: list.next.map(|next| address(frame, list, list.state, Some(next))),
        list,
    })
}

fn choices(frame: &Frame, list: &List<'_>) -> Vec<Choice> {
    let known = [
        (None, "All"),
        (Some("scheduled"), "Waiting"),
        (Some("dead"), "Dead"),
        (Some("delivered"), "Delivered"),
    ];
    let choices = known.into_iter().map(|(state, name)| Choice {
        query: address(frame, list, state, None),
        name,
        is_here: list.state == state,
    });
    choices.collect()
}

/// The address of this page with another state, or of older deliveries.
fn address(frame: &Frame, list: &List<'_>, state: Option<&str>, before: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(list.kept.to_owned());
    for (name, value) in [("state", state), ("before", before)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if !frame.chosen_customer().is_empty() {
        query.append_pair("as", frame.chosen_customer());
    }
    format!("{}deliveries?{}", frame.root, query.finish())
}

impl Line {
    fn of(tracked: &Tracked, frame: &Frame) -> Self {
        let delivery = &tracked.delivery;
        let last = tracked.attempts.last();
        let tries = u32::try_from(tracked.attempts.len()).unwrap_or(u32::MAX);
        let (then, why, can_be_tried) = match &tracked.standing.state {
            State::Scheduled { at, .. } => {
                let why = last.and_then(|attempt| attempt.outcome.why()).unwrap_or_default();
                (("tried next", *at), why.to_owned(), *at > frame.now)
            }
            State::Ended {
                end: End::Delivered,
                at,
            } => (("delivered", *at), String::new(), true),
            State::Ended { end, at } => (("ended", *at), end.to_string(), true),
        };
        let form = match delivery.form {
            Form::Message => "",
            Form::Invitation { .. } => ", invitation",
        };
        Self {
            id: delivery.id.clone(),
            link: incident_link(frame, &delivery.incident, &delivery.tracking_id),
            title: delivery.title.clone(),
            is_ours: delivery.incident.provider == Provider::Bellwether,
            tracking_id: delivery.tracking_id.clone(),
            badge: state::delivery(&tracked.standing.state, tries, false),
            receiver: delivery.receiver.clone(),
            channel: format!("{}{form}", delivery.channel.word()),
            customer: delivery.customer.to_string(),
            rules: delivery.rules.join(", "),
            made: frame.moment(delivery.created),
            then: (then.0, frame.moment(then.1)),
            tries: words::counted(tracked.attempts.len(), "attempt"),
            why: without_addresses(&why),
            can_be_tried,
        }
    }
}

/// Where an incident's page is.
pub(super) fn incident_link(frame: &Frame, id: &IncidentId, tracking_id: &str) -> String {
    let segment = IncidentId::segment(tracking_id);
    let segment: String = url::form_urlencoded::byte_serialize(segment.as_bytes()).collect();
    // in a path a blank is no plus sign
    let segment = segment.replace('+', "%20");
    let chosen = frame.chosen("&");
    format!(
        "{}incidents/{segment}?provider={}{chosen}",
        frame.root,
        id.provider.word()
    )
}
