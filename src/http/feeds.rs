//! Feeds of a customer's health history. Their addresses are signed: whoever has one reads that customer's, and nobody
//! signs in. An address is taken back by another `feed generation` of the customer in the settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::api;
use super::api::incidents::{cursor, filter_of, list_of};
use super::caller::Caller;
use super::query::Query;
use super::reading::Reading;
use super::refusal::Refusal;
use super::{AppState, EmailAddress, LinkKey};
use crate::channel::calendar::published::published;
use crate::clock::Time;
use crate::customer::{CustomerId, ORGANISATION, Viewer};
use crate::event::{EventType, Provider};
use crate::incident::reviews::Terms;
use crate::incident::{Incident, IncidentId};
use crate::notification::hash;
use crate::view::feed::{Feed, Gathered};
use crate::view::filter::{Filter, PARAMETERS};
use crate::view::page::feeds::Addresses;
use crate::view::story::{Heard, Whose};

/// How many incidents are looked for at once.
const AT_ONCE: usize = 200;

/// How many incidents are looked at for one feed, the newest first.
const INCIDENTS_MOST: usize = 2_000;

/// In which form a feed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Atom,
    Json,
    Calendar,
}

impl Form {
    fn read(ending: &str) -> Option<Self> {
        match ending {
            "atom" => Some(Self::Atom),
            "json" => Some(Self::Json),
            "ics" => Some(Self::Calendar),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json",
            Self::Calendar => "text/calendar; charset=utf-8; method=PUBLISH",
        }
    }
}

/// `GET /v1/feeds`: the addresses of the feeds that the caller may read.
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Value>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    Query::of(&uri).only(&["token"])?;
    let feeds = of_viewer(&app_state, &viewer).into_iter().map(|feed| {
        let [atom, json, ics] = feed.addresses();
        json!({ "customer": feed.customer, "atom": atom, "json": json, "ics": ics })
    });
    Ok(Json(json!({ "feeds": feeds.collect::<Vec<Value>>() })))
}

/// Where the feeds are of the customers that a viewer may see.
pub fn of_viewer(app_state: &AppState, viewer: &Viewer) -> Vec<Addresses> {
    let rules = app_state.ledger.rules();
    let all: Vec<CustomerId> = match &rules.customers.by_name {
        Some(known) => known.keys().cloned().collect(),
        None => vec![CustomerId::new(ORGANISATION)],
    };
    let is_shown = |customer: &CustomerId| match viewer {
        Viewer::Operator => true,
        // without customers every folder sees everything
        Viewer::Customer(own) => own == customer || own.is_operator() || !rules.customers.are_separate(),
        Viewer::Link { .. } => false,
    };
    let shown = all.into_iter().filter(is_shown).filter_map(|customer| {
        let generation = generation(app_state, &customer)?;
        Some(Addresses {
            name: app_state.links.feed(&customer, generation),
            base: app_state.settings.public_url.clone(),
            customer: customer.to_string(),
        })
    });
    shown.collect()
}

/// Which name a customer's feeds have today; `None` if there is no such customer.
fn generation(app_state: &AppState, customer: &CustomerId) -> Option<u32> {
    match &app_state.ledger.rules().customers.by_name {
        Some(known) => known.get(customer).map(|customer| customer.feed_generation),
        None => (customer.as_str() == ORGANISATION).then_some(0),
    }
}

/// `GET /feeds/{name}.atom`, `.json`, `.ics`
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(feed): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (name, ending) = feed.rsplit_once('.').ok_or_else(no_such_feed)?;
    let form = Form::read(ending).ok_or_else(no_such_feed)?;
    let opened = app_state
        .links
        .opens_feed(name, |customer| generation(&app_state, customer));
    let customer = opened.ok_or_else(no_such_feed)?;
    let asked = Asked {
        customer,
        form,
        name: feed,
        uri,
    };
    let (body, changed) = written(&app_state, asked).await?;
    Ok(answer(form, body, changed, &headers))
}

fn no_such_feed() -> Refusal {
    Refusal::not_found("there is no feed at this address").hint("`bellwether feeds` lists the addresses of today")
}

/// A feed that somebody asks for.
struct Asked {
    customer: CustomerId,
    form: Form,
    /// Its own name, with the ending.
    name: String,
    uri: Uri,
}

/// The feed as text, and when it last changed, where that can be said.
async fn written(app_state: &Arc<AppState>, asked: Asked) -> Result<(String, Option<Time>), Refusal> {
    let query = Query::of(&asked.uri);
    query.only(&PARAMETERS)?;
    let (home, links) = (app_state.settings.public_url.clone(), app_state.links.clone());
    let organizer = app_state.settings.mail_from.clone();
    let (terms, now) = (app_state.settings.reviews.clone(), app_state.clock.now());
    let viewer = Viewer::Customer(asked.customer.clone());
    let answer = move |reading: &Reading| {
        let filter = filter_of(&query, reading, now, chrono_tz::UTC)?;
        let from = reading.sources();
        let link = |incident: &Incident| page_of(home.as_ref()?, &links, &asked.customer, incident);
        let gathered = Gathered {
            from: &from,
            customer: &asked.customer,
            filter: &filter,
            link: &link,
        };
        let incidents = Incidents {
            reading,
            filter: &filter,
            terms: &terms,
            now,
        };
        let (text, changed) = match asked.form {
            Form::Calendar => calendar(&gathered, &incidents, organizer.as_ref())?,
            Form::Atom | Form::Json => {
                let mut feed = feed(&gathered, &incidents)?;
                feed.own_link = home.as_ref().and_then(|home| asked.own_link(home));
                feed.home = home.clone();
                let text = if asked.form == Form::Atom {
                    feed.atom()
                } else {
                    feed.json()
                };
                (text, feed.changed())
            }
        };
        // what a filter lets through may change without anything new being heard
        Ok((text, changed.filter(|_| filter.is_everything())))
    };
    app_state.read(viewer, answer).await
}

impl Asked {
    /// Where it is, with its filter.
    fn own_link(&self, home: &url::Url) -> Option<url::Url> {
        let mut url = below(home, &["feeds", &self.name])?;
        url.set_query(self.uri.query());
        Some(url)
    }
}

/// The incidents that a feed is made of.
struct Incidents<'a> {
    reading: &'a Reading,
    filter: &'a Filter,
    terms: &'a Terms,
    now: Time,
}

impl Incidents<'_> {
    /// Each of them, those with the newest communication first, as long as there is room for more.
    fn each(&self, mut add: impl FnMut(Incident) -> anyhow::Result<bool>) -> Result<(), Refusal> {
        let mut before = None;
        for _ in 0..INCIDENTS_MOST / AT_ONCE {
            let asked = api::incidents::Asked {
                filter: self.filter,
                before,
                limit: AT_ONCE,
                terms: self.terms,
                now: self.now,
            };
            let found = list_of(self.reading, asked)?;
            for line in found.lines {
                if !add(line.incident)? {
                    return Ok(());
                }
            }
            // without an index one answer has gone through as many as it may
            before = found
                .next
                .filter(|_| found.count.is_some())
                .as_deref()
                .map(cursor)
                .transpose()?;
            if before.is_none() {
                break;
            }
        }
        Ok(())
    }
}

impl Incidents<'_> {
    /// Our own incidents that remind of something and of which something was said since then.
    fn each_reminder(
        &self,
        since: Time,
        mut add: impl FnMut(&IncidentId) -> anyhow::Result<()>,
    ) -> Result<(), Refusal> {
        let from = self.reading.sources();
        for candidate in from.visibility.candidates(None).take(INCIDENTS_MOST) {
            let candidate = candidate?;
            if candidate.updated < since {
                break;
            }
            if candidate.id.provider == Provider::Bellwether && candidate.kind.is_reminder() {
                add(&candidate.id)?;
            }
        }
        Ok(())
    }

    /// Whether the filter lets an incident through.
    fn is_asked(&self, id: &IncidentId) -> anyhow::Result<bool> {
        let from = self.reading.sources();
        let whose = Whose {
            is_whole: from.visibility.is_whole(),
            only: from.visibility.only(),
        };
        let hearings = from.visibility.hearings(id)?;
        let Some(mut heard) = Heard::of(&from, id)? else {
            return Ok(false);
        };
        let outline = heard.outline(whose, &hearings, &self.reading.rules.catalogue, (self.terms, self.now))?;
        Ok(outline.is_some_and(|outline| self.filter.matches(&outline.facts, self.now)))
    }
}

fn feed(gathered: &Gathered<'_>, incidents: &Incidents<'_>) -> Result<Feed, Refusal> {
    let mut entries = Vec::new();
    incidents.each(|incident| gathered.add(&mut entries, incident))?;
    if let Some(since) = Gathered::room_since(&entries) {
        incidents.each_reminder(since, |own| {
            gathered.add_reminders(&mut entries, own, |id| incidents.is_asked(id))
        })?;
    }
    Ok(Feed::of(gathered.customer.clone(), entries))
}

fn calendar(
    gathered: &Gathered<'_>,
    incidents: &Incidents<'_>,
    organizer: Option<&EmailAddress>,
) -> Result<(String, Option<Time>), Refusal> {
    let mut filter = incidents.filter.clone();
    if filter.types.is_empty() {
        filter.types.push(EventType::PlannedMaintenance);
    }
    let incidents = Incidents {
        filter: &filter,
        ..*incidents
    };
    let mut all = Vec::new();
    incidents.each(|incident| gathered.add_maintenance(&mut all, incident))?;
    let changed = all.iter().map(|one| one.told).max();
    let name = match gathered.customer.as_str() {
        ORGANISATION => "Planned maintenance".to_owned(),
        customer => format!("Planned maintenance for {customer}"),
    };
    Ok((published(&name, organizer, &all), changed))
}

/// The page of an incident, for a customer's readers.
fn page_of(home: &url::Url, links: &LinkKey, customer: &CustomerId, incident: &Incident) -> Option<url::Url> {
    let provider = incident.id.provider.word();
    let token = links.token(customer, provider, &incident.id.tracking_id);
    let mut url = below(home, &["incidents", &IncidentId::segment(&incident.tracking_id)])?;
    url.query_pairs_mut()
        .append_pair("provider", provider)
        .append_pair("link", &token);
    Some(url)
}

/// An address below where the pages begin.
fn below(home: &url::Url, path: &[&str]) -> Option<url::Url> {
    let mut url = home.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url)
}

/// The feed, or that it is still the one that the caller has (RFC 9110 §13).
fn answer(form: Form, body: String, changed: Option<Time>, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hash(&[&body]));
    let mut response = match is_known(headers, &etag, changed) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, form.media_type())], body).into_response(),
    };
    let changed = changed.map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    let known = [
        (header::ETAG, Some(etag)),
        (header::LAST_MODIFIED, changed),
        (header::CACHE_CONTROL, Some("private, max-age=300".to_owned())),
    ];
    for (name, value) in known {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Whether the caller has this feed already: by its digest, or where none is named, by its time.
fn is_known(headers: &HeaderMap, etag: &str, changed: Option<Time>) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    if let Some(known) = text(header::IF_NONE_MATCH) {
        let is_it = |one: &str| one == "*" || one.trim_start_matches("W/") == etag;
        return known.split(',').map(str::trim).any(is_it);
    }
    let since = text(header::IF_MODIFIED_SINCE).and_then(|text| chrono::DateTime::parse_from_rfc2822(text).ok());
    since
        .zip(changed)
        .is_some_and(|(since, changed)| changed.timestamp() <= since.timestamp())
}
