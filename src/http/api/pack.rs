//! The pack of a claim: what is sent to the provider or the reseller, in one file.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::claims::one_of;
use super::incidents::find;
use crate::assess;
use crate::claim::pack::{self, Communication, Entered, Evidence, Impact, Pack, Resource, Window};
use crate::claim::{Downtime, ENTERED_BY_A_PERSON, EndedBy, Source, said_by};
use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR, ORGANISATION, Viewer};
use crate::event::Provider;
use crate::incident::correction::{Corrects, kind_of};
use crate::incident::resources::KEPT_MOST;
use crate::incident::reviews::Terms;
use crate::view::claims::Listed;
use crate::view::story::{Chapter, Extract, Story};

/// `GET /v1/claims/{id}/pack`, and the same of the page.
pub async fn get(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Refusal> {
    let reader = app_state.reading(&caller)?;
    Query::of(&uri).only(&["token", "as"])?;
    let now = app_state.clock.now();
    let claim = move |reading: &Reading| one_of(reading, &id, now);
    let claim = app_state.read(reader.viewer, claim).await?;
    // a pack holds what the customer itself may see, whoever asks for it
    let viewer = match claim.row.customer.as_str() {
        ORGANISATION | OPERATOR => Viewer::Operator,
        customer => Viewer::Customer(CustomerId::new(customer)),
    };
    let terms = app_state.settings.reviews.clone();
    let name = format!("claim-{}-{}.zip", claim.row.month, claim.row.id);
    let packed = move |reading: &Reading| packed(reading, &claim, &terms, now);
    let bytes = app_state.read_story(viewer, packed).await?;
    let headers: [(HeaderName, String); 3] = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

fn packed(reading: &Reading, claim: &Listed, terms: &Terms, now: Time) -> Result<Vec<u8>, Refusal> {
    // what was submitted keeps its figures, whatever was corrected since
    let row = claim.standing.submitted_row().unwrap_or(&claim.row);
    let provider = Provider::read(&row.provider);
    let mut incidents = Vec::new();
    let customer = CustomerId::new(&row.customer);
    for id in row.incidents.iter().filter(|id| *id != ENTERED_BY_A_PERSON) {
        match find(&reading.sources(), provider, id, Extract::NOTHING) {
            Ok(story) => {
                let resources = reading.store.resources_of(&story.incident.id, &customer, KEPT_MOST)?;
                let summary = reading.store.resource_summary(&story.incident.id, &customer)?;
                incidents.push(Evidence {
                    is_list_whole: summary.is_some_and(|summary| summary.is_complete),
                    ..evidence(&story, resources, terms, claim.standing.submitted, now)
                });
            }
            // its retention is over: the figures stay
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => incidents.push(Evidence {
                tracking_id: id.clone(),
                ..Evidence::default()
            }),
            Err(refusal) => return Err(refusal),
        }
    }
    for id in &row.downtimes {
        incidents.extend(reading.store.downtime(&customer, id)?.map(entered));
    }
    let files = pack::files(&Pack {
        row,
        amount_asked: claim.standing.asked(),
        amount_paid: claim.standing.paid_before(),
        difference: claim.difference(),
        addressee: claim.standing.addressee.as_deref(),
        owner: claim.standing.owner.as_deref(),
        incidents,
        term_evidence: &row.evidence,
        provided: &claim.standing.provided,
        cases_to_open: claim.standing.cases_to_open(row).cloned().collect(),
        made: now,
        version: env!("CARGO_PKG_VERSION"),
    });
    pack::zip(&files).map_err(|too_large| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, too_large.to_string()))
}

/// What proves an incident. The times of a claim that was submitted are those that were known then, as its figures are.
fn evidence(story: &Story, resources: Vec<Resource>, terms: &Terms, submitted: Option<Time>, now: Time) -> Evidence {
    let of_now = windows(story, terms, now);
    let of_then = submitted.map(|at| windows(&as_known_at(story, at), terms, at));
    let times = |windows: &[Window]| windows.first().map(|one| (one.from, one.until));
    let is_other = of_then.as_ref().is_some_and(|then| times(then) != times(&of_now));
    let mut communications: Vec<Communication> = story.chapters.iter().map(communication).collect();
    communications.sort_by_key(|one| (one.published, one.heard));
    Evidence {
        tracking_id: story.incident.tracking_id.clone(),
        title: story.incident.title.clone(),
        impact: story
            .impact
            .iter()
            .map(|one| Impact {
                service: one.service.clone(),
                region: one.region.clone(),
            })
            .collect(),
        accounts: story.accounts.clone(),
        resources,
        is_list_whole: false,
        window_since: of_now.first().filter(|_| is_other).cloned(),
        windows: of_then.unwrap_or(of_now),
        communications,
        entered: None,
    }
}

/// A story without what was said or corrected later.
fn as_known_at(story: &Story, at: Time) -> Story {
    let mut story = story.clone();
    story.chapters.retain(|chapter| chapter.heard <= at);
    story.corrections.retain(|correction| correction.at <= at);
    for chapter in &mut story.chapters {
        let read = chapter.kind_read.take().unwrap_or(chapter.kind);
        chapter.kind = kind_of(&story.corrections, &chapter.communication).unwrap_or(read);
        chapter.kind_read = (chapter.kind != read).then_some(read);
    }
    let last_word = story.chapters.iter().map(|chapter| chapter.published).max();
    story.incident.updated = last_word.unwrap_or(story.incident.updated);
    story
}

/// Downtime that a person entered.
fn entered(downtime: Downtime) -> Evidence {
    let mut reason = downtime.reason;
    if let Some(withdrawn) = downtime.withdrawn {
        reason = format!("{reason} (withdrawn by {}: {})", withdrawn.by, withdrawn.reason);
    }
    Evidence {
        title: downtime.resource.unwrap_or_default(),
        impact: vec![Impact {
            service: downtime.service,
            region: downtime.region,
        }],
        accounts: downtime.subscription.into_iter().collect(),
        windows: vec![Window {
            from: downtime.from,
            until: Some(downtime.until),
            said_by: "by a person's entry".to_owned(),
        }],
        entered: Some(Entered {
            by: downtime.by,
            at: downtime.at,
            reason,
            evidence: downtime.evidence,
        }),
        ..Evidence::default()
    }
}

/// When impact began and ended: first the word that the figures rest on, then every other that differs.
fn windows(story: &Story, terms: &Terms, now: Time) -> Vec<Window> {
    let progress = story.progress(terms, now);
    let said = progress.window;
    let counted = assess::window(&progress, story.incident.updated, now);
    let mut windows: Vec<Window> = Vec::new();
    if let Some(counted) = counted {
        let correction = corrected(story).filter(|_| counted.source == Source::Correction);
        windows.push(Window {
            from: counted.started,
            until: counted.ended,
            said_by: correction.unwrap_or_else(|| said_by(counted.source, counted.ended_by)),
        });
    }
    let metadata = said.start.zip(said.end).map(|ends| (ends, Source::Metadata));
    let prose = said.prose.map(|prose| ((prose.start, prose.end), Source::Prose));
    let is_end_of_prose = counted.is_some_and(|counted| counted.ended_by == Some(EndedBy::Prose));
    for ((from, until), source) in [metadata, prose].into_iter().flatten() {
        let until = Some(until);
        if !windows.iter().any(|one| (one.from, one.until) == (from, until)) {
            windows.push(Window {
                from,
                until,
                said_by: match source == Source::Prose && is_end_of_prose {
                    true => format!("{}; the figures rest on its end", source.said_by()),
                    false => format!("{}; the figures do not rest on this", source.said_by()),
                },
            });
        }
    }
    windows
}

/// Who corrected when impact began and ended, and why, as it ends a sentence.
fn corrected(story: &Story) -> Option<String> {
    let mut corrections = story.corrections.iter().rev();
    let last = corrections.find(|one| matches!(one.corrects, Corrects::Window { .. }))?;
    let (by, at) = (&last.by, last.at.format("%Y-%m-%d"));
    Some(format!("by a person's correction of {by} on {at}: {}", last.reason))
}

fn communication(chapter: &Chapter) -> Communication {
    let (text, html) = chapter
        .event
        .as_ref()
        .map_or_else(Default::default, |event| (event.text.clone(), event.html.clone()));
    Communication {
        published: chapter.published,
        heard: chapter.heard,
        kind: chapter.kind,
        title: chapter.title.clone(),
        text,
        html,
    }
}
