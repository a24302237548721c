//! The archive, page by page: everything that is kept, as far as the viewer may see it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::archive::{self, Asked, Cursor};
use crate::customer::{CustomerId, Viewer};

/// What the answer is: JSON Lines.
const JSON_LINES: &str = "application/x-ndjson";

/// `GET /v1/export?customer=&since=&deliveries=&after=`
pub async fn get(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "since", "deliveries", "after", "token"])?;
    let now = app_state.clock.now();
    let since = query.one("since").map(|text| archive::since(text, now));
    let after = query.one("after").map(str::parse::<Cursor>);
    let named = query.one("customer").map(CustomerId::new);
    let (viewer, is_named_by_operator) = on_behalf(viewer, named)?;
    let asked = Asked {
        of: Some(app_state.links.archive(viewer.customer())),
        since: since.transpose().map_err(|why| Refusal::bad(why).field("since"))?,
        with_deliveries: match query.one("deliveries") {
            None | Some("yes") => true,
            Some("no") => false,
            Some(_) => return Err(Refusal::bad("deliveries are `yes` or `no`").field("deliveries")),
        },
        after: after.transpose().map_err(|why| Refusal::bad(why).field("after"))?,
    };
    asked.goes_on().map_err(|why| Refusal::bad(why).field("after"))?;
    let kept = app_state.settings.kept;
    let answer = move |reading: &Reading| {
        let customer = reading.viewer.customer().filter(|_| is_named_by_operator);
        if let Some(customer) = customer
            && !reading.past().knows(customer)?
        {
            return Err(no_such_customer());
        }
        Ok(archive::answer(&reading.sources(), &asked, now, kept)?)
    };
    // what one page takes is bounded like a story, and as few are gathered at once
    let bytes = app_state.read_story(viewer, answer).await?;
    Ok(([(header::CONTENT_TYPE, JSON_LINES)], bytes).into_response())
}

/// Whose part is asked for, and whether the operator named it.
fn on_behalf(viewer: Viewer, named: Option<CustomerId>) -> Result<(Viewer, bool), Refusal> {
    match (viewer, named) {
        (Viewer::Operator, Some(named)) => Ok((Viewer::Customer(named), true)),
        // whether there is a customer of another name is not this one's to know
        (Viewer::Customer(own), Some(named)) if own != named => Err(no_such_customer()),
        (viewer, _) => Ok((viewer, false)),
    }
}

fn no_such_customer() -> Refusal {
    Refusal::not_found("there is no such customer, and never was")
        .field("customer")
        .hint("a customer's name is the name of its folder; `/v1/rules` lists them")
}
