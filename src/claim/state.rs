//! How far a claim is, and what may come next.

use serde::{Deserialize, Serialize};

use crate::event::fold;

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something may be owed, and nobody has done anything yet.
    Possible,
    /// A case was opened with the provider.
    CaseOpened,
    /// The claim is written.
    Prepared,
    /// It is with the provider, or with the reseller.
    Submitted,
    /// They said that they have it.
    Acknowledged,
    /// They said that they pay.
    Granted,
    /// They said that they do not.
    Denied,
    /// It stands on an invoice.
    Credited,
    /// Its last day has passed. Nobody says this: it follows.
    Expired,
    /// It is not pursued.
    Withdrawn,
}

impl State {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 10] = [
        Self::Possible,
        Self::CaseOpened,
        Self::Prepared,
        Self::Submitted,
        Self::Acknowledged,
        Self::Granted,
        Self::Denied,
        Self::Credited,
        Self::Expired,
        Self::Withdrawn,
    ];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::CaseOpened => "case-opened",
            Self::Prepared => "prepared",
            Self::Submitted => "submitted",
            Self::Acknowledged => "acknowledged",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Credited => "credited",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::CaseOpened => "case opened",
            other => other.word(),
        }
    }

    /// What is meant by a word, however it is spelled.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| fold(state.word()) == fold(word))
    }

    /// What a person may say next.
    pub fn next(self) -> &'static [Self] {
        use State::{Acknowledged, CaseOpened, Credited, Denied, Granted, Possible, Prepared, Submitted, Withdrawn};
        match self {
            Self::Possible => &[CaseOpened, Prepared, Submitted, Withdrawn],
            // another incident of the month needs another case
            Self::CaseOpened => &[CaseOpened, Prepared, Submitted, Withdrawn],
            Self::Prepared => &[CaseOpened, Submitted, Withdrawn],
            // what is owed more, by a later incident of the month, is asked for by submitting it again; that a case was opened
            // for one is kept, and changes nothing of how far the claim is
            Self::Submitted => &[
                Acknowledged,
                Granted,
                Denied,
                Credited,
                Submitted,
                CaseOpened,
                Withdrawn,
            ],
            Self::Acknowledged => &[Granted, Denied, Credited, Submitted, CaseOpened, Withdrawn],
            Self::Granted => &[Credited, Denied, Submitted, CaseOpened, Withdrawn],
            // an objection is a claim that is submitted again
            Self::Denied => &[Submitted, Granted, Credited, CaseOpened, Withdrawn],
            // it did not stand on the invoice after all
            Self::Credited => &[Granted, Submitted, CaseOpened],
            // a provider may be kind
            Self::Expired => &[Submitted, Withdrawn],
            Self::Withdrawn => &[Possible, Submitted],
        }
    }

    /// Whether it is still to be handed in.
    pub fn is_before_submission(self) -> bool {
        matches!(self, Self::Possible | Self::CaseOpened | Self::Prepared)
    }

    /// Whether it was handed in, whatever came of it.
    pub fn is_after_submission(self) -> bool {
        use State::{Acknowledged, Credited, Denied, Granted, Submitted};
        matches!(self, Submitted | Acknowledged | Granted | Denied | Credited)
    }

    /// Whether somebody still has to do something, or to answer.
    pub fn is_open(self) -> bool {
        self.is_before_submission() || matches!(self, Self::Submitted | Self::Acknowledged | Self::Granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_people_spell_it_and_nobody_says_expired() {
        for state in State::ALL {
            assert_eq!(State::read(state.word()), Some(state));
            assert_eq!(State::read(&state.name().to_uppercase()), Some(state));
            assert!(!state.next().contains(&State::Expired), "{state:?}");
            let may_be_said_again = [State::CaseOpened, State::Submitted].contains(&state);
            assert_eq!(
                state.next().contains(&state),
                may_be_said_again,
                "{state:?} follows itself"
            );
            let json = serde_json::to_value(state).expect("JSON");
            assert_eq!(json, state.word());
        }
        assert_eq!(State::read("paid"), None);
    }

    #[test]
    fn whatever_is_open_can_be_ended() {
        for state in State::ALL.into_iter().filter(|state| state.is_open()) {
            assert!(state.next().contains(&State::Withdrawn), "{state:?}");
        }
    }
}
