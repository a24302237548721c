//! Making one decision: the rules that match, what is known that bears on it, and `evaluate`, which is pure.
//!
//! Nothing is changed here, so that a decision that fails can be set aside as if it had not been begun.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::decide::Subject;
use super::{Hint, Waiting, Writer};
use crate::clock::Time;
use crate::delivery::Attempt;
use crate::evaluate::attempt_finished::is_fault_raised;
use crate::evaluate::event_received::Heard;
use crate::evaluate::retry_asked::Retry;
use crate::evaluate::set_aside::{self, Trouble};
use crate::evaluate::test_asked::Test;
use crate::evaluate::{Case, Correcting, DueTogether, Listing, LookAt, Measuring, evaluate};
use crate::event::{Arrival, Event, Measures, Provider};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::lookup;
use crate::notification::EndpointId;
use crate::record::{Change, Command, Deadline, Input, Of, Record, Undecided, Why};
use crate::rule::RuleSet;

mod rules;

/// How much longer everything lives while it is not known what time it is.
const IN_DOUBT: chrono::Duration = chrono::Duration::hours(1);

/// A decision that is made and not written down.
pub(super) struct Made {
    /// It.
    pub record: Record,
    /// As it is written down, if it is not too large for one record.
    pub bytes: Vec<u8>,
    /// Events of our own that follow from it, each with the number of the change that raises it.
    pub raised: Vec<(u32, Input)>,
    /// What the lanes are to be told.
    pub hint: Hint,
    /// The rules that are in force after it, if they are others.
    pub rules: Option<Arc<RuleSet>>,
}

impl Writer {
    /// Decides.
    ///
    /// # Errors
    /// When something cannot be looked up.
    pub(super) fn make(&self, subject: &Subject) -> Result<Made> {
        #[cfg(test)]
        super::trap::spring(self, subject)?;
        match subject {
            Subject::Kept(waiting) => self.make_of_kept(waiting),
            Subject::Attempts(attempts) => self.make_of_attempts(attempts),
            Subject::Due { deadline, at, .. } => self.make_of_due(deadline, *at),
            Subject::Nothing => bail!("there is nothing to decide"),
        }
    }

    fn make_of_kept(&self, waiting: &Waiting) -> Result<Made> {
        let of = Of::Kept { at: waiting.at };
        let view = self.store.view();
        if view.decided_through()?.is_some_and(|last| waiting.at <= last) {
            return Ok(self.made(of, &Case::Nothing(Why::DecisionLost)));
        }
        let read;
        let input = match &waiting.input {
            Some(input) => Some(input),
            None => {
                read = lookup::unless_lost(lookup::input(&self.shared.journal, waiting.at))?;
                read.as_ref()
            }
        };
        Ok(match input {
            None => self.made(of, &Case::Nothing(Why::InputLost)),
            Some(Input::Heard { event }) => {
                let mut event = view.with_time(event)?;
                if self.rules.measuring().next().is_some() && event.arrival == Arrival::Live {
                    let measures = self.measures(&event, waiting.at)?;
                    event.to_mut().measures = measures.map(Box::new);
                }
                let event = &*event;
                if self.awaits_rules(event) {
                    return Ok(self.made(of, &Case::RulesAwaited(event)));
                }
                let mut heard = view.hear_context(event, &self.rules, &self.shared.journal)?;
                heard.is_on_hold = self.hold()?.is_some();
                heard.terms.clone_from(&self.settings.reviews);
                self.leave_out_what_is_raised(&mut heard);
                let at = waiting.at;
                self.made(of, &Case::EventReceived { at, event, heard })
            }
            Some(input @ Input::Rules { .. }) => self.make_of_rules(waiting, input)?,
            Some(Input::RuleTexts { .. }) => self.made(of, &Case::Nothing(Why::PartOfAChange)),
            Some(Input::Commanded { by, command }) => self.make_of_command(waiting.at, by, command)?,
            Some(
                Input::Tried { .. }
                | Input::AttemptsEnded { .. }
                | Input::Due { .. }
                | Input::ClockJumped { .. }
                | Input::Retired,
            ) => {
                bail!("the input {} is of a kind that is never recorded", waiting.at)
            }
        })
    }

    /// What an event's incident adds up to, if rules ask for it.
    fn measures(&self, event: &Event, at: Position) -> Result<Option<Measures>> {
        let measuring = Measuring {
            event,
            at,
            rules: &self.rules,
            terms: &self.settings.reviews,
            now: self.now(),
        };
        self.store.view().measures(&measuring, &self.shared.journal)
    }

    /// Words that are told of already count as told, also while what tells of them waits to be decided.
    fn leave_out_what_is_raised(&self, heard: &mut Heard) {
        heard.new_words.leave_out(&self.upkeep.raised);
        heard.unowned.leave_out(&self.upkeep.raised);
    }

    /// Whether an event came before there were any rules: it is kept until there are.
    fn awaits_rules(&self, event: &Event) -> bool {
        self.rules.is_without_rules() && event.provider != Provider::Bellwether && event.arrival == Arrival::Live
    }

    fn make_of_command(&self, at: Position, by: &str, command: &Command) -> Result<Made> {
        let (of, view) = (Of::Kept { at }, self.store.view());
        Ok(match command {
            Command::Redeliver { delivery } => self.made(of, &Case::RedeliveryAsked(view.known(delivery)?)),
            Command::SendTest {
                customer,
                receiver,
                form,
                event,
            } => {
                let test = Test {
                    at,
                    customer,
                    receiver,
                    form: *form,
                    event,
                };
                self.made(of, &Case::TestAsked(test))
            }
            Command::Retry { at } => {
                let mut retry = view.retry_facts(*at, &self.rules, &self.shared.journal)?;
                match &mut retry {
                    // decided by no rules it would be told to nobody, ever
                    Retry::Event { event, .. } if self.awaits_rules(event) => {
                        return Ok(self.made(of, &Case::Nothing(Why::NoRulesYet)));
                    }
                    Retry::Event { at, event, heard } => {
                        event.measures = self.measures(event, *at)?.map(Box::new);
                        heard.terms.clone_from(&self.settings.reviews);
                        self.leave_out_what_is_raised(heard);
                    }
                    Retry::Nothing
                    | Retry::Redelivery { .. }
                    | Retry::Notifications { .. }
                    | Retry::Deadline { .. } => {}
                }
                self.made(of, &Case::RetryAsked(retry))
            }
            Command::ForgetRules { customer } => self.make_of_forgetting(at, customer)?,
            Command::Correct {
                incident,
                corrects,
                reason,
                first,
            } => {
                let known = view.correction_facts(incident, corrects)?;
                let correcting = Correcting {
                    incident,
                    by,
                    reason,
                    corrects,
                    first: first.as_ref(),
                    is_known: known.is_known,
                    has_clock: known.has_clock,
                    clock: known.clock,
                };
                self.made(of, &Case::CorrectionAsked(correcting))
            }
            Command::Claim(claimed) => {
                let before = view.claimed(&claimed.customer, &claimed.claim)?;
                self.made(of, &Case::ClaimAsked { claimed, before })
            }
            Command::RemindOfClaims { customer, reminders } => {
                let reminding = view.claims_to_remind_of(customer, reminders)?;
                self.made(of, &Case::ClaimsDue(reminding))
            }
            Command::RemindedElsewhere { customer, of: marks } => {
                let new = view.claim_marks_untold(customer, marks)?;
                self.made(of, &Case::RemindedElsewhere { customer, new })
            }
            Command::ListResources {
                incident,
                customer,
                resources,
                is_complete,
                first,
            } => {
                let listing = Listing {
                    incident,
                    customer,
                    by,
                    resources,
                    is_complete: *is_complete,
                    first: first.as_ref(),
                    known: view.resources_known(incident, customer, resources)?,
                };
                self.made(of, &Case::ResourcesListed(listing))
            }
            Command::EnterDowntime(downtime) => {
                let known = view.downtimes_of(&downtime.customer)?;
                self.made(of, &Case::DowntimeEntered { downtime, known })
            }
            Command::WithdrawDowntime {
                customer,
                downtime,
                reason,
            } => {
                let known = view.downtime(customer, downtime)?;
                self.made(of, &Case::DowntimeWithdrawn { known, by, reason })
            }
        })
    }

    fn make_of_attempts(&self, attempts: &[Attempt]) -> Result<Made> {
        let view = self.store.view();
        let mut lanes: Vec<_> = attempts
            .iter()
            .map(|attempt| view.tried_context(attempt))
            .collect::<Result<_>>()?;
        for (attempt, lane) in attempts.iter().zip(&mut lanes) {
            lane.is_fault_told |= is_fault_raised(attempt, &self.upkeep.raised);
        }
        let hold = self.hold()?;
        lanes.iter_mut().for_each(|lane| lane.hold = hold);
        let mut hint = hint_of(attempts);
        let known = lanes.iter().filter_map(|lane| lane.delivery.as_ref());
        hint.incidents
            .extend(known.map(|(delivery, _)| (delivery.endpoint.clone(), delivery.incident.clone())));
        let input = Input::AttemptsEnded {
            attempts: attempts.to_vec(),
        };
        let ended = attempts.iter().cloned().zip(lanes).collect();
        let made = self.made(Of::Here(input), &Case::AttemptsFinished(ended));
        Ok(made.with_hint(hint))
    }

    fn make_of_due(&self, deadline: &Deadline, at: Time) -> Result<Made> {
        let mut hint = Hint::default();
        match deadline {
            Deadline::Expire { delivery } => hint.decided.push(delivery.clone()),
            Deadline::Endpoint { endpoint } => hint.vanished.push(endpoint.clone()),
            Deadline::Tell { .. }
            | Deadline::Notifications { .. }
            | Deadline::Retention
            | Deadline::Owed { .. }
            | Deadline::Clocks { .. } => {}
        }
        let case = self.case_of(deadline, at)?;
        if let Case::NotificationsDue(gathered) = &case {
            let told = gathered.groups.iter().flat_map(|group| &group.notifications);
            let told = told.map(|due| &due.notification);
            hint.incidents
                .extend(told.map(|one| (one.endpoint.clone(), one.incident.clone())));
        }
        let deadline = deadline.clone();
        Ok(self.made(Of::Here(Input::Due { deadline, at }), &case).with_hint(hint))
    }

    fn case_of(&self, deadline: &Deadline, at: Time) -> Result<Case<'static>> {
        let view = self.store.view();
        Ok(match deadline {
            Deadline::Notifications {
                incident,
                customer,
                communication,
            } => {
                let due = DueTogether {
                    at,
                    incident,
                    customer,
                    communication,
                };
                let mut gathered = view.tell_context(&due, &self.shared.journal)?;
                gathered.public_url.clone_from(&self.settings.public_url);
                Case::NotificationsDue(Box::new(gathered))
            }
            // earlier versions looked at each by itself
            Deadline::Tell { .. } => Case::Nothing(Why::NoLongerDue),
            Deadline::Endpoint { endpoint } => {
                Case::ReceiverGone(view.endpoint_context(endpoint, &self.shared.journal)?)
            }
            Deadline::Expire { delivery } => Case::DeliveryExpired(view.known(delivery)?),
            Deadline::Retention => match self.hold()? {
                Some(_) => Case::Nothing(Why::OnHold),
                None => self.retention_case()?,
            },
            Deadline::Owed { incident, on } => {
                let look = LookAt {
                    incident,
                    on: on.as_ref(),
                    due: at,
                    customers: &self.rules.customers,
                    terms: &self.settings.reviews,
                };
                Case::OwedDue(view.owed_context(&look, &self.shared.journal)?)
            }
            Deadline::Clocks { after } => Case::Unclocked(view.unclocked(after.as_ref(), self.now())?),
        })
    }

    /// Until when nothing expires and nothing is deleted: for an hour after the machine's clock jumped forward, and as
    /// long as it is far behind what was reckoned with.
    fn hold(&self) -> Result<Option<Time>> {
        let now = self.now();
        if self.settings.clock.is_in_doubt() {
            return Ok(Some(now + IN_DOUBT));
        }
        Ok(self.store.view().hold()?.filter(|until| *until > now))
    }

    /// That an input or a deadline is set aside, because of this.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn make_set_aside(&self, subject: &Subject, why: String) -> Result<Made> {
        let view = self.store.view();
        let mut files = Vec::new();
        let (of, what, open) = match subject {
            Subject::Kept(waiting) => {
                let input = self.input_of(waiting);
                if let Some(Input::Rules { files: changed, .. }) = &input {
                    files.extend(changed.iter().map(|file| file.path.clone()));
                }
                (Of::Kept { at: waiting.at }, undecided(input), Vec::new())
            }
            Subject::Due { deadline, at, .. } => {
                let open = view.deliveries_in(deadline, *at)?;
                let input = Input::Due {
                    deadline: deadline.clone(),
                    at: *at,
                };
                (Of::Here(input), Undecided::Deadline(deadline.clone()), open)
            }
            Subject::Attempts(attempts) => return self.make_plain_attempts(attempts),
            Subject::Nothing => bail!("there is nothing to set aside: {why}"),
        };
        tracing::error!(?what, why, "something could not be decided and is set aside");
        let trouble = Trouble {
            was_told: view.was_told_of_setting_aside(&why, self.now())?,
            what,
            why,
            open,
            files,
        };
        let mut hint = Hint::default();
        if let Subject::Due {
            deadline: Deadline::Expire { delivery },
            ..
        } = subject
        {
            hint.decided.push(delivery.clone());
        }
        Ok(self.made(of, &Case::SetAside(trouble)).with_hint(hint))
    }

    /// An input, if it can be read.
    pub(super) fn input_of(&self, waiting: &Waiting) -> Option<Input> {
        let read = || match &waiting.input {
            Some(input) => Some(input.clone()),
            None => lookup::input(&self.shared.journal, waiting.at).ok(),
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
            .ok()
            .flatten()
    }

    /// That attempts ended, whatever they led to: their deliveries are tried again.
    fn make_plain_attempts(&self, attempts: &[Attempt]) -> Result<Made> {
        let mut plain = Vec::new();
        for attempt in attempts {
            let known = self.store.view().known(&attempt.delivery)?;
            plain.push((attempt.clone(), known.map(|(_, standing)| standing)));
        }
        let attempts = attempts.to_vec();
        let hint = hint_of(&attempts);
        let of = Of::Here(Input::AttemptsEnded { attempts });
        Ok(self.made(of, &Case::AttemptsUndecided(plain)).with_hint(hint))
    }

    /// Evaluates.
    pub(super) fn made(&self, of: Of, case: &Case<'_>) -> Made {
        let now = self.now();
        let changes = evaluate(case, &self.rules, now);
        let raised = (0..).zip(&changes).filter_map(|(nth, change)| {
            let Change::Raised { event } = change else { return None };
            Some((nth, Input::Heard { event: event.clone() }))
        });
        let raised = raised.collect();
        let hint = Hint {
            incidents: changes.iter().filter_map(lane_of).collect(),
            ..Hint::default()
        };
        let record = Record::Decided {
            at: now,
            of,
            by: self.rules.revision.clone(),
            after: None,
            first: None,
            changes,
        };
        Made {
            bytes: record.to_bytes(),
            record,
            raised,
            hint,
            rules: None,
        }
    }
}

impl Made {
    fn with_hint(mut self, hint: Hint) -> Self {
        self.hint.add(hint);
        self
    }
}

fn hint_of(attempts: &[Attempt]) -> Hint {
    Hint {
        decided: attempts.iter().map(|attempt| attempt.delivery.clone()).collect(),
        ..Hint::default()
    }
}

/// The endpoint whose lane a change concerns, and about which incident.
fn lane_of(change: &Change) -> Option<(EndpointId, IncidentId)> {
    match change {
        Change::Delivery { delivery, .. } => Some((delivery.endpoint.clone(), delivery.incident.clone())),
        Change::Attempted { place, .. }
        | Change::Ended { place, .. }
        | Change::Requeued { place, .. }
        | Change::Hastened { place, .. } => Some((place.endpoint.clone(), place.incident.clone())),
        // told by what was asked: see `make_of_attempts` and `make_of_due`
        Change::Planned(_)
        | Change::Gathered(_)
        | Change::BroughtForward { .. }
        | Change::Content(_)
        | Change::Told(_)
        | Change::Again { .. }
        | Change::Finished { .. }
        | Change::Carries { .. } => None,
        Change::Judged(_)
        | Change::Nothing { .. }
        | Change::Raised { .. }
        | Change::Wake { .. }
        | Change::Unwake { .. }
        | Change::Incident(_)
        | Change::Entry(_)
        | Change::Affected(_)
        | Change::Notification(_)
        | Change::Set(_)
        | Change::EndpointFails(_)
        | Change::EndpointWorks { .. }
        | Change::InForce { .. }
        | Change::Broken { .. }
        | Change::Hold { .. }
        | Change::SetAside(_)
        | Change::TakenUp { .. }
        | Change::NextLook { .. }
        | Change::Reminded(_)
        | Change::ClocksBegun
        | Change::Corrected(_)
        | Change::Claimed(_)
        | Change::RemindedOfClaims { .. }
        | Change::ResourcesListed(_)
        | Change::ResourcesCounted(_)
        | Change::DowntimeEntered(_)
        | Change::IncidentForgotten { .. }
        | Change::Forgotten { .. } => None,
    }
}

/// What an input is, as far as it could be read.
fn undecided(input: Option<Input>) -> Undecided {
    match input {
        Some(Input::Heard { event }) => set_aside::of_event(&event),
        Some(Input::Rules { .. } | Input::RuleTexts { .. }) => Undecided::Rules,
        Some(Input::Commanded { command, .. }) => Undecided::Command(command),
        Some(
            Input::Tried { .. }
            | Input::AttemptsEnded { .. }
            | Input::Due { .. }
            | Input::ClockJumped { .. }
            | Input::Retired,
        )
        | None => Undecided::Unreadable,
    }
}
