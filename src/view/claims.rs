//! Claims as they are listed: what was worked out, with what people said of it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::claim::{Claimed, Row, Standing, State};
use crate::customer::CustomerId;

/// One claim.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its figures as of now; if it is not worked out any more, those of when something was said of it.
    pub row: Row,
    /// What people said of it, put together.
    pub standing: Standing,
    /// What they said, the oldest first.
    pub history: Vec<Claimed>,
    /// How far it is; `None` if nothing is owed.
    pub state: Option<State>,
    /// Whether it is not worked out any more: what it is of is in no rule file, or there was no incident.
    pub is_gone: bool,
}

impl Listed {
    /// By how much the figure of now differs from what was asked for, if it does.
    pub fn difference(&self) -> Option<String> {
        self.standing.difference(&self.row)
    }

    /// Whether somebody has something to do: what is not worth the work is left alone.
    pub fn is_open(&self) -> bool {
        !self.standing.is_not_worth_it && self.state.is_some_and(State::is_open)
    }
}

/// What was worked out, with what was said, by claim; `today` is the day on which what is not worked out any more expires.
pub fn listed<'r>(
    rows: impl Iterator<Item = &'r Row>,
    mut said: BTreeMap<(CustomerId, String), Vec<Claimed>>,
    today: NaiveDate,
) -> Vec<Listed> {
    let mut all: Vec<Listed> = rows
        .map(|row| {
            let said = said.remove(&(CustomerId::new(&row.customer), row.id.clone()));
            of(row.clone(), said.unwrap_or_default(), false)
        })
        .collect();
    for history in said.into_values() {
        let Some(mut row) = Standing::of(&history).row else {
            continue;
        };
        let last_day = row.last_day.as_deref().and_then(|day| day.parse::<NaiveDate>().ok());
        if last_day.is_some_and(|last_day| last_day < today) {
            row.state = row.state.map(|_| State::Expired);
        }
        all.push(of(row, history, true));
    }
    all
}

fn of(row: Row, history: Vec<Claimed>, is_gone: bool) -> Listed {
    let standing = Standing::of(&history);
    Listed {
        state: standing.counts(row.state),
        row,
        standing,
        history,
        is_gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Said;

    fn row(id: &str) -> Row {
        serde_json::from_value(serde_json::json!({
            "id": id, "customer": "contoso", "provider": "azure", "service": "Virtual Machines", "month": "2026-11",
            "available_minutes": "43200", "last_day": "2027-01-30", "state": "possible", "provisional": false,
            "verified": true, "incidents": ["VVTQ-J98"], "explanation": [],
        }))
        .expect("a row")
    }

    fn prepared(id: &str) -> ((CustomerId, String), Vec<Claimed>) {
        let said = Claimed {
            customer: CustomerId::new("contoso"),
            claim: id.to_owned(),
            at: "2026-12-01T09:00:00Z".parse().expect("a time"),
            by: "ada".to_owned(),
            said: Said {
                state: Some(State::Prepared),
                ..Said::default()
            },
            row: Box::new(row(id)),
            taken_in_by: None,
        };
        ((CustomerId::new("contoso"), id.to_owned()), vec![said])
    }

    #[test]
    fn what_is_not_worked_out_any_more_is_listed_as_it_was_and_expires_all_the_same() {
        let on = |day: &str| {
            let all = listed(
                [row("1")].iter(),
                [prepared("1"), prepared("2")].into(),
                day.parse().expect("a day"),
            );
            all.iter()
                .map(|one| (one.row.id.clone(), one.state, one.is_gone))
                .collect::<Vec<_>>()
        };
        let known = ("1".to_owned(), Some(State::Prepared), false);
        let gone = |state| ("2".to_owned(), Some(state), true);
        assert_eq!(on("2027-01-30"), [known.clone(), gone(State::Prepared)]);
        assert_eq!(on("2027-01-31"), [known, gone(State::Expired)]);
    }
}
