//! The resources that an incident impacted: lists are handed in for a customer, and read page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;

use super::super::AppState;
use super::super::auth::Speaker;
use super::super::body::{self, Limits};
use super::super::caller::{Caller, network};
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::incidents::find;
use super::shapes::Counts;
use super::whose::{after, may_name, next, viewer_of, whose, whose_are_read};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::incident::resources::read::{List, field_at, read_list};
use crate::incident::resources::{KEPT_MOST, Resource};
use crate::problem::fields;
use crate::record::Command;
use crate::store::read::listed::ListedResource;
use crate::view::story::Extract;

/// How many are listed unless asked otherwise.
const LIST_DEFAULT: usize = 200;

/// The most that are listed at once.
const LIST_MOST: usize = 1_000;

/// What is said of a list that goes on elsewhere.
const CUT: &str = "this list has a next page, so nothing follows from what it leaves out; hand in the other pages, too, the last \
                   one last";

/// What came of a list.
#[derive(Serialize)]
pub struct Taken {
    tracking_id: String,
    customer: CustomerId,
    /// How many resources the list has.
    resources: usize,
    /// How many of them were not known.
    new: usize,
    /// Of how many of them something else was said before.
    changed: usize,
    /// Whether the list was whole.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// What all that are kept for the customer come to.
    impacted_resources: Counts,
}

/// What is listed.
#[derive(Serialize)]
pub struct Answer {
    tracking_id: String,
    provider: Provider,
    /// Whether the newest list of each customer was whole.
    complete: bool,
    impacted_resources: Counts,
    resources: Vec<Line>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    account: Option<String>,
    region: Option<String>,
    impact: &'static str,
    customer: CustomerId,
    listed: Time,
    by: String,
}

impl Line {
    fn of(one: ListedResource) -> Self {
        Self {
            impact: one.resource.impact_type(),
            id: one.resource.id,
            kind: one.resource.kind,
            name: one.resource.name,
            account: one.resource.account,
            region: one.resource.region,
            customer: one.customer,
            listed: one.at,
            by: one.by,
        }
    }
}

/// A list that may be kept.
struct Asked {
    incident: IncidentId,
    tracking_id: String,
    customer: CustomerId,
    list: List,
    new: usize,
    changed: usize,
}

/// `POST /v1/incidents/{tracking_id}/resources`: a list, in our own form or as Azure writes it. All of it is kept, or
/// nothing.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    request: Request,
) -> Result<Json<Taken>, Refusal> {
    let speaker = app_state.speaker(&caller)?;
    let (head, mut body) = request.into_parts();
    let query = Query::of(&head.uri);
    query.only(&["provider", "customer", "token"])?;
    let provider = super::provider(&query)?;
    let customer = whose(&speaker, &query, &app_state.ledger.rules().customers)?;
    let limits = Limits {
        bytes: app_state.settings.history_body_bytes,
        patience: app_state.settings.body_timeout,
    };
    let room = app_state.bodies.of(network(caller.address));
    let held = match body::read(&head.headers, &mut body, &limits, room).await {
        Ok(held) => held,
        Err(refusal) => {
            body::read_on(&head.headers, body);
            return Err(refusal);
        }
    };
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let viewer = viewer_of(&customer);
    let asked = move |reading: &Reading| asked(reading, provider, &tracking_id, customer, &held.bytes);
    let asked = app_state.read_story(viewer, asked).await?;
    keep(&app_state, speaker, asked).await.map(Json)
}

fn asked(
    reading: &Reading,
    provider: Option<Provider>,
    tracking_id: &str,
    customer: CustomerId,
    body: &[u8],
) -> Result<Asked, Refusal> {
    let incident = find(&reading.sources(), provider, tracking_id, Extract::NOTHING)?.incident;
    let may_name = |account: &str| may_name(&reading.rules.customers, &customer, account);
    let list = read(body, &incident.tracking_id, &may_name)?;
    let known = reading
        .store
        .resources_known(&incident.id, &customer, &list.resources)?;
    let new = list.resources.len() - known.resources.len();
    let kept = known.summary.as_ref().map_or(0, |summary| summary.count());
    if kept + new > KEPT_MOST {
        return Err(too_many(kept));
    }
    let is_other = |one: &&Resource| {
        known
            .resources
            .get(&one.key())
            .is_some_and(|before| before.resource != **one)
    };
    Ok(Asked {
        incident: incident.id,
        tracking_id: incident.tracking_id,
        customer,
        changed: list.resources.iter().filter(is_other).count(),
        new,
        list,
    })
}

fn read(body: &[u8], tracking_id: &str, may_name: &dyn Fn(&str) -> bool) -> Result<List, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::bad("this body is no text in UTF-8"))?;
    let reading = fields::Reading::new("the body", text);
    if let Some(list) = read_list(&reading, tracking_id, may_name) {
        return Ok(list);
    }
    let problems = reading.take_problems();
    let Some(first) = problems.into_iter().find(|problem| problem.is_error()) else {
        return Err(Refusal::bad("this is no list of impacted resources"));
    };
    let field: String = field_at(text, first.line, first.column).chars().take(200).collect();
    let refusal = match field.is_empty() {
        true => Refusal::bad(format!("{} (line {}, column {})", first.what, first.line, first.column)),
        false => Refusal::bad(first.what).field(field),
    };
    Err(match first.hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    })
}

fn too_many(kept: usize) -> Refusal {
    let what =
        format!("{kept} resources of this incident are kept already, and there may be {KEPT_MOST} of a customer");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what).hint("nothing of this list was kept")
}

/// Has it written down, and answers what is kept then.
async fn keep(app_state: &AppState, speaker: Speaker, asked: Asked) -> Result<Taken, Refusal> {
    let (incident, customer) = (asked.incident.clone(), asked.customer.clone());
    let (count, is_complete) = (asked.list.resources.len(), asked.list.is_complete);
    if count > 0 {
        let command = Command::ListResources {
            incident: asked.incident.clone(),
            customer: asked.customer.clone(),
            resources: asked.list.resources,
            is_complete,
            first: None,
        };
        super::carry_out(app_state, speaker.by, command).await?;
    }
    let summary = move |reading: &Reading| Ok(reading.store.resource_summary(&incident, &customer)?);
    let summary = app_state.read(viewer_of(&asked.customer), summary).await?;
    if count > 0 && summary.is_none() {
        let what = "the incident was forgotten meanwhile, or others listed more than may be kept";
        return Err(Refusal::new(StatusCode::CONFLICT, what).hint("ask for what is kept, and hand the list in again"));
    }
    Ok(Taken {
        tracking_id: asked.tracking_id,
        customer: asked.customer,
        resources: count,
        new: asked.new,
        changed: asked.changed,
        complete: is_complete,
        note: (!is_complete).then_some(CUT),
        impacted_resources: Counts {
            confirmed: summary.as_ref().map_or(0, |summary| summary.confirmed as usize),
            potential: summary.as_ref().map_or(0, |summary| summary.potential as usize),
        },
    })
}

/// `GET /v1/incidents/{tracking_id}/resources?provider=&customer=&limit=&after=`.
pub async fn list(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Answer>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["provider", "customer", "limit", "after", "token", "as"])?;
    let provider = super::provider(&query)?;
    let customer = whose_are_read(&viewer, &query)?;
    let limit = query.number("limit", LIST_DEFAULT, LIST_MOST)?;
    let after = after(&query)?;
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let answer = move |reading: &Reading| {
        let story = find(&reading.sources(), provider, &tracking_id, Extract::NOTHING)?;
        let id = &story.incident.id;
        let after = after.as_ref().map(|(customer, key)| (customer, key.as_str()));
        if let (Some(own), Some((other, _))) = (&customer, after)
            && own != other
        {
            return Err(Refusal::bad("this is not the `next` of an earlier answer").field("after"));
        }
        let mut found = reading
            .store
            .listed_resources(id, customer.as_ref(), after, limit + 1)?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let last = last.map(|one| next(&one.customer, &one.resource.key()));
        Ok(Json(Answer {
            provider: id.provider,
            complete: !story.impacted.is_cut,
            impacted_resources: Counts::of(&story.impacted),
            tracking_id: story.incident.tracking_id,
            resources: found.into_iter().map(Line::of).collect(),
            next: last,
        }))
    };
    app_state.read_story(viewer, answer).await
}
