//! Service credits: what may be owed, how far each claim is, and what people say of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::assess::Assessed;
use crate::claim::pack::Provided;
use crate::claim::{self, Claimed, Row, Said, Unfit};
use crate::clock::Time;
use crate::customer::{CustomerId, Viewer};
use crate::event::fold;
use crate::problem::meant::meant;
use crate::record::Command;
use crate::view::claims::{Listed, listed};

/// The most claims of one answer.
const CLAIMS_MOST: usize = 10_000;

/// The largest body, bytes.
const BODY_BYTES_MOST: usize = 16 * 1024;

/// The most things that the terms ask for and one request speaks of.
const EVIDENCE_MOST: usize = 50;

/// What may be said of a claim.
const SHAPE: &str = "{\"state\": \"submitted\", \"owner\": …, \"addressee\": …, \"asked\": \"123.45\", \"granted\": …, \
                     \"credited\": …, \"not_worth_it\": true, \"note\": …, \
                     \"evidence\": [{\"asked\": …, \"place\": …}]}, each if you like";

/// What is listed.
#[derive(Serialize)]
pub struct Answer {
    claims: Vec<ClaimLine>,
    /// Sentences about what cannot be worked out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Whether there are more than are listed, and how many are.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_first: Option<usize>,
}

/// A claim: its figures, and how it stands.
#[derive(Serialize)]
pub struct ClaimLine {
    #[serde(flatten)]
    row: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addressee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credited: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_worth_it: bool,
    /// Where things are that the terms ask a claim to bring, by a person's word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provided: Vec<Provided>,
    /// By how much the figure of now differs from what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    /// What it is of is in no rule file any more, or there was no incident: the figures are those of then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

/// A claim with all that was said of it.
#[derive(Serialize)]
pub struct Whole {
    #[serde(flatten)]
    line: ClaimLine,
    /// What may be said next.
    next: Vec<&'static str>,
    history: Vec<SaidLine>,
}

#[derive(Serialize)]
struct SaidLine {
    at: Time,
    by: String,
    /// Who took it in, of one out of an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_in_by: Option<String>,
    #[serde(flatten)]
    said: Said,
}

impl ClaimLine {
    fn of(listed: Listed) -> Self {
        let difference = listed.difference();
        let standing = listed.standing;
        let [asked, granted, credited] =
            [standing.asked(), standing.granted(), standing.credited()].map(|amount| amount.map(str::to_owned));
        Self {
            row: Row {
                state: listed.state,
                ..listed.row
            },
            owner: standing.owner,
            addressee: standing.addressee,
            asked,
            granted,
            credited,
            not_worth_it: standing.is_not_worth_it,
            provided: standing.provided,
            difference,
            gone: listed.is_gone,
        }
    }
}

impl Whole {
    fn of(listed: Listed) -> Self {
        let next = listed.state.map_or(&[][..], claim::State::next);
        let history = listed.history.iter().map(|one| SaidLine {
            at: one.at,
            by: one.by.clone(),
            taken_in_by: one.taken_in_by.clone(),
            said: one.said.clone(),
        });
        Self {
            next: next.iter().map(|state| state.word()).collect(),
            history: history.collect(),
            line: ClaimLine::of(listed),
        }
    }
}

/// Which claims are asked for.
#[derive(Debug, Default, Clone)]
pub struct Asked {
    /// Whose.
    pub customer: Option<CustomerId>,
    /// Of which month, `2026-10`.
    pub month: Option<String>,
    /// How far.
    pub state: Option<claim::State>,
    /// Those that rest on this incident: its tracking id.
    pub incident: Option<String>,
    /// This one alone.
    pub id: Option<String>,
}

impl Asked {
    /// The parameters by which it is asked.
    pub const PARAMETERS: [&str; 4] = ["customer", "month", "state", "incident"];

    /// Reads them.
    ///
    /// # Errors
    /// When one is wrong.
    pub fn read(query: &Query) -> Result<Self, Refusal> {
        let month = query.one("month").map(|text| {
            let wrong = || {
                Refusal::bad("this is no month of the calendar")
                    .field("month")
                    .hint("like 2026-10")
            };
            claim::month(text).ok_or_else(wrong)
        });
        let state = query.one("state").map(|text| {
            claim::State::read(text).ok_or_else(|| {
                let words: Vec<&str> = claim::State::ALL.iter().map(|state| state.word()).collect();
                Refusal::bad("there is no such state")
                    .field("state")
                    .hint(words.join(", "))
            })
        });
        Ok(Self {
            customer: query.one("customer").map(CustomerId::new),
            month: month.transpose()?,
            state: state.transpose()?,
            incident: query.one("incident").map(fold),
            id: None,
        })
    }

    /// Whether a claim is meant, as far as its figures say it.
    fn is_of(&self, row: &Row) -> bool {
        let is_this = self.id.as_ref().is_none_or(|id| row.id == *id);
        is_this && self.month.as_ref().is_none_or(|month| row.month == *month)
    }

    /// Whether a claim rests on the incident: by the figures of now, or by what was known when something was said of it.
    fn rests_on_it(&self, listed: &Listed) -> bool {
        let Some(incident) = &self.incident else { return true };
        let said = listed.history.iter().map(|one| &*one.row);
        let mut names = said.chain([&listed.row]).flat_map(|row| row.incidents.iter());
        names.any(|name| fold(name) == *incident)
    }

    /// Whether it is so far; where nothing is owed is shown only to whoever asks for that claim.
    fn is_so_far(&self, listed: &Listed) -> bool {
        match self.state {
            Some(state) => listed.state == Some(state),
            None => listed.state.is_some() || self.id.is_some(),
        }
    }
}

/// What is found: claims, and sentences about what cannot be worked out.
#[derive(Default)]
pub struct Found {
    /// By customer, then as they were worked out.
    pub claims: Vec<Listed>,
    /// About what cannot be worked out.
    pub notes: Vec<String>,
    assessed: BTreeMap<CustomerId, Arc<Assessed>>,
}

impl Found {
    /// Has the first of the claims say how their figures came about.
    fn explain(&mut self, most: usize) {
        let mut by_customer: HashMap<&str, Vec<&Row>> = HashMap::new();
        // what is not worked out any more keeps what was said when it was
        for listed in self.claims.iter().take(most).filter(|listed| !listed.is_gone) {
            by_customer.entry(&listed.row.customer).or_default().push(&listed.row);
        }
        let mut explained = HashMap::new();
        for (customer, rows) in by_customer {
            if let Some(assessed) = self.assessed.get(&CustomerId::new(customer)) {
                explained.extend(assessed.explained(&rows));
            }
        }
        for listed in &mut self.claims {
            if let Some(explanation) = explained.remove(&listed.row.id) {
                listed.row.explanation = explanation;
            }
        }
    }
}

/// The claims that are asked for, as far as the reader may see them.
///
/// # Errors
/// When they are still being worked out, or the store cannot be read.
pub fn found(reading: &Reading, asked: &Asked, now: Time) -> Result<Found, Refusal> {
    let own = reading.viewer.customer();
    if let (Some(own), Some(other)) = (own, &asked.customer)
        && own != other
    {
        return Err(Refusal::not_found("there is no such customer"));
    }
    let whose = own.or(asked.customer.as_ref());
    if let (None, Some(asked)) = (own, &asked.customer) {
        is_customer(reading, asked)?;
    }
    let busy = |busy: crate::assess::Busy| Refusal::later(format!("{busy}; try again in a few seconds"), 5);
    let assessed = reading.assessor.of(&reading.ledger, whose).map_err(busy)?;
    // what was decided while this waited is counted, so the store is looked at as it is now
    let mut said = reading.ledger.view().all_claimed(whose)?;
    said.retain(|_, history| history.last().is_some_and(|one| asked.is_of(&one.row)));
    let rows = assessed.values().flat_map(|assessed| &assessed.rows);
    let mut claims = listed(rows.filter(|row| asked.is_of(row)), said, now.date_naive());
    claims.retain(|listed| asked.is_so_far(listed) && asked.rests_on_it(listed));
    let notes = assessed.values().flat_map(|assessed| assessed.notes.iter().cloned());
    Ok(Found {
        claims,
        notes: notes.collect(),
        assessed,
    })
}

/// # Errors
/// When there is no such customer: a mistyped name must not look as if nothing were owed.
fn is_customer(reading: &Reading, asked: &CustomerId) -> Result<(), Refusal> {
    let Some(known) = &reading.rules.customers.by_name else {
        return Ok(());
    };
    if known.contains_key(asked) || asked.is_operator() || reading.past().knows(asked)? {
        return Ok(());
    }
    let names = known.keys().map(CustomerId::as_str);
    let refusal = Refusal::not_found("there is no such customer").field("customer");
    Err(match meant(asked.as_str(), names) {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    })
}

/// One claim, if the reader may see it.
///
/// # Errors
/// When there is none, or as [`found`].
pub fn one_of(reading: &Reading, id: &str, now: Time) -> Result<Listed, Refusal> {
    let asked = Asked {
        id: Some(id.to_owned()),
        ..Asked::default()
    };
    let mut found = found(reading, &asked, now)?;
    found.explain(1);
    let first = found.claims.into_iter().next();
    first.ok_or_else(|| {
        Refusal::not_found("there is no such claim").hint(
            "`bellwether claims list` lists them; one that nobody spoke of goes when nothing is owed by it any more",
        )
    })
}

/// `GET /v1/claims?customer=&month=&state=&incident=`.
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Answer>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    let known: Vec<&str> = Asked::PARAMETERS.into_iter().chain(["token"]).collect();
    query.only(&known)?;
    let asked = Asked::read(&query)?;
    let now = app_state.clock.now();
    let answer = move |reading: &Reading| {
        let mut found = found(reading, &asked, now)?;
        found.explain(CLAIMS_MOST);
        let only_first = (found.claims.len() > CLAIMS_MOST).then_some(CLAIMS_MOST);
        let claims = found.claims.into_iter().take(CLAIMS_MOST);
        Ok(Json(Answer {
            claims: claims.map(ClaimLine::of).collect(),
            notes: found.notes,
            only_first,
        }))
    };
    app_state.read(viewer, answer).await
}

/// `GET /v1/claims/{id}`.
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Whole>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    Query::of(&uri).only(&["token"])?;
    let now = app_state.clock.now();
    let answer = move |reading: &Reading| Ok(Json(Whole::of(one_of(reading, &id, now)?)));
    app_state.read(viewer, answer).await
}

/// `POST /v1/claims/{id}`: how far it is, and what else is to be known of it.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
    body: Bytes,
) -> Result<Json<Whole>, Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    Query::of(&uri).only(&["token"])?;
    let said = read_said(&body)?;
    let by = app_state.operator(&caller);
    say(&app_state, &id, by, said).await.map(Whole::of).map(Json)
}

/// Has it written down, and answers how the claim stands then.
///
/// # Errors
/// When this cannot be said of the claim, or cannot be written down.
pub async fn say(app_state: &AppState, id: &str, by: String, said: Said) -> Result<Listed, Refusal> {
    let before = stands(app_state, id).await?;
    let said = said.fit(before.state, &before.row, &before.standing).map_err(unfit)?;
    let wanted = said.state;
    let claimed = Claimed {
        customer: CustomerId::new(&before.row.customer),
        claim: before.row.id.clone(),
        at: app_state.clock.now(),
        by: by.clone(),
        said,
        row: Box::new(before.row),
        taken_in_by: None,
    };
    super::carry_out(app_state, by, Command::Claim(Box::new(claimed))).await?;
    let after = stands(app_state, id).await?;
    match wanted {
        // a case that is opened for a claim that was handed in changes nothing of how far that is
        Some(state) if after.standing.state != Some(state) && state != claim::State::CaseOpened => {
            let what = format!("somebody else was quicker: the claim is {}", shown(after.state));
            Err(Refusal::new(StatusCode::CONFLICT, what).field("state"))
        }
        _ => Ok(after),
    }
}

/// How a claim stands, for who may say something of it.
///
/// # Errors
/// As [`one_of`].
pub async fn stands(app_state: &AppState, id: &str) -> Result<Listed, Refusal> {
    let (id, now) = (id.to_owned(), app_state.clock.now());
    let claim = move |reading: &Reading| one_of(reading, &id, now);
    app_state.read(Viewer::Operator, claim).await
}

fn shown(state: Option<claim::State>) -> &'static str {
    state.map_or("nothing that is owed", claim::State::name)
}

fn unfit(unfit: Unfit) -> Refusal {
    Refusal::bad(unfit.what).field(unfit.field).hint(unfit.hint)
}

fn read_said(body: &[u8]) -> Result<Said, Refusal> {
    if body.len() > BODY_BYTES_MOST {
        let what = format!("what is said of a claim has at most {BODY_BYTES_MOST} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
    }
    let read: Result<Map<String, Value>, _> = serde_json::from_slice(body);
    let fields = read.map_err(|error| Refusal::bad(format!("this is no JSON object: {error}")).hint(SHAPE))?;
    let mut said = Said::default();
    for (key, value) in &fields {
        let text = || -> Result<String, Refusal> {
            let text = value.as_str().map(|text| text.trim().to_owned());
            text.ok_or_else(|| Refusal::bad("this is not a text").field(key.clone()).hint(SHAPE))
        };
        match key.as_str() {
            "state" => said.state = Some(state(&text()?)?),
            "owner" => said.owner = Some(text()?),
            "addressee" => said.addressee = Some(text()?),
            "asked" => said.asked = Some(text()?),
            "granted" => said.granted = Some(text()?),
            "credited" => said.credited = Some(text()?),
            "note" => said.note = Some(text()?),
            "not_worth_it" => {
                let wrong = || Refusal::bad("this is `true` or `false`").field("not_worth_it");
                said.not_worth_it = Some(value.as_bool().ok_or_else(wrong)?);
            }
            "evidence" => said.evidence = evidence(value)?,
            other => {
                let field: String = other.chars().take(80).collect();
                return Err(Refusal::bad("a claim has no such field").field(field).hint(SHAPE));
            }
        }
    }
    Ok(said)
}

/// Where things are that the terms ask for.
fn evidence(value: &Value) -> Result<Vec<Provided>, Refusal> {
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("this is no list of what is asked and where it is: {error}");
        Refusal::bad(what)
            .field("evidence")
            .hint("[{\"asked\": \"dates and times of the impact\", \"place\": \"times.pdf\"}]")
    };
    let items = value.as_array().ok_or_else(|| wrong(&"a list is expected"))?;
    if items.len() > EVIDENCE_MOST {
        return Err(wrong(&format!("it has more than {EVIDENCE_MOST} entries")));
    }
    let read = items
        .iter()
        .map(|item| serde_json::from_value::<Provided>(item.clone()));
    read.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))
}

/// A state that a person may say.
///
/// # Errors
/// When there is none of this word.
pub fn state(word: &str) -> Result<claim::State, Refusal> {
    claim::State::read(word).ok_or_else(|| {
        let words: Vec<&str> = claim::State::ALL
            .iter()
            .filter(|state| **state != claim::State::Expired)
            .map(|state| state.word())
            .collect();
        Refusal::bad("there is no such state")
            .field("state")
            .hint(words.join(", "))
    })
}
