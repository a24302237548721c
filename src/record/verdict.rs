//! What follows from a rule that matched, and why nothing does.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::journal::Position;

/// What follows from a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// At least one endpoint will be told because of it.
    Planned,
    /// Whom it names was, or will be, told the same anyway.
    Joined,
    /// Told later.
    Held {
        /// When.
        until: Time,
        /// Why.
        why: Why,
    },
    /// Nobody is told.
    Withheld {
        /// Why.
        why: Why,
    },
}

/// Why nothing follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No rule matched.
    NoRuleMatched,
    /// The same communication was heard before, for the same accounts.
    Repeat {
        /// Where.
        of: Position,
    },
    /// A back-fill tells nobody.
    History,
    /// These accounts have heard something newer of the incident.
    Overtaken {
        /// Where.
        by: Position,
    },
    /// The rule only invites, and this is no invitation to a retrospective.
    NothingToInviteTo,
    /// All sessions are over.
    SessionsAreOver,
    /// It was decided before, in a part of the journal that is lost: damage must not tell old news again.
    DecisionLost,
    /// What it said is in a part of the journal that is lost.
    InputLost,
    /// Nothing was changed.
    RulesUnchanged,
    /// It is a part of a change that is recorded behind it.
    PartOfAChange,
    /// There is no such delivery, or it is not made yet.
    NotRedeliverable,
    /// No rules of this customer are in force.
    NothingInForce,
    /// An event that waits for rules was to be decided again while there are still none.
    NoRulesYet,
    /// The deadline was met otherwise before it came.
    NoLongerDue,
    /// Nothing was old enough.
    NothingToForget,
    /// It was about something whose retention is over.
    Retired,
    /// It could not be decided.
    SetAside {
        /// What went wrong.
        why: String,
    },
    /// Nothing is set aside there that can be decided again.
    NotSetAside,
    /// The machine's clock jumped: for a while nothing is deleted.
    OnHold,
    /// There is no such receiver, or it cannot be told in this form.
    NoSuchReceiver,
    /// Nothing that is owed has to be told yet.
    NothingOwed,
    /// There is no such incident, or no such communication of it.
    NoSuchIncident,
    /// This cannot be said of a claim that stands as it does.
    ClaimStandsOtherwise,
    /// All of it was told before.
    ToldBefore,
    /// Finding out whether the rule matches takes more work than a customer's rules may take of one event.
    TooCostly,
    /// The same was said before.
    SaidBefore,
    /// There would be more than are kept.
    TooMany {
        /// How many are kept.
        most: u32,
    },
    /// No such downtime was entered, or it is withdrawn.
    NoSuchDowntime,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::NoRuleMatched => f.write_str("no rule matched"),
            Why::Repeat { of } => write!(f, "the same communication was heard before (event {of})"),
            Why::History => f.write_str("it came as history, which tells nobody"),
            Why::Overtaken { by } => write!(f, "something newer of this incident was heard before it (event {by})"),
            Why::NothingToInviteTo => {
                f.write_str("the rule only invites, and this is not an invitation to a retrospective")
            }
            Why::SessionsAreOver => f.write_str("all sessions are over"),
            Why::DecisionLost => {
                f.write_str("it was decided in a part of the journal that is lost; old news is not told again")
            }
            Why::InputLost => f.write_str("what it said is in a part of the journal that is lost"),
            Why::PartOfAChange => f.write_str("it is a part of a change of rules"),
            Why::RulesUnchanged => f.write_str("the rules in force stay as they are"),
            Why::NotRedeliverable => f.write_str("there is no such delivery, or it is not made yet"),
            Why::NoRulesYet => f.write_str("there are still no rules; it is decided as soon as there are"),
            Why::NothingInForce => f.write_str("no rules of this customer are in force"),
            Why::NoLongerDue => f.write_str("there was nothing left to do"),
            Why::Retired => f.write_str("it was about something whose retention is over"),
            Why::NothingToForget => f.write_str("nothing is past its retention"),
            Why::SetAside { why } => write!(f, "it could not be decided and is set aside: {why}"),
            Why::OnHold => f.write_str("the machine's clock jumped, and for a while nothing is deleted"),
            Why::NotSetAside => f.write_str("nothing is set aside there that can be decided again"),
            Why::NothingOwed => f.write_str("nothing that is owed has to be told yet"),
            Why::NoSuchIncident => f.write_str("there is no such incident, or no such communication of it"),
            Why::ClaimStandsOtherwise => f.write_str("the claim stood otherwise by then"),
            Why::ToldBefore => f.write_str("all of it was told before"),
            Why::SaidBefore => f.write_str("the same was said before"),
            Why::TooMany { most } => write!(f, "there would be more than the {most} that are kept"),
            Why::NoSuchDowntime => f.write_str("no such downtime was entered, or it is withdrawn"),
            Why::NoSuchReceiver => f.write_str("there is no such receiver, or it cannot be told in this form"),
            Why::TooCostly => f.write_str(
                "trying the patterns of this customer's rules on this event takes more work than one event may cost",
            ),
        }
    }
}
