//! What was remembered once is readable for ever: `tests/fixtures/records.jsonl` holds every variant ever shipped.
//!
//! The lists below are exhaustive matches: a new variant does not compile until it is named here, and then the first
//! test fails until the fixture has a line with it. Lines are only ever added to the fixture, never changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::channel::Outcome;

/// Names an enum's variants, once as a function and once as the list of all of them.
macro_rules! variants {
    ($($function:ident($enum:ty), $all:ident { $($pattern:pat => $name:literal,)+ })+) => {$(
        fn $function(one: &$enum) -> &'static str {
            match one { $($pattern => $name,)+ }
        }
        const $all: &[&str] = &[$($name,)+];
    )+};
}

variants! {
    record(Record), RECORDS {
        Record::Recorded { .. } => "record recorded",
        Record::Decided { .. } => "record decided",
        Record::Continued { .. } => "record continued",
        Record::Started { .. } => "record started",
        Record::Lost { .. } => "record lost",
        Record::Retired { .. } => "record retired",
        Record::Noted { .. } => "record noted",
    }
    input(Input), INPUTS {
        Input::Heard { .. } => "input heard",
        Input::RuleTexts { .. } => "input rule texts",
        Input::Rules { .. } => "input rules",
        Input::Commanded { .. } => "input commanded",
        Input::Tried { .. } => "input tried",
        Input::AttemptsEnded { .. } => "input attempts-ended",
        Input::Due { .. } => "input due",
        Input::Retired => "input retired",
        Input::ClockJumped { .. } => "input clock-jumped",
    }
    command(Command), COMMANDS {
        Command::Redeliver { .. } => "command redeliver",
        Command::Retry { .. } => "command retry",
        Command::SendTest { .. } => "command send-test",
        Command::ForgetRules { .. } => "command forget-rules",
        Command::Correct { .. } => "command correct",
        Command::Claim(_) => "command claim",
        Command::RemindOfClaims { .. } => "command remind-of-claims",
        Command::RemindedElsewhere { .. } => "command reminded-elsewhere",
        Command::ListResources { .. } => "command list-resources",
        Command::EnterDowntime(_) => "command enter-downtime",
        Command::WithdrawDowntime { .. } => "command withdraw-downtime",
    }
    deadline(Deadline), DEADLINES {
        Deadline::Tell { .. } => "deadline tell",
        Deadline::Notifications { .. } => "deadline notifications",
        Deadline::Endpoint { .. } => "deadline endpoint",
        Deadline::Expire { .. } => "deadline expire",
        Deadline::Retention => "deadline retention",
        Deadline::Owed { .. } => "deadline owed",
        Deadline::Clocks { .. } => "deadline clocks",
    }
    change(Change), CHANGES {
        Change::Judged(_) => "change judged",
        Change::Nothing { .. } => "change nothing",
        Change::Raised { .. } => "change raised",
        Change::Wake { .. } => "change wake",
        Change::Unwake { .. } => "change unwake",
        Change::Incident(_) => "change incident",
        Change::Entry(_) => "change entry",
        Change::Affected(_) => "change affected",
        Change::Notification(_) => "change notification",
        Change::Delivery { .. } => "change delivery",
        Change::Attempted { .. } => "change attempted",
        Change::Ended { .. } => "change ended",
        Change::Requeued { .. } => "change requeued",
        Change::Hastened { .. } => "change hastened",
        Change::Carries { .. } => "change carries",
        Change::Set(_) => "change set",
        Change::Planned(_) => "change planned",
        Change::Gathered(_) => "change gathered",
        Change::BroughtForward { .. } => "change brought-forward",
        Change::Content(_) => "change content",
        Change::Told(_) => "change told",
        Change::Again { .. } => "change again",
        Change::Finished { .. } => "change finished",
        Change::EndpointFails(_) => "change endpoint-fails",
        Change::EndpointWorks { .. } => "change endpoint-works",
        Change::InForce { .. } => "change in-force",
        Change::Broken { .. } => "change broken",
        Change::Hold { .. } => "change hold",
        Change::SetAside(_) => "change set-aside",
        Change::TakenUp { .. } => "change taken-up",
        Change::NextLook { .. } => "change next-look",
        Change::Reminded(_) => "change reminded",
        Change::ClocksBegun => "change clocks-begun",
        Change::Corrected(_) => "change corrected",
        Change::Claimed(_) => "change claimed",
        Change::RemindedOfClaims { .. } => "change reminded-of-claims",
        Change::ResourcesListed(_) => "change resources-listed",
        Change::ResourcesCounted(_) => "change resources-counted",
        Change::DowntimeEntered(_) => "change downtime-entered",
        Change::Forgotten { .. } => "change forgotten",
        Change::IncidentForgotten { .. } => "change incident-forgotten",
    }
    verdict(Verdict), VERDICTS {
        Verdict::Planned => "verdict planned",
        Verdict::Joined => "verdict joined",
        Verdict::Held { .. } => "verdict held",
        Verdict::Withheld { .. } => "verdict withheld",
    }
    why(Why), WHYS {
        Why::NoRuleMatched => "why no-rule-matched",
        Why::Repeat { .. } => "why repeat",
        Why::History => "why history",
        Why::Overtaken { .. } => "why overtaken",
        Why::NothingToInviteTo => "why nothing-to-invite-to",
        Why::SessionsAreOver => "why sessions-are-over",
        Why::DecisionLost => "why decision-lost",
        Why::InputLost => "why input-lost",
        Why::PartOfAChange => "why part of a change",
        Why::RulesUnchanged => "why rules-unchanged",
        Why::NotRedeliverable => "why not-redeliverable",
        Why::NothingInForce => "why nothing-in-force",
        Why::NoRulesYet => "why no-rules-yet",
        Why::NoLongerDue => "why no-longer-due",
        Why::NothingToForget => "why nothing-to-forget",
        Why::Retired => "why retired",
        Why::SetAside { .. } => "why set-aside",
        Why::NotSetAside => "why not-set-aside",
        Why::OnHold => "why on-hold",
        Why::NothingOwed => "why nothing-owed",
        Why::NoSuchIncident => "why no-such-incident",
        Why::ClaimStandsOtherwise => "why claim-stands-otherwise",
        Why::ToldBefore => "why told-before",
        Why::TooCostly => "why too-costly",
        Why::NoSuchReceiver => "why no-such-receiver",
        Why::SaidBefore => "why said-before",
        Why::TooMany { .. } => "why too-many",
        Why::NoSuchDowntime => "why no-such-downtime",
    }
    end(End), ENDS {
        End::Delivered => "end delivered",
        End::Expired => "end expired",
        End::Refused { .. } => "end refused",
        End::ReceiverGone { .. } => "end receiver-gone",
        End::Superseded { .. } => "end superseded",
    }
    outcome(Outcome), OUTCOMES {
        Outcome::Delivered => "outcome delivered",
        Outcome::Retry { .. } => "outcome retry",
        Outcome::Refused { .. } => "outcome refused",
        Outcome::Gone { .. } => "outcome gone",
        Outcome::OurFault { .. } => "outcome our-fault",
    }
}

const EVERYTHING: &[&[&str]] = &[
    RECORDS, INPUTS, COMMANDS, DEADLINES, CHANGES, VERDICTS, WHYS, ENDS, OUTCOMES,
];

/// The variants that lines hold.
#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    fn record(&mut self, one: &Record) {
        self.0.insert(record(one));
        match one {
            Record::Recorded { inputs, .. } => inputs.iter().for_each(|one| self.input(one)),
            Record::Decided { of, changes, .. } => {
                if let Of::Here(one) = of {
                    self.input(one);
                }
                changes.iter().for_each(|one| self.change(one));
            }
            Record::Continued { changes, .. } => changes.iter().for_each(|one| self.change(one)),
            Record::Started { .. } | Record::Lost { .. } | Record::Noted { .. } | Record::Retired { .. } => {}
        }
    }

    fn input(&mut self, one: &Input) {
        self.0.insert(input(one));
        match one {
            Input::Commanded { command: one, .. } => drop(self.0.insert(command(one))),
            Input::Due { deadline: one, .. } => drop(self.0.insert(deadline(one))),
            Input::Tried { attempt } => self.attempt(attempt),
            Input::AttemptsEnded { attempts } => attempts.iter().for_each(|attempt| self.attempt(attempt)),
            Input::Heard { .. }
            | Input::RuleTexts { .. }
            | Input::Rules { .. }
            | Input::ClockJumped { .. }
            | Input::Retired => {}
        }
    }

    fn change(&mut self, one: &Change) {
        self.0.insert(change(one));
        match one {
            Change::Judged(judged) => self.verdict(&judged.verdict),
            Change::Nothing { why: one } => drop(self.0.insert(why(one))),
            Change::Wake { deadline: one, .. } | Change::Unwake { deadline: one, .. } => {
                self.0.insert(deadline(one));
            }
            Change::Attempted { attempt, .. } => self.attempt(attempt),
            Change::Ended { attempt, end: one, .. } => {
                self.0.insert(end(one));
                attempt.iter().for_each(|one| self.attempt(one));
            }
            Change::Requeued { ended: one, .. } | Change::Forgotten { end: one, .. } => drop(self.0.insert(end(one))),
            _ => {}
        }
    }

    fn verdict(&mut self, one: &Verdict) {
        self.0.insert(verdict(one));
        if let Verdict::Held { why: one, .. } | Verdict::Withheld { why: one } = one {
            self.0.insert(why(one));
        }
    }

    fn attempt(&mut self, one: &Attempt) {
        self.0.insert(outcome(&one.outcome));
    }
}

fn lines() -> Vec<&'static str> {
    include_str!("../../tests/fixtures/records.jsonl").lines().collect()
}

/// Whether everything that `old` says is said by `new` too.
fn is_kept(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old
            .iter()
            .all(|(key, old)| new.get(key).is_some_and(|new| is_kept(old, new))),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_kept(old, new))
        }
        _ => old == new,
    }
}

#[test]
fn the_fixture_holds_every_variant_ever_shipped() {
    let mut seen = Seen::default();
    for line in lines() {
        seen.record(&Record::from_bytes(line.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{line}")));
    }
    let missing: Vec<&str> = EVERYTHING
        .iter()
        .copied()
        .flatten()
        .copied()
        .filter(|name| !seen.0.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "add lines to tests/fixtures/records.jsonl with: {missing:?}"
    );
}

#[test]
fn every_line_ever_written_is_read_and_written_again_without_loss() {
    for line in lines() {
        let record = Record::from_bytes(line.as_bytes()).expect("a record");
        let again = record.to_bytes();
        assert_eq!(Record::from_bytes(&again).expect("a record"), record, "{line}");
        let (old, new) = (serde_json::from_str(line), serde_json::from_slice(&again));
        let (old, new): (Value, Value) = (old.expect("JSON"), new.expect("JSON"));
        assert!(is_kept(&old, &new), "something is lost:\n{old}\n{new}");
    }
}
