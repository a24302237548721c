//! Events that came before there were any rules: they are decided when there are some.

use anyhow::{Context as _, Result};

use super::Rules;
use crate::evaluate::rules_awaited;
use crate::journal::Position;
use crate::record::{Command, Input};
use crate::store::View;

/// So many of what is set aside are looked at together.
const KEPT_PAGE: usize = 1_000;

/// So many events that were kept are taken up together.
const TAKEN_UP_TOGETHER: usize = 500;

impl Rules {
    /// Has the events decided that came before there were any rules, in the order in which they came.
    pub(super) async fn take_up_kept(&self) -> Result<()> {
        let ledger = self.ledger.clone();
        let kept = tokio::task::spawn_blocking(move || kept_for_rules(&ledger.view()));
        let mut kept = kept
            .await
            .context("looking up what was kept ended in a panic")?
            .context("looking up what was kept")?;
        kept.sort();
        if !kept.is_empty() {
            tracing::info!(
                events = kept.len(),
                "there are rules now; what came before them is decided"
            );
        }
        for some in kept.chunks(TAKEN_UP_TOGETHER) {
            let retries = some.iter().map(|at| Input::Commanded {
                by: "rules".to_owned(),
                command: Command::Retry { at: *at },
            });
            let recorded = self.ledger.record(retries.collect(), None).await;
            recorded.context("having what was kept decided")?;
        }
        Ok(())
    }
}

/// Where the events are listed that came before there were any rules.
fn kept_for_rules(view: &View) -> Result<Vec<Position>> {
    let (mut kept, mut before) = (Vec::new(), None);
    loop {
        let page = view.set_aside(before, KEPT_PAGE)?;
        let is_last = page.len() < KEPT_PAGE;
        before = page.last().map(|line| line.at);
        let awaits = page.into_iter().filter(|line| line.set_aside.why == rules_awaited::WHY);
        kept.extend(awaits.map(|line| line.at));
        if is_last {
            return Ok(kept);
        }
    }
}
