//! Feeds of a customer's health history. Their addresses are signed: whoever has one reads that customer's, and nobody
//! signs in. An address is taken back by another `feed generation` of the customer in the settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::AppState;
use super::caller::Caller;
use super::query::Query;
use super::reading::Reading;
use super::refusal::Refusal;
use crate::channel::calendar::published::published;
use crate::clock::Time;
use crate::customer::{CustomerId, ORGANISATION, Viewer};
use crate::event::{EventType, Kind, fold};
use crate::incident::{Incident, IncidentId};
use crate::notification::hash;
use crate::view::feed::{self, Feed, Wanted};
use crate::view::page::feeds::Addresses;

/// The parameters by which a feed is filtered.
const PARAMETERS: [&str; 5] = ["type", "kind", "service", "region", "account"];

/// The most values of one parameter.
const VALUES_MOST: usize = 50;

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
    let wanted = wanted(&Query::of(&uri))?;
    let (body, changed) = written(&app_state, customer, form, wanted, &feed, &uri).await?;
    Ok(answer(form, body, changed, &headers))
}

fn no_such_feed() -> Refusal {
    Refusal::not_found("there is no feed at this address").hint("`bellwether feeds` lists the addresses of today")
}

/// What is asked for behind the `?`.
fn wanted(query: &Query) -> Result<Wanted, Refusal> {
    query.only(&PARAMETERS)?;
    let values = |name: &'static str| {
        let values: Vec<&str> = query.all_of(name).collect();
        match values.len() <= VALUES_MOST {
            true => Ok(values),
            false => Err(Refusal::bad(format!("at most {VALUES_MOST} values")).field(name)),
        }
    };
    let folded = |name| Ok::<_, Refusal>(values(name)?.into_iter().map(fold).collect());
    let unknown = |name: &str, known: Vec<&str>| {
        let refusal = Refusal::bad(format!("there is no such {name}")).field(name);
        refusal.hint(format!("known: {}", known.join(", ")))
    };
    let types = values("type")?
        .into_iter()
        .map(EventType::read)
        .collect::<Option<Vec<_>>>();
    let kinds = values("kind")?.into_iter().map(Kind::read).collect::<Option<Vec<_>>>();
    Ok(Wanted {
        types: types.ok_or_else(|| unknown("type", EventType::ALL.iter().map(|one| one.word()).collect()))?,
        kinds: kinds.ok_or_else(|| unknown("kind", Kind::ALL.iter().map(|one| one.word()).collect()))?,
        services: folded("service")?,
        regions: folded("region")?,
        accounts: values("account")?.into_iter().map(str::to_lowercase).collect(),
    })
}

/// The feed as text, and when it last changed.
async fn written(
    app_state: &Arc<AppState>,
    customer: CustomerId,
    form: Form,
    wanted: Wanted,
    name: &str,
    uri: &Uri,
) -> Result<(String, Option<Time>), Refusal> {
    let (home, links) = (app_state.settings.public_url.clone(), app_state.links.clone());
    let organizer = app_state.settings.mail_from.clone();
    let own_link = home.as_ref().and_then(|home| {
        let mut url = below(home, &["feeds", name])?;
        url.set_query(uri.query());
        Some(url)
    });
    let reads = customer.clone();
    let answer = move |reading: &Reading| {
        let from = reading.sources();
        let link = |incident: &Incident| {
            let token = links.token(&customer, incident.id.provider.word(), &incident.id.tracking_id);
            let mut url = below(
                home.as_ref()?,
                &["incidents", &IncidentId::segment(&incident.tracking_id)],
            )?;
            url.query_pairs_mut()
                .append_pair("provider", incident.id.provider.word())
                .append_pair("link", &token);
            Some(url)
        };
        if form == Form::Calendar {
            let all = feed::maintenances(&from, &customer, &wanted, &link)?;
            let changed = all.iter().map(|one| one.told).max();
            let name = match customer.as_str() {
                ORGANISATION => "Planned maintenance".to_owned(),
                customer => format!("Planned maintenance for {customer}"),
            };
            return Ok((published(&name, organizer.as_ref(), &all), changed));
        }
        let entries = feed::entries(&from, &customer, &wanted, &link)?;
        let feed = Feed {
            customer: customer.clone(),
            own_link: own_link.clone(),
            home: home.clone(),
            entries,
        };
        let text = if form == Form::Atom { feed.atom() } else { feed.json() };
        Ok((text, feed.changed()))
    };
    app_state.read(Viewer::Customer(reads), answer).await
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
