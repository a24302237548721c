//! Claims as they are listed: what was worked out, with what people said of it.

use std::collections::BTreeMap;

use crate::claim::{Claimed, Row, Standing, State};

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

/// What was worked out for a customer, with what was said, by claim.
pub fn listed(rows: &[Row], mut said: BTreeMap<String, Vec<Claimed>>) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::with_capacity(rows.len());
    for row in rows {
        let history = said.remove(&row.id).unwrap_or_default();
        all.push(of(row.clone(), history, false));
    }
    for history in said.into_values() {
        let row = Standing::of(&history).row;
        all.extend(row.map(|row| of(row, history, true)));
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
