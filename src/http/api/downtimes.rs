//! Downtime that no incident of a provider explains: entered by a person with evidence, listed, and withdrawn.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::AppState;
use super::super::auth::Speaker;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::whose::{after, may_name, next, viewer_of, whose, whose_are_read};
use crate::claim::{self, Catalogue, DOWNTIMES_MOST, Downtime, Incident, TypedDowntime, Unfit, reason_to_withdraw};
use crate::clock::{Time, read_moment};
use crate::customer::{CustomerId, ORGANISATION, Viewer};
use crate::record::Command;

/// How many are listed unless asked otherwise.
const LIST_DEFAULT: usize = 100;

/// The most that are listed at once.
const LIST_MOST: usize = 1_000;

/// The largest body, bytes: twenty pieces of evidence in any script.
const BODY_BYTES_MOST: usize = 128 * 1024;

/// How downtime is written.
const SHAPE: &str = "{\"service\": \"Virtual Machines\", \"from\": …, \"until\": …, \"reason\": …, \"evidence\": [\"…\"]}, and \
                     provider, region, subscription, resource if you like";

/// What is listed.
#[derive(Serialize)]
pub struct Answer {
    downtimes: Vec<Downtime>,
    next: Option<String>,
}

/// What was entered, and what is to be known of it.
#[derive(Serialize)]
pub struct Entered {
    #[serde(flatten)]
    downtime: Downtime,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What is known before it is entered.
struct Before {
    /// Whether the same is there already.
    was_there: bool,
    note: Option<String>,
}

/// `POST /v1/downtimes?customer=`.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
    body: Bytes,
) -> Result<(StatusCode, Json<Entered>), Refusal> {
    let speaker = app_state.speaker(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "token"])?;
    let customer = whose(&speaker, &query, &app_state.ledger.rules().customers)?;
    let now = app_state.clock.now();
    let typed = typed(&body)?;
    let downtime = typed.checked(&customer, &speaker.by, now).map_err(unfit)?;
    let (asked, whose) = (downtime.clone(), viewer_of(&customer));
    let check = move |reading: &Reading| may_be_entered(reading, &asked, now);
    let Before { was_there, note } = app_state.read(whose, check).await?;
    let command = Command::EnterDowntime(Box::new(downtime.clone()));
    let kept = told(
        &app_state,
        speaker,
        command,
        (downtime.customer.clone(), downtime.id.clone()),
    )
    .await?;
    match kept.filter(|kept| kept.is_same(&downtime)) {
        Some(downtime) => {
            let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
            Ok((status, Json(Entered { downtime, note })))
        }
        None => Err(Refusal::new(
            StatusCode::CONFLICT,
            "somebody else entered or withdrew something meanwhile",
        )
        .hint("look at what is there with `bellwether claims downtime`, and enter it again")),
    }
}

/// Whether it may be entered, and what is to be known of it.
///
/// # Errors
/// When there is no such provider, the account is not the customer's, or there are too many.
fn may_be_entered(reading: &Reading, downtime: &Downtime, now: Time) -> Result<Before, Refusal> {
    let terms = Catalogue::shipped(&reading.rules.catalogue);
    let own = reading.rules.files_of(&downtime.customer);
    let own: Vec<&claim::Term> = own.flat_map(|file| &file.terms).collect();
    claim::knows_provider(&downtime.provider, terms.iter().chain(own)).map_err(|hint| {
        let what = format!("there is no provider `{}`", downtime.provider);
        Refusal::bad(what).field("provider").hint(hint)
    })?;
    let account = downtime.subscription.as_deref();
    if account.is_some_and(|account| !may_name(&reading.rules.customers, &downtime.customer, account)) {
        let what = format!("this account is none of {}'s", downtime.customer);
        return Err(Refusal::bad(what).field("subscription"));
    }
    let known = reading.store.downtimes_of(&downtime.customer)?;
    let others = known.iter().filter(|one| one.id != downtime.id && one.counts(now));
    if others.count() >= DOWNTIMES_MOST {
        let what = format!(
            "{} has {DOWNTIMES_MOST} downtimes that count, and there may be no more",
            downtime.customer
        );
        return Err(Refusal::bad(what)
            .field("service")
            .hint("withdraw some, or enter one that is longer"));
    }
    Ok(Before {
        was_there: known.iter().any(|one| one.is_same(downtime)),
        note: unused(reading, downtime),
    })
}

/// That nothing is computed of a downtime, because the rule files name nothing that it touches.
fn unused(reading: &Reading, downtime: &Downtime) -> Option<String> {
    let incident = Incident::of_downtime(downtime, &reading.rules.catalogue);
    let files = reading.rules.files_of(&downtime.customer);
    let is_used = claim::is_of_any(&incident, files.flat_map(|file| &file.usages));
    let whose = match downtime.customer.as_str() {
        ORGANISATION => String::new(),
        customer => format!(" of {customer}"),
    };
    (!is_used).then(|| {
        format!(
            "no `usage:` in the rule files{whose} is of this service, region, subscription and resource: nothing is computed of \
             it until one is"
        )
    })
}

/// `GET /v1/downtimes?customer=&limit=&after=`.
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Answer>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "limit", "after", "token", "as"])?;
    let customer = whose_are_read(&viewer, &query)?;
    let limit = query.number("limit", LIST_DEFAULT, LIST_MOST)?;
    let after = after(&query)?;
    if let (Some(own), Some((other, _))) = (&customer, &after)
        && own != other
    {
        return Err(Refusal::bad("this is not the `next` of an earlier answer").field("after"));
    }
    let answer = move |reading: &Reading| {
        let after = after.as_ref().map(|(customer, id)| (customer, id.as_str()));
        let mut downtimes = reading.store.downtimes(customer.as_ref(), after, limit + 1)?;
        let has_more = downtimes.len() > limit;
        downtimes.truncate(limit);
        let last = downtimes.last().filter(|_| has_more);
        Ok(Json(Answer {
            next: last.map(|last| next(&last.customer, &last.id)),
            downtimes,
        }))
    };
    app_state.read(viewer, answer).await
}

/// `POST /v1/downtimes/{id}/withdraw`.
pub async fn withdraw(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
    body: Bytes,
) -> Result<Json<Downtime>, Refusal> {
    let speaker = app_state.speaker(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "token"])?;
    let whose = match &speaker.own {
        Some(_) => Some(whose(&speaker, &query, &app_state.ledger.rules().customers)?),
        None => query.one("customer").map(CustomerId::new),
    };
    let found = move |reading: &Reading| found(reading, whose.as_ref(), &id);
    let downtime = app_state.read(Viewer::Operator, found).await?;
    let fields = object(&body)?;
    if let Some(other) = fields.keys().find(|key| *key != "reason") {
        return Err(no_such_field(other, "{\"reason\": …}"));
    }
    let reason = text(&fields, "reason")?;
    let reason = reason_to_withdraw(&reason).map_err(unfit)?;
    if downtime.withdrawn.is_some() {
        return Err(Refusal::new(StatusCode::CONFLICT, "this downtime is withdrawn already"));
    }
    let command = Command::WithdrawDowntime {
        customer: downtime.customer.clone(),
        downtime: downtime.id.clone(),
        reason,
    };
    let kept = told(&app_state, speaker, command, (downtime.customer, downtime.id)).await?;
    let kept = kept.filter(|kept| kept.withdrawn.is_some());
    kept.map(Json)
        .ok_or_else(|| Refusal::new(StatusCode::CONFLICT, "somebody else entered it again meanwhile"))
}

/// A downtime of a customer, or of any.
fn found(reading: &Reading, whose: Option<&CustomerId>, id: &str) -> Result<Downtime, Refusal> {
    let found = match whose {
        Some(customer) => reading.store.downtime(customer, id)?,
        None => {
            let all = reading.store.downtimes(None, None, usize::MAX)?;
            all.into_iter().find(|one| one.id == id)
        }
    };
    found.ok_or_else(|| {
        Refusal::not_found("there is no such downtime")
            .hint("`bellwether claims downtime` lists those that were entered")
    })
}

/// Has a command written down, and answers what is known of the downtime then.
async fn told(
    app_state: &AppState,
    speaker: Speaker,
    command: Command,
    (customer, id): (CustomerId, String),
) -> Result<Option<Downtime>, Refusal> {
    super::carry_out(app_state, speaker.by, command).await?;
    let known = move |reading: &Reading| Ok(reading.store.downtime(&customer, &id)?);
    app_state.read(Viewer::Operator, known).await
}

fn typed(body: &[u8]) -> Result<TypedDowntime, Refusal> {
    let fields = object(body)?;
    let known = [
        "provider",
        "service",
        "region",
        "subscription",
        "resource",
        "from",
        "until",
        "reason",
        "evidence",
    ];
    if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(no_such_field(other, SHAPE));
    }
    Ok(TypedDowntime {
        provider: text(&fields, "provider")?,
        service: text(&fields, "service")?,
        region: text(&fields, "region")?,
        subscription: text(&fields, "subscription")?,
        resource: text(&fields, "resource")?,
        from: moment(&fields, "from")?,
        until: moment(&fields, "until")?,
        reason: text(&fields, "reason")?,
        evidence: texts(&fields, "evidence")?,
    })
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.len() > BODY_BYTES_MOST {
        let what = format!("what is said of a downtime has at most {BODY_BYTES_MOST} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("this is no JSON object: {error}")).hint(SHAPE))
}

fn no_such_field(key: &str, shape: &str) -> Refusal {
    let field: String = key.chars().take(80).collect();
    Refusal::bad("a downtime has no such field").field(field).hint(shape)
}

/// A text; empty where nothing is said.
fn text(fields: &Map<String, Value>, key: &'static str) -> Result<String, Refusal> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Refusal::bad("this is not a text").field(key).hint(SHAPE)),
    }
}

fn texts(fields: &Map<String, Value>, key: &'static str) -> Result<Vec<String>, Refusal> {
    let wrong = || Refusal::bad("this is a list of texts").field(key).hint(SHAPE);
    match fields.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn moment(fields: &Map<String, Value>, key: &'static str) -> Result<Option<Time>, Refusal> {
    let text = text(fields, key)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        Refusal::bad("this is no time")
            .field(key)
            .hint("like 2026-11-24T08:40:00Z")
    };
    read_moment(text.trim()).map(Some).map_err(wrong)
}

fn unfit(unfit: Unfit) -> Refusal {
    Refusal::bad(unfit.what).field(unfit.field).hint(unfit.hint)
}
