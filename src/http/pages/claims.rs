//! `/claims`: what may be owed and until when; `/claims/<id>`: one claim, and saying how far it is.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::AppState;
use super::super::api::claims::{Asked, found, one_of, say, stands, state};
use super::super::caller::Caller;
use super::super::form;
use super::super::outside::frame_for;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::claim::Said;
use crate::claim::pack::Provided;
use crate::view::page;
use crate::view::page::claims::List;

/// `GET /claims?month=&state=&incident=&customer=`
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let query = Query::of(&uri);
    let known: Vec<&str> = Asked::PARAMETERS.into_iter().chain(["token", "as"]).collect();
    query.only(&known)?;
    let asked = Asked::read(&query)?;
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    let has_customers = reader.viewer.customer().is_none();
    let html = move |reading: &Reading| {
        let found = found(reading, &asked, frame.now)?;
        let list = List {
            claims: &found.claims,
            notes: &found.notes,
            has_customers,
            month: asked.month.as_deref(),
            state: asked.state,
            incident: query.one("incident"),
        };
        Ok(Html(page::claims::list(&frame, &list)))
    };
    app_state.read(reader.viewer, html).await
}

/// `GET /claims/{id}`
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    Query::of(&uri).only(&["token", "as"])?;
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    let may_operate = reader.may_operate;
    let html = move |reading: &Reading| {
        let claim = one_of(reading, &id, frame.now)?;
        Ok(Html(page::claims::one(&frame, &claim, may_operate, None)))
    };
    app_state.read(reader.viewer, html).await
}

/// `POST /claims/{id}`: the same as the API's; what is wrong is said above the form.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
    request: Request,
) -> Result<Response, Refusal> {
    // who may not read learns that before its form is looked at
    app_state.reading(&caller)?;
    let form = form::read(&app_state, &caller, request, form::SMALL_BYTES).await?;
    let reader = app_state.posting(&caller, &form)?;
    if !reader.may_operate {
        let what = "saying how far a claim is takes a token for `operate`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, what).hint("sign out, and sign in with such a token"));
    }
    let before = stands(&app_state, &id).await?;
    let said = match said(&form, before.standing.is_not_worth_it) {
        Ok(said) => say(&app_state, &id, app_state.operator(&caller), said).await,
        Err(refusal) => Err(refusal),
    };
    match said {
        Ok(_) => {
            let location = format!("../claims/{}", before.row.id);
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
        }
        Err(refusal) if refusal.status.is_client_error() => {
            let frame = frame_for(&app_state, &uri, &caller, &reader);
            let wrong = (refusal.what.clone(), refusal.hint.clone().unwrap_or_default());
            let html = page::claims::one(&frame, &before, true, Some(wrong));
            Ok((refusal.status, Html(html)).into_response())
        }
        Err(refusal) => Err(refusal),
    }
}

/// What the fields of the form say; what is empty stays as it was.
fn said(form: &Query, was_not_worth_it: bool) -> Result<Said, Refusal> {
    let text = |name: &str| {
        form.one(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let is_not_worth_it = form.has("not_worth_it");
    let evidence = text("evidence").map(|asked| Provided {
        asked,
        place: text("place").unwrap_or_default(),
    });
    if evidence.is_none() && text("place").is_some() {
        let what = "this says where something is, and not what";
        return Err(Refusal::bad(what).hint("choose what the terms ask for"));
    }
    Ok(Said {
        state: text("state").map(|word| state(&word)).transpose()?,
        owner: text("owner"),
        addressee: text("addressee"),
        asked: text("asked"),
        granted: text("granted"),
        credited: text("credited"),
        not_worth_it: (is_not_worth_it != was_not_worth_it).then_some(is_not_worth_it),
        note: text("note").map(|note| note.replace("\r\n", "\n")),
        evidence: evidence.into_iter().collect(),
    })
}
