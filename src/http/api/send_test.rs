//! Sending a test message to a receiver: who asked learns which deliveries it became, and looks how they end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::customer::{CustomerId, Viewer};
use crate::evaluate::test_asked::{can_be_told, looks, test_event};
use crate::incident::IncidentId;
use crate::notification::Form;
use crate::record::Command;
use crate::rule::RuleSet;

/// What a test looks like if nobody says otherwise.
const LOOK_DEFAULT: &str = "update";

/// How many names a refusal lists.
const NAMES_MOST: usize = 20;

/// `POST /v1/receivers/{customer}/{receiver}/test?as=update`: sends a message that says of itself that it is a test.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    Path((customer, receiver)): Path<(String, String)>,
    caller: Caller,
    uri: Uri,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let query = Query::of(&uri);
    query.only(&["as", "token"])?;
    let look = query.one("as").unwrap_or(LOOK_DEFAULT);
    let customer = CustomerId::new(&customer);
    let made = test_event(look, &customer, &receiver, app_state.clock.now());
    let (event, form) = made.ok_or_else(|| {
        let known: Vec<&str> = looks().collect();
        Refusal::bad("there is no such test message")
            .field("as")
            .hint(format!("known: {}", known.join(", ")))
    })?;
    check(&app_state.ledger.rules(), &customer, &receiver, form)?;
    let incident = IncidentId::of(&event);
    let tracking_id = event.tracking_id.clone();
    let command = Command::SendTest {
        customer,
        receiver,
        form,
        event: Box::new(event),
    };
    let ledger = app_state.ledger.clone();
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move {
        let written = ledger.command("operator", command).await?;
        if let Some(at) = written.first() {
            ledger.decided(*at).await;
        }
        Ok::<(), Refusal>(())
    });
    written
        .await
        .map_err(|_| Refusal::later("the command could not be written down", 5))??;
    let made = move |reading: &Reading| {
        let made = reading.store.deliveries_about(&incident);
        let ids: Vec<String> = made.map(|one| Ok(one?.delivery.id)).collect::<anyhow::Result<_>>()?;
        Ok(ids)
    };
    let ids = app_state.read(Viewer::Operator, made).await?;
    if ids.is_empty() {
        let what = "nothing was sent: the rules have just changed";
        return Err(Refusal::new(StatusCode::CONFLICT, what).hint("ask again"));
    }
    let answer = json!({ "tracking_id": tracking_id, "deliveries": ids });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Whether there is such a receiver, and whether it can be told so.
fn check(rules: &RuleSet, customer: &CustomerId, name: &str, form: Form) -> Result<(), Refusal> {
    let Some(receiver) = rules.receiver(customer, name) else {
        return Err(unknown(rules, customer));
    };
    let can_be = receiver.to.iter().any(|address| can_be_told(address.channel(), form));
    match can_be {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::CONFLICT,
            "this receiver has no mailbox, and invitations go by mail",
        )
        .hint("send another test message: `as=update`")),
    }
}

fn unknown(rules: &RuleSet, customer: &CustomerId) -> Refusal {
    let from = (customer.clone(), String::new());
    let of_customer = rules
        .receivers
        .onwards(&from)
        .take_while(|((whose, _), _)| whose == customer);
    let names: Vec<String> = of_customer
        .take(NAMES_MOST)
        .map(|((_, name), _)| format!("`{name}`"))
        .collect();
    match names.is_empty() {
        true => Refusal::not_found("no rule file in force has receivers of this customer")
            .hint("`bellwether status` lists the customers with rules"),
        false => Refusal::not_found("this customer has no such receiver").hint(format!("it has {}", names.join(", "))),
    }
}
