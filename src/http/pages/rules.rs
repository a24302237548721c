//! `/rules`: what is in force and what is broken, what each rule did lately, and who would be invited.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Html;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::outside::frame_for;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::clock::Time;
use crate::customer::{CustomerId, Sees};
use crate::view::page;
use crate::view::page::rules::{Asked, File, Invited, Rules};
use crate::view::tally::Tally;

/// How many files, and how many rules and receivers of them, one page shows.
const FILES_MOST: usize = 300;

/// Of how many accounts it is said who would be invited.
const ACCOUNTS_MOST: usize = 50;

/// The longest name of a service, a region or an account, characters.
const NAME_CHARS_MOST: usize = 200;

/// `GET /rules?account=&service=&region=`
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let query = Query::of(&uri);
    query.only(&["account", "service", "region", "token", "as"])?;
    let asked = Asked {
        account: named(&query, "account")?.to_lowercase(),
        service: named(&query, "service")?,
        region: named(&query, "region")?,
    };
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    let (now, passed_over) = (app_state.clock.now(), app_state.ledger.figures().passed_over());
    let html = move |reading: &Reading| {
        let visibility = reading.sources().visibility;
        let own = visibility.only();
        let not_read = passed_over.iter().filter(|(customer, _)| visibility.shows(customer));
        let (files, more) = files(reading, own)?;
        let broken = reading.store.broken()?;
        let rules = Rules {
            revision: own.is_none().then(|| reading.rules.revision.0.clone()),
            files,
            more_files: more,
            broken: broken
                .into_iter()
                .filter(|file| visibility.shows(&file.customer))
                .collect(),
            not_read: not_read.flat_map(|(_, what)| what.iter().cloned()).collect(),
            tally: Tally::of(&visibility, now)?,
            invited: invited(reading, own, &asked, now),
            asked: &asked,
            own,
        };
        Ok(Html(page::rules::rules(&frame, &rules)))
    };
    app_state.read(reader.viewer, html).await
}

fn named(query: &Query, name: &str) -> Result<String, Refusal> {
    let text = query.one(name).unwrap_or_default().trim();
    match text.chars().count() <= NAME_CHARS_MOST {
        true => Ok(text.to_owned()),
        false => Err(Refusal::bad(format!("a name has at most {NAME_CHARS_MOST} characters")).field(name)),
    }
}

/// The files in force that the reader may see, each with its last change; and how many more there are.
fn files(reading: &Reading, own: Option<&CustomerId>) -> Result<(Vec<File>, usize), Refusal> {
    let visibility = reading.sources().visibility;
    let folder = own.map_or_else(String::new, |own| format!("{own}/"));
    // the one organisation's files may stand in no folder
    let lines = reading.store.rule_files_at(
        u64::MAX,
        if reading.rules.customers.are_separate() {
            &folder
        } else {
            ""
        },
    )?;
    let shown = || {
        reading
            .rules
            .files
            .values()
            .filter(|file| visibility.shows(&file.customer))
    };
    let mut files = Vec::new();
    for file in shown().take(FILES_MOST) {
        let line = lines.iter().find(|line| line.path == file.path);
        let changed = line
            .map(|line| reading.store.came_into_force(line.seq))
            .transpose()?
            .flatten();
        files.push(File {
            file: file.clone(),
            changed,
        });
    }
    Ok((files, shown().count().saturating_sub(FILES_MOST)))
}

/// Which rules would invite whom to a retrospective, by account.
fn invited(reading: &Reading, own: Option<&CustomerId>, asked: &Asked, now: Time) -> Invited {
    let accounts = match asked.account.is_empty() {
        true => accounts(reading, own),
        false => BTreeSet::from([asked.account.clone()]),
    };
    let more = accounts.len().saturating_sub(ACCOUNTS_MOST);
    let visibility = reading.sources().visibility;
    let lines = accounts.into_iter().take(ACCOUNTS_MOST).map(|account| {
        let event = page::rules::retrospective(&account, asked, now);
        let matched = reading
            .rules
            .on(&event)
            .matching()
            .into_iter()
            .map(|matched| matched.rule);
        let inviting = matched.filter(|rule| !rule.invite.is_empty() && visibility.shows(&rule.customer));
        let names = own
            .map(|own| reading.rules.groups_of(own, &account))
            .unwrap_or_default();
        (account, names, inviting.collect())
    });
    Invited {
        lines: lines.collect(),
        more,
    }
}

/// The accounts that are spoken of where none is named: the customer's, or those that rule files give names to.
fn accounts(reading: &Reading, own: Option<&CustomerId>) -> BTreeSet<String> {
    let customers = &reading.rules.customers;
    match own.map(|own| customers.sees(own)) {
        Some(Sees::Owned(customer)) => customer.accounts.clone(),
        Some(Sees::Nothing) => BTreeSet::new(),
        Some(Sees::Everything) | None => {
            let owned = customers.by_name.iter().flat_map(|known| known.values());
            let owned = owned.flat_map(|customer| customer.accounts.iter());
            let visibility = reading.sources().visibility;
            let files = reading
                .rules
                .files
                .values()
                .filter(|file| visibility.shows(&file.customer));
            let named = files.flat_map(|file| file.groups.values().flatten());
            owned.chain(named).cloned().collect()
        }
    }
}
