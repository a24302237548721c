//! Whether a rule whose names are resolved can match anything at all: what never can is an error where it stands.

use crate::event::Kind;
use crate::problem::fields::Reading;

use super::super::{Rule, never};
use super::DraftRule;
use super::when::DraftCondition;

/// Tells what of a rule can never match, or never takes anything away.
pub(super) fn check(reading: &Reading<'_>, draft: &DraftRule, rule: &Rule) {
    let mut is_possible = is_possible(reading, &draft.when, true);
    for unless in &draft.unless {
        is_possible &= self::is_possible(reading, unless, false);
    }
    if !is_possible {
        return;
    }
    if never::is_taken_away(&rule.when, &rule.unless) {
        let place = draft.unless.first().map_or(draft.place, |unless| unless.place);
        let what = "`unless` takes away everything that `when` keeps: this rule never matches";
        let hint = "name under `unless` only what is to be left out; to switch the rule off, write `enabled: false`";
        return reading.error(place, what, Some(hint));
    }
    for (unless, resolved) in draft.unless.iter().zip(&rule.unless) {
        if never::takes_nothing_away(&rule.when, resolved) {
            let what = "this `unless` takes nothing away: `when` lets nothing of the kind through";
            reading.warning(unless.place, what, Some("remove it, or mend its words"));
        }
    }
    let (never_invites, tells) = (
        !never::may_be_of_kind(&rule.when, Kind::Retrospective),
        !draft.notify.is_empty(),
    );
    if let (Some(first), true, false) = (draft.invite.first(), never_invites, tells) {
        let what = "`invite` is for retrospectives, and `when` lets none through: this rule never tells anybody";
        reading.error(
            first.place,
            what,
            Some("`notify:` sends messages; invitations are for `kind: retrospective`"),
        );
    }
}

/// Whether the words of a condition can stand together; if not, says so.
fn is_possible(reading: &Reading<'_>, draft: &DraftCondition, is_when: bool) -> bool {
    let Some(never) = never::contradiction(&draft.condition, is_when) else {
        return true;
    };
    let place = draft.places.get(never.key).copied().unwrap_or(draft.place);
    reading.error(place, &never.what, Some(&never.hint));
    false
}
