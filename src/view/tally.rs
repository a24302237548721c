//! What each rule did lately: its verdicts and its deliveries, counted from what is kept.
//!
//! Nothing is indexed by rule, so it is counted by going back through events and deliveries, the newest first, and no
//! further than is affordable for one page. How far it went is said beside the figures.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::StateWord;
use crate::journal::Position;
use crate::record::Verdict;
use crate::view::visibility::Visibility;

/// How far back is counted.
pub const DAYS: i64 = 90;

/// How many events are looked at.
const EVENTS_MOST: usize = 5_000;

/// How many verdicts are looked at.
const VERDICTS_MOST: usize = 20_000;

/// How many deliveries are looked at, of each state.
const DELIVERIES_MOST: usize = 5_000;

/// How many events are read at once.
const PAGE: usize = 500;

/// What one rule did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Did {
    /// Events of which it told, or was about to.
    pub told: usize,
    /// Events that it held back for a while.
    pub held: usize,
    /// Events that it matched and told nobody of.
    pub withheld: usize,
    /// Messages and invitations that arrived.
    pub delivered: usize,
    /// Those that did not, and are not tried again.
    pub dead: usize,
    /// Those that wait.
    pub waiting: usize,
}

/// What the rules did that a viewer may see.
#[derive(Debug, Default)]
pub struct Tally {
    /// By whose rule it is, and its name.
    pub rules: BTreeMap<(CustomerId, String), Did>,
    /// Since when everything is counted.
    pub since: Option<Time>,
    /// Whether that is less than was asked for.
    pub is_cut: bool,
}

impl Tally {
    /// Counts back from `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(visibility: &Visibility<'_>, now: Time) -> Result<Self> {
        let since = now - chrono::Duration::days(DAYS);
        let mut tally = Self {
            since: Some(since),
            ..Self::default()
        };
        tally.count_verdicts(visibility, since)?;
        for state in [StateWord::Delivered, StateWord::Dead, StateWord::Scheduled] {
            tally.count_deliveries(visibility, since, state)?;
        }
        Ok(tally)
    }

    /// What a rule did; nothing, if it is not among them.
    pub fn did(&self, customer: &CustomerId, rule: &str) -> Did {
        self.rules
            .get(&(customer.clone(), rule.to_owned()))
            .copied()
            .unwrap_or_default()
    }

    fn of_rule(&mut self, customer: &CustomerId, rule: &str) -> &mut Did {
        self.rules.entry((customer.clone(), rule.to_owned())).or_default()
    }

    /// Before this moment not everything was looked at.
    fn cut_at(&mut self, moment: Time) {
        self.since = self.since.max(Some(moment));
        self.is_cut = true;
    }

    fn count_verdicts(&mut self, visibility: &Visibility<'_>, since: Time) -> Result<()> {
        let mut before: Option<Position> = None;
        let (mut events, mut verdicts) = (0, 0);
        loop {
            let page = visibility.store.events(before, PAGE)?;
            let is_last = page.len() < PAGE;
            for line in page {
                if line.heard < since {
                    return Ok(());
                }
                if events >= EVENTS_MOST || verdicts >= VERDICTS_MOST {
                    self.cut_at(line.heard);
                    return Ok(());
                }
                events += 1;
                before = Some(line.at);
                for verdict in visibility.store.verdicts(line.at)? {
                    verdicts += 1;
                    if visibility.shows(&verdict.customer) {
                        self.add(&verdict.customer, &verdict.rule, &verdict.verdict);
                    }
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn add(&mut self, customer: &CustomerId, rule: &str, verdict: &Verdict) {
        let did = self.of_rule(customer, rule);
        match verdict {
            Verdict::Planned | Verdict::Joined => did.told += 1,
            Verdict::Held { .. } => did.held += 1,
            Verdict::Withheld { .. } => did.withheld += 1,
        }
    }

    fn count_deliveries(&mut self, visibility: &Visibility<'_>, since: Time, state: StateWord) -> Result<()> {
        let deliveries = visibility.store.listed_deliveries(state, DELIVERIES_MOST)?;
        if let Some(oldest) = deliveries.last().filter(|_| deliveries.len() == DELIVERIES_MOST)
            && oldest.created > since
        {
            self.cut_at(oldest.created);
        }
        for delivery in deliveries {
            if delivery.created < since || !visibility.shows(&delivery.customer) {
                continue;
            }
            for rule in &delivery.rules {
                let did = self.of_rule(&delivery.customer, rule);
                match state {
                    StateWord::Delivered => did.delivered += 1,
                    StateWord::Dead => did.dead += 1,
                    StateWord::Scheduled => did.waiting += 1,
                }
            }
        }
        Ok(())
    }
}
