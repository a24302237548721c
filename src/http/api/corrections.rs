//! A person's word against the provider's: size, kind or window of an incident, or that a review on request was asked for;
//! with a reason.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Map, Value};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::incidents::find;
use super::owed::CorrectionLine;
use crate::clock::Time;
use crate::customer::Viewer;
use crate::event::{Kind, Window};
use crate::incident::IncidentId;
use crate::incident::correction::{Correction, Corrects, REASON_CHARS_MOST, is_reason};
use crate::incident::reviews::{Basis, DebtState, Size, Terms};
use crate::record::Command;
use crate::view::story::Extract;
use crate::view::story::Story;

/// The largest body of a correction, bytes.
const BODY_BYTES_MOST: usize = 16 * 1024;

/// How a correction is written.
const SHAPE: &str = "one of {\"size\": \"largest\", \"reason\": …}, {\"kind\": \"final-review\", \"reason\": …}, \
                     {\"window\": {\"start\": …, \"end\": …}, \"reason\": …} and {\"requested\": true, \"reason\": …}";

/// `POST /v1/incidents/{tracking_id}/corrections`.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
    body: Bytes,
) -> Result<(StatusCode, Json<CorrectionLine>), Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let query = Query::of(&uri);
    query.only(&["provider", "token"])?;
    let provider = super::provider(&query)?;
    let asked = Asked::read(&body)?;
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let reason = asked.reason.clone();
    let (terms, now) = (app_state.settings.reviews.clone(), app_state.clock.now());
    let meant = move |reading: &Reading| {
        let story = find(&reading.sources(), provider, &tracking_id, Extract::NOTHING)?;
        if matches!(asked.what, What::Requested) && !is_offered(&story, &terms, now) {
            return Err(
                Refusal::bad("the provider offers no review of this incident on request")
                    .field("requested")
                    .hint("if one was promised elsewhere, say how large the incident is: `size`"),
            );
        }
        let corrects = asked.corrects(&story)?;
        Ok::<_, Refusal>((story.incident.id, corrects))
    };
    let (incident, corrects) = app_state.read_story(Viewer::Operator, meant).await?;
    let by = app_state.operator(&caller);
    let correction = Correction {
        incident: incident.clone(),
        at: app_state.clock.now(),
        by: by.clone(),
        reason: reason.clone(),
        corrects: corrects.clone(),
        taken_in_by: None,
    };
    let command = Command::Correct {
        incident,
        corrects,
        reason,
        first: None,
    };
    super::carry_out(&app_state, by, command).await?;
    Ok((StatusCode::CREATED, Json(CorrectionLine::of(&correction))))
}

/// Whether a review is offered on request, and has not come.
fn is_offered(story: &Story, terms: &Terms, now: Time) -> bool {
    let owed = story.progress(terms, now).owed;
    owed.iter()
        .any(|owed| owed.basis == Basis::OnRequest && owed.state == DebtState::Open)
}

/// What is asked for.
struct Asked {
    what: What,
    reason: String,
}

enum What {
    Size(Size),
    Kind { kind: Kind, revision: Option<String> },
    Window(Window),
    Requested,
}

impl Asked {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > BODY_BYTES_MOST {
            let what = format!("a correction has at most {BODY_BYTES_MOST} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        let read: Result<Map<String, Value>, _> = serde_json::from_slice(body);
        let fields = read.map_err(|error| Refusal::bad(format!("this is no JSON object: {error}")).hint(SHAPE))?;
        let known = ["size", "kind", "revision", "window", "requested", "reason"];
        if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let field: String = other.chars().take(80).collect();
            return Err(Refusal::bad("a correction has no such field").field(field).hint(SHAPE));
        }
        let given: Vec<&str> = known.into_iter().filter(|key| fields.contains_key(*key)).collect();
        let what = match given
            .iter()
            .filter(|key| matches!(**key, "size" | "kind" | "window" | "requested"))
            .collect::<Vec<_>>()[..]
        {
            [&"size"] => What::Size(size(&fields)?),
            [&"kind"] => What::Kind {
                kind: kind(&fields)?,
                revision: fields
                    .get("revision")
                    .map(|value| text(value, "revision"))
                    .transpose()?,
            },
            [&"window"] => What::Window(window(&fields)?),
            [&"requested"] if fields["requested"] == Value::Bool(true) => What::Requested,
            [&"requested"] => {
                let refusal = Refusal::bad("it is not taken back that a review was asked for");
                return Err(refusal.field("requested").hint("only `true` may stand there"));
            }
            [] => return Err(Refusal::bad("it corrects nothing").field("size").hint(SHAPE)),
            _ => {
                return Err(Refusal::bad("one thing is corrected at a time")
                    .field(given[1])
                    .hint(SHAPE));
            }
        };
        if fields.contains_key("revision") && !matches!(what, What::Kind { .. }) {
            let refusal = Refusal::bad("only a kind is of one communication").field("revision");
            return Err(refusal.hint("leave it out"));
        }
        Ok(Self {
            what,
            reason: reason(&fields)?,
        })
    }

    /// What that means for this incident.
    fn corrects(self, story: &Story) -> Result<Corrects, Refusal> {
        Ok(match self.what {
            What::Size(size) => Corrects::Size { size },
            What::Window(window) => Corrects::Window { window },
            What::Requested => Corrects::Requested {},
            What::Kind { kind, revision } => {
                let is_meant = |chapter: &&crate::view::story::Chapter| match &revision {
                    None => true,
                    Some(revision) => {
                        let published: Option<Time> = revision.parse().ok();
                        let is_event = chapter.events.iter().any(|at| at.to_string() == *revision);
                        is_event || published == Some(chapter.published)
                    }
                };
                let chapter = story.chapters.iter().find(is_meant).ok_or_else(|| {
                    Refusal::bad("this incident has no such communication")
                        .field("revision")
                        .hint("name it by the id of its event, or by `published`, as `bellwether incidents ID` shows them")
                })?;
                Corrects::Kind {
                    communication: chapter.communication.clone(),
                    published: chapter.published,
                    kind,
                }
            }
        })
    }
}

fn text(value: &Value, field: &'static str) -> Result<String, Refusal> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| Refusal::bad("this is not a text").field(field))
}

fn size(fields: &Map<String, Value>) -> Result<Size, Refusal> {
    match &*text(&fields["size"], "size")?.to_lowercase() {
        "small" => Ok(Size::Small),
        "standard" => Ok(Size::Standard),
        "largest" => Ok(Size::Largest),
        _ => Err(Refusal::bad("there is no such size")
            .field("size")
            .hint("small, standard, largest")),
    }
}

fn kind(fields: &Map<String, Value>) -> Result<Kind, Refusal> {
    let known = Kind::read(&text(&fields["kind"], "kind")?).filter(|kind| !kind.is_own());
    known.ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL
            .iter()
            .filter(|kind| !kind.is_own())
            .map(|kind| kind.word())
            .collect();
        Refusal::bad("no communication of a provider is of this kind")
            .field("kind")
            .hint(all.join(", "))
    })
}

fn window(fields: &Map<String, Value>) -> Result<Window, Refusal> {
    let value = &fields["window"];
    let time = |key: &'static str, field: &'static str| -> Result<Time, Refusal> {
        let word = value.get(key).and_then(Value::as_str).unwrap_or_default();
        word.parse().map_err(|_| {
            Refusal::bad("this is no time")
                .field(field)
                .hint("like 2026-11-24T08:40:00Z")
        })
    };
    let window = Window {
        start: time("start", "window.start")?,
        end: time("end", "window.end")?,
    };
    if window.end <= window.start {
        return Err(Refusal::bad("impact cannot end before it begins").field("window.end"));
    }
    Ok(window)
}

fn reason(fields: &Map<String, Value>) -> Result<String, Refusal> {
    let missing = || {
        Refusal::bad("a correction needs a reason")
            .field("reason")
            .hint("say why, for those who read it later")
    };
    let reason = text(fields.get("reason").ok_or_else(missing)?, "reason").map_err(|_| missing())?;
    match is_reason(&reason) {
        true => Ok(reason),
        false => {
            let what = format!("a reason has at most {REASON_CHARS_MOST} characters, and none that controls something");
            Err(Refusal::bad(what).field("reason"))
        }
    }
}
