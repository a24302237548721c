//! The machine's clock jumped forward: for an hour nothing expires and nothing is deleted, so that somebody can look.

use super::own::own;
use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR};
use crate::event::{Kind, Stage};
use crate::record::Change;

/// How long nothing expires and nothing is deleted.
const HOLD: chrono::Duration = chrono::Duration::hours(1);

/// It is on record, and the operator is told.
pub fn jumped(by: chrono::Duration, now: Time) -> Vec<Change> {
    let until = now + HOLD;
    let title = format!("The machine's clock jumped forward by {}", words(by));
    let text = format!(
        "It says {} now. Until {} nothing expires and nothing is deleted; what waits is tried as ever. If the clock is \
         wrong, set it right before then: nothing expires or is deleted either while it is more than an hour behind the \
         time that was reckoned with.",
        now.format("%Y-%m-%d %H:%M UTC"),
        until.format("%H:%M UTC")
    );
    let tracking_id = format!("clock:{}", now.format("%Y%m%dT%H%M%SZ"));
    let operator = CustomerId::new(OPERATOR);
    let event = own(
        Kind::ClockJumped,
        Stage::Active,
        &operator,
        &tracking_id,
        title,
        &text,
        now,
    );
    let event = Box::new(event);
    vec![Change::Hold { until }, Change::Raised { event }]
}

fn words(by: chrono::Duration) -> String {
    match (by.num_days(), by.num_hours() % 24) {
        (0, hours) => format!("{hours} h {} min", by.num_minutes() % 60),
        (days, hours) => format!("{days} days and {hours} h"),
    }
}
