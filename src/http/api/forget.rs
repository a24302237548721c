//! Ending the rules of a customer whose folder is gone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::refusal::Refusal;
use crate::customer::CustomerId;
use crate::ledger::Ledger;
use crate::record::Command;

/// `POST /v1/rules/{customer}/forget`: ends the last rules of a customer whose folder is gone. They stay in force until
/// somebody confirms that this is meant, because a folder may also be gone by mistake.
pub async fn forget(
    State(app_state): State<Arc<AppState>>,
    Path(customer): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let ledger = app_state.ledger.clone();
    // who asked may go away meanwhile: what was begun is finished
    let done = tokio::spawn(async move { forgotten(&ledger, CustomerId::new(&customer)).await });
    done.await
        .unwrap_or_else(|_| Err(Refusal::later("the command could not be written down", 5)))
}

async fn forgotten(ledger: &Ledger, customer: CustomerId) -> Result<Json<Value>, Refusal> {
    let _turn = ledger.turn_to_change_rules().await;
    let rules = ledger.rules();
    let files: Vec<String> = rules.files_of(&customer).map(|file| file.path.clone()).collect();
    if files.is_empty() {
        return Err(unknown());
    }
    if !ledger.figures().rules_folder().gone.contains(&customer) {
        return Err(is_there(&customer));
    }
    let command = Command::ForgetRules {
        customer: customer.clone(),
    };
    for at in ledger.command("operator", command).await? {
        ledger.decided(at).await;
    }
    ledger.figures().note_rules_folder(|folder| {
        folder.gone.remove(&customer);
    });
    tracing::info!(customer = %customer, files = files.len(), "the rules of a customer whose folder is gone have ended");
    Ok(Json(json!({ "customer": customer, "files": files })))
}

fn unknown() -> Refusal {
    Refusal::not_found("no rules of a customer of this name are in force")
        .hint("`/v1/rules` lists the files in force, each with its customer")
}

fn is_there(customer: &CustomerId) -> Refusal {
    let what = format!(
        "the rules of `{customer}` have not lost their folder: its files are there, and would come into force again"
    );
    let hint = "take its folder out of the rules folder first, or leave a file in it that says `rules: []`";
    Refusal::new(StatusCode::CONFLICT, what).hint(hint)
}
