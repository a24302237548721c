//! Answering questions from the store, away from the threads that serve connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::House;
use super::refusal::Refusal;
use crate::customer::Viewer;
use crate::journal;
use crate::rule::RuleSet;
use crate::store::View;
use crate::view::sight::Sight;
use crate::view::story::Sources;

/// How long a question may wait for its turn.
const TURN_WAITS: Duration = Duration::from_secs(20);

/// What a question is answered from.
pub struct Reading {
    /// What there is.
    pub store: View,
    /// The texts.
    pub journal: journal::Reader,
    /// The rules in force.
    pub rules: Arc<RuleSet>,
    /// On whose behalf.
    pub viewer: Viewer,
}

impl Reading {
    /// For what is gathered by `view`.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            sight: Sight::of(&self.store, &self.rules.customers, &self.viewer),
            journal: &self.journal,
            rules: &self.rules,
        }
    }
}

impl House {
    /// Answers a question from the store on behalf of a viewer.
    ///
    /// # Errors
    /// When the answer is one, the store cannot be read, or there are too many questions.
    pub async fn read<T, F>(&self, viewer: Viewer, answer: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reading) -> Result<T, Refusal> + Send + 'static,
    {
        let turn = timeout(TURN_WAITS, self.reading.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refusal::later(
                "too many questions at once; try again in a few seconds",
                5,
            ));
        };
        let reading = Reading {
            store: self.ledger.view(),
            journal: self.ledger.journal().clone(),
            rules: self.ledger.rules(),
            viewer,
        };
        let work = move || {
            let _turn = turn;
            answer(&reading)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(error) => Err(anyhow::Error::new(error).context("answering a question").into()),
        }
    }
}
