//! Answering questions from the store, away from the threads that serve connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::AppState;
use super::refusal::Refusal;
use crate::assess::Assessor;
use crate::customer::{CustomerId, Viewer};
use crate::journal;
use crate::ledger::{Ledger, Past};
use crate::rule::RuleSet;
use crate::search::Search;
use crate::store::View;
use crate::view::story::Sources;
use crate::view::visibility::Visibility;

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
    /// The rules in force before.
    past: Past,
    /// On whose behalf.
    pub viewer: Viewer,
    /// By which incidents are found.
    pub search: Search,
    /// What may be owed.
    pub assessor: Assessor,
    /// What is written to.
    pub ledger: Ledger,
}

impl Reading {
    fn of(ledger: &Ledger, (search, assessor): (Search, Assessor), viewer: Viewer, about: Option<CustomerId>) -> Self {
        let store = ledger.view();
        let past = ledger.past(store.clone(), about);
        Self {
            store,
            journal: ledger.journal().clone(),
            rules: past.now().clone(),
            past,
            viewer,
            search,
            assessor,
            ledger: ledger.clone(),
        }
    }

    /// The rules, in force now and before.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// For what is gathered by `view`.
    pub fn sources(&self) -> Sources<'_> {
        Sources {
            visibility: Visibility::of(&self.store, &self.rules.customers, &self.viewer),
            journal: &self.journal,
            past: &self.past,
        }
    }
}

impl AppState {
    /// Answers a question from the store on behalf of a viewer.
    ///
    /// # Errors
    /// When the answer is one, the store cannot be read, or there are too many questions.
    pub async fn read<T, F>(&self, viewer: Viewer, answer: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reading) -> Result<T, Refusal> + Send + 'static,
    {
        let about = viewer.customer().filter(|customer| !customer.is_operator()).cloned();
        self.read_about(about, viewer, answer).await
    }

    /// The same for the whole story of an incident, which may take a hundred megabytes: few are gathered at once.
    ///
    /// # Errors
    /// As [`AppState::read`].
    pub async fn read_story<T, F>(&self, viewer: Viewer, answer: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reading) -> Result<T, Refusal> + Send + 'static,
    {
        let Ok(Ok(turn)) = timeout(TURN_WAITS, self.stories.clone().acquire_owned()).await else {
            return Err(too_many());
        };
        // the turn ends with the work, also when nobody waits for the answer any more
        let told = move |reading: &Reading| {
            let _turn = turn;
            answer(reading)
        };
        self.read(viewer, told).await
    }

    /// The same, where only the rules of one customer are asked about.
    ///
    /// # Errors
    /// As [`AppState::read`].
    pub async fn read_about<T, F>(&self, about: Option<CustomerId>, viewer: Viewer, answer: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reading) -> Result<T, Refusal> + Send + 'static,
    {
        let turn = timeout(TURN_WAITS, self.reading.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(too_many());
        };
        let (ledger, derived) = (self.ledger.clone(), (self.search.clone(), self.assessor.clone()));
        let work = move || {
            let _turn = turn;
            answer(&Reading::of(&ledger, derived, viewer, about))
        };
        let answer = match self.readers.run(work).await {
            Ok(answer) => answer,
            Err(error) => Err(anyhow::Error::new(error).context("answering a question").into()),
        };
        if answer.as_ref().is_err_and(|refusal| refusal.is_damage) {
            self.ledger.doubt(anyhow::anyhow!("a question found the store damaged"));
        }
        answer
    }
}

fn too_many() -> Refusal {
    Refusal::later("too many questions at once; try again in a few seconds", 5)
}
