//! The gates that every rule that asks must pass, and the notifications that gather behind them, one per endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asking, Heard, Wanted, wanted, without_accounts};
use crate::clock::Time;
use crate::event::{Event, Kind};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{Form, Notification, SeriesId};
use crate::record::{Change, Deadline, Judged, Tells, Verdict, Why};
use crate::rule::RuleSet;
use crate::rule::condition::Left;

/// The notifications that one event leads to, as they gather rule by rule.
pub(super) struct Plan<'a> {
    at: Position,
    event: &'a Event,
    heard: &'a Heard,
    now: Time,
    series: BTreeMap<SeriesId, Notification>,
    reached: BTreeSet<(SeriesId, String)>,
    touched: BTreeMap<SeriesId, Option<Time>>,
}

impl<'a> Plan<'a> {
    /// Nothing yet, for the event that stands at `at`.
    pub fn of(at: Position, event: &'a Event, heard: &'a Heard, now: Time) -> Self {
        Self {
            at,
            event,
            heard,
            now,
            series: heard.series.clone(),
            reached: heard.reached.clone(),
            touched: BTreeMap::new(),
        }
    }

    /// Lets one rule pass the gates, and gathers what it wants.
    pub fn judge(&mut self, asking: &Asking, rules: &RuleSet) -> Judged {
        let left = self.not_overtaken(asking);
        let (verdict, tells) = match self.gate(asking, left.as_ref(), rules) {
            Some(why) => (Verdict::Withheld { why }, Vec::new()),
            None => self.gather(asking, left.as_ref().unwrap_or(&asking.left), rules),
        };
        Judged {
            event: self.at,
            incident: IncidentId::of(self.event),
            customer: asking.rule.customer.clone(),
            rule: asking.rule.name.clone(),
            verdict,
            followed: asking.followed,
            impact: asking.left.impact.iter().map(without_accounts).collect(),
            accounts: asking.left.accounts.clone(),
            tells,
        }
    }

    /// Why a rule that matched tells nobody.
    fn gate(&self, asking: &Asking, left: Option<&Left>, rules: &RuleSet) -> Option<Why> {
        if left.is_none() {
            let by = self.heard.placed.overtaken.values().next().copied()?;
            return Some(Why::Overtaken { by });
        }
        if !wanted(self.event, &self.heard.placed, &self.heard.entries, asking, rules).is_empty() {
            let over = self.event.kind == Kind::Retrospective && !self.event.sessions.is_empty();
            let over = over
                && asking.rule.notify.is_empty()
                && self.event.sessions.iter().all(|session| session.end <= self.now);
            return over.then_some(Why::SessionsAreOver);
        }
        Some(Why::NothingToInviteTo)
    }

    /// What is left of the event without the accounts that heard something newer; `None` if that is all of them.
    fn not_overtaken(&self, asking: &Asking) -> Option<Left> {
        let overtaken = &self.heard.placed.overtaken;
        if asking.rule.every || overtaken.is_empty() {
            return Some(asking.left.clone());
        }
        if asking.left.accounts.is_empty() {
            return (!overtaken.contains_key("")).then(|| asking.left.clone());
        }
        let accounts: Vec<String> = asking
            .left
            .accounts
            .iter()
            .filter(|account| !overtaken.contains_key(*account))
            .cloned()
            .collect();
        (!accounts.is_empty()).then(|| Left {
            accounts,
            ..asking.left.clone()
        })
    }

    fn gather(&mut self, asking: &Asking, left: &Left, rules: &RuleSet) -> (Verdict, Vec<Tells>) {
        let due =
            self.now + chrono::Duration::seconds(i64::try_from(asking.rule.settle_seconds).unwrap_or(i64::MAX / 2_000));
        let mut verdict = Verdict::Joined;
        let mut tells = Vec::new();
        for wanted in wanted(self.event, &self.heard.placed, &self.heard.entries, asking, rules) {
            let is_past =
                matches!(wanted.form, Form::Invitation { session, .. } if self.event.sessions[session].end <= self.now);
            if is_past {
                continue;
            }
            let new: Vec<String> = left
                .accounts
                .iter()
                .filter(|account| !self.reached.contains(&(wanted.series.clone(), (*account).clone())))
                .cloned()
                .collect();
            let (part, is_planned) = self.join(asking, &wanted, due, !new.is_empty());
            if is_planned {
                verdict = Verdict::Planned;
            }
            self.reached
                .extend(new.iter().map(|account| (wanted.series.clone(), account.clone())));
            tells.push(Tells {
                series: wanted.series,
                part,
                endpoint: wanted.endpoint,
                receiver: wanted.receiver,
                new,
            });
        }
        (verdict, tells)
    }

    /// Opens a notification, or joins the open one, or (for accounts that come later) opens the next part. Says which
    /// part, and whether it was opened here.
    fn join(&mut self, asking: &Asking, wanted: &Wanted, due: Time, has_new: bool) -> (u32, bool) {
        let known = self.series.get(&wanted.series).cloned();
        let (mut next, was_due, is_planned) = match known {
            None => (self.notification(asking, wanted, 0, due), None, true),
            Some(known) if known.open => {
                let was = known.due;
                (known, Some(was), false)
            }
            Some(known) if has_new && wanted.form == Form::Message => {
                (self.notification(asking, wanted, known.part + 1, due), None, true)
            }
            Some(known) => return (known.part, false),
        };
        next.due = next.due.min(due);
        let part = next.part;
        if was_due != Some(next.due) {
            self.touched.entry(wanted.series.clone()).or_insert(was_due);
        }
        self.series.insert(wanted.series.clone(), next);
        (part, is_planned)
    }

    fn notification(&self, asking: &Asking, wanted: &Wanted, part: u32, due: Time) -> Notification {
        Notification {
            series: wanted.series.clone(),
            part,
            open: true,
            due,
            customer: asking.rule.customer.clone(),
            incident: IncidentId::of(self.event),
            communication: self.heard.placed.communication.clone(),
            event: self.at,
            form: wanted.form,
            endpoint: wanted.endpoint.clone(),
            receiver: wanted.receiver.clone(),
            channel: wanted.channel,
            tracking_id: self.event.tracking_id.clone(),
            published: self.event.published,
            title: self.event.title.clone(),
            kind: self.event.kind,
        }
    }

    /// The notifications that were opened or brought forward, and when to look at them.
    pub fn notifications(self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (series, was_due) in self.touched {
            let notification = &self.series[&series];
            let deadline = Deadline::Tell {
                series,
                part: notification.part,
            };
            if let Some(at) = was_due {
                changes.push(Change::Unwake {
                    deadline: deadline.clone(),
                    at,
                });
            }
            changes.push(Change::Wake {
                deadline,
                at: notification.due,
            });
            changes.push(Change::Notification(notification.clone()));
        }
        changes
    }
}
