//! `/why`: what the rules make of an event, one that was heard or one that is pasted; nothing pasted is kept.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Html;

use super::super::AppState;
use super::super::body::Held;
use super::super::caller::{Caller, network};
use super::super::form;
use super::super::outside::frame_for;
use super::super::parsing::Terms;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::super::sessions::Reader;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event};
use crate::journal::Position;
use crate::lookup;
use crate::record::Input;
use crate::view::page::why::{Asked, Recent, Why};
use crate::view::page::{self, Frame};
use crate::view::visibility::Visibility;
use crate::view::what_if::WhatIf;

/// How many events are offered to choose from.
const RECENT_MOST: usize = 20;

/// Among how many of the newest those are looked for.
const LOOKED_AT_MOST: usize = 300;

/// How many events of what is pasted are answered for.
const ANSWERED_MOST: usize = 5;

/// The longest name of a rule, a receiver or an account, characters.
const NAME_CHARS_MOST: usize = 200;

/// What a form needs for a text of this many bytes: a byte may be written with three.
const ENCODED: usize = 3;

/// `GET /why?event=12.0&rule=&receiver=`
pub async fn ask(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let query = Query::of(&uri);
    query.only(&["event", "rule", "receiver", "token", "as"])?;
    let asked = asked(&query)?;
    let at: Option<Position> = match query.one("event") {
        None => None,
        Some(id) => Some(id.trim().parse().map_err(|_| no_such_event())?),
    };
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    shown(&app_state, frame, reader, asked, move |reading| match at {
        None => Ok(Vec::new()),
        Some(at) => Ok(vec![heard(reading, at)?]),
    })
    .await
}

/// `POST /why`: the same of an event that is pasted.
pub async fn pasted(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Html<String>, Refusal> {
    // who may not read learns that before anything is read of its text
    app_state.reading(&caller)?;
    let uri = request.uri().clone();
    let most = app_state.settings.body_bytes * ENCODED + form::SMALL_BYTES;
    let form = form::read(&app_state, &caller, request, most).await?;
    let reader = app_state.posting(&caller, &form)?;
    let mut asked = asked(&form)?;
    let text = form.one("text").unwrap_or_default().to_owned();
    drop(form);
    let (events, more) = match parsed(&app_state, &caller, &asked, text.clone()).await {
        Ok(parsed) => parsed,
        // what was pasted is given back, to be mended
        Err(refusal) if refusal.status.is_client_error() && refusal.status != StatusCode::TOO_MANY_REQUESTS => {
            asked.problem = Some(page::why::Problem {
                what: refusal.what,
                field: refusal.field,
                hint: refusal.hint,
            });
            (Vec::new(), 0)
        }
        Err(refusal) => return Err(refusal),
    };
    (asked.pasted, asked.more) = (text, more);
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    shown(&app_state, frame, reader, asked, move |_| Ok(events)).await
}

/// What else a form or a query says.
fn asked(query: &Query) -> Result<Asked, Refusal> {
    let named = |name: &str| {
        let text = query.one(name).unwrap_or_default().trim();
        match text.chars().count() <= NAME_CHARS_MOST {
            true => Ok(text.to_owned()),
            false => Err(Refusal::bad(format!("a name has at most {NAME_CHARS_MOST} characters")).field(name)),
        }
    };
    Ok(Asked {
        event: named("event")?,
        rule: named("rule")?,
        receiver: named("receiver")?,
        account: named("account")?,
        ..Asked::default()
    })
}

/// The events of a pasted text, as the daemon would read them; and how many more there are.
async fn parsed(
    app_state: &AppState,
    caller: &Caller,
    asked: &Asked,
    text: String,
) -> Result<(Vec<Event>, usize), Refusal> {
    let most = app_state.settings.body_bytes;
    if text.len() > most {
        let what = format!("the text has {} bytes; at most {most} are read of an event", text.len());
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what).field("text"));
    }
    if text.trim().is_empty() {
        return Err(Refusal::bad("there is no text")
            .field("text")
            .hint("paste what a provider sends"));
    }
    let account = (!asked.account.is_empty()).then(|| asked.account.to_lowercase());
    let held = Held::kept(text.into_bytes(), app_state.bodies.of(network(caller.address)))?;
    let terms = Terms {
        source: None,
        arrival: Arrival::Live,
        account,
    };
    let mut batch = app_state.parsing.parse(Arc::new(held), terms).await?;
    let (ignored, _) = batch.ignored();
    let mut events = Vec::new();
    let mut more = 0;
    loop {
        let (group, rest) = batch.next_group().await?;
        if group.inputs.is_empty() {
            break;
        }
        for input in group.inputs {
            // a body makes nothing but events
            let Input::Heard { event } = input else { continue };
            match events.len() < ANSWERED_MOST {
                true => events.push(*event),
                false => more += 1,
            }
        }
        batch = rest;
    }
    if events.is_empty() {
        let why = ignored.into_iter().next().map(|one| one.why);
        let why = why.unwrap_or_else(|| "there is no event in it".to_owned());
        return Err(Refusal::bad(format!("this is no health event: {why}")).field("text"));
    }
    Ok((events, more))
}

/// The page, with the answer for what `events` finds.
async fn shown(
    app_state: &Arc<AppState>,
    frame: Frame,
    reader: Reader,
    asked: Asked,
    events: impl FnOnce(&Reading) -> Result<Vec<Event>, Refusal> + Send + 'static,
) -> Result<Html<String>, Refusal> {
    let now = app_state.clock.now();
    let html = move |reading: &Reading| {
        let visibility = reading.sources().visibility;
        let own = visibility.only();
        let answers = events(reading)?.into_iter().map(|event| {
            // an event may be for other customers, too: each is told of its own part
            let what_if = WhatIf::of(event, &reading.rules, now).without_addresses();
            let mut what_if = match own {
                Some(own) => what_if.only_of(own),
                None => what_if,
            };
            what_if.event = visibility.part_of(what_if.event);
            what_if
        });
        let answers = answers.collect();
        let names = names(reading, own);
        Ok(Html(page::why::why(
            &frame,
            &Why {
                asked: &asked,
                recent: recent(reading, &visibility)?,
                answers,
                rules: names.0,
                receivers: names.1,
                own,
                lookup: &reading.rules,
            },
        )))
    };
    app_state.read(reader.viewer, html).await
}

/// An event that was heard, whole, if the reader may see any part of it.
fn heard(reading: &Reading, at: Position) -> Result<Event, Refusal> {
    let visibility = reading.sources().visibility;
    let line = reading.store.event(at)?.ok_or_else(no_such_event)?;
    let event = lookup::unless_lost(lookup::event(&reading.journal, at))?;
    if !visibility.shows_event(at, &line.incident, event.as_ref())? {
        return Err(no_such_event());
    }
    event.ok_or_else(|| {
        let what = "what it says is in a part of the journal that cannot be read";
        Refusal::new(StatusCode::GONE, what)
    })
}

fn no_such_event() -> Refusal {
    Refusal::not_found("no event of this id is known").field("event")
}

/// The newest events of which the reader may see a part.
fn recent(reading: &Reading, visibility: &Visibility<'_>) -> Result<Vec<Recent>, Refusal> {
    let mut recent = Vec::new();
    for line in reading.store.events(None, LOOKED_AT_MOST)? {
        if recent.len() >= RECENT_MOST {
            break;
        }
        if !visibility.shows_event(line.at, &line.incident, None)? {
            continue;
        }
        let event = lookup::unless_lost(lookup::event(&reading.journal, line.at))?;
        let title = event.map_or(line.title, |event| visibility.part_of(event).title);
        recent.push(Recent {
            id: line.at.to_string(),
            title,
            tracking_id: line.tracking_id,
            provider: line.incident.provider,
            heard: line.heard,
        });
    }
    Ok(recent)
}

/// The names of rules and receivers that the reader may choose from.
fn names(reading: &Reading, own: Option<&CustomerId>) -> (Vec<String>, Vec<String>) {
    let is_shown = |customer: &CustomerId| own.is_none_or(|own| own == customer);
    let rules = reading.rules.rules().filter(|rule| is_shown(&rule.customer));
    let receivers = reading
        .rules
        .receivers
        .keys()
        .filter(|(customer, _)| is_shown(customer));
    let first = |names: &mut dyn Iterator<Item = String>| {
        let mut names: Vec<String> = names.take(page::why::NAMES_MOST).collect();
        names.sort();
        names.dedup();
        names
    };
    (
        first(&mut rules.map(|rule| rule.name.clone())),
        first(&mut receivers.map(|(_, name)| name.clone())),
    )
}
