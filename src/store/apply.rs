//! What a record does to the store: puts and removals, nothing else. Applying it twice is applying it once.

use crate::clock::Time;
use crate::delivery::{Attempt, LIFE};
use crate::event::{Arrival, Event, Provider};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::record::{
    Accounts, Change, Deadline, Input, Judged, Of, Piece, Record, Ref, Set, Stands, Told, ToldTo, Verdict, Why,
};
use crate::store::item::{
    DeliveryItem, EventLine, Gathered, Item, OwnContent, Patch, RuleFileLine, SET_PART, SetAsideLine, VerdictLine,
};
use crate::store::keys::{self, Key};

/// A verdict larger than this (JSON bytes, roughly) is kept in the journal only.
const WHOLE_JUDGED_ACCOUNTS: usize = 100;

/// One change of the store.
pub enum Op {
    /// Puts an item in place of what stood under its key; the other keys of what is replaced go.
    Put(Box<Item>),
    /// Changes the delivery of this id.
    Patch(String, Box<Patch>),
    /// A number of the store's own.
    Mark(Key, Position),
    /// The item that this key holds.
    Remove(Key),
    /// The items held by keys that begin like this.
    RemoveUnder(Key),
    /// All deliveries about an incident.
    RemoveDeliveries(IncidentId),
}

/// What the record of this sequence number does; a decision's last one does what those before it hold, too.
pub fn ops(seq: u64, record: &Record, pieces: &[Piece]) -> Vec<Op> {
    let mut ops = Vec::new();
    match record {
        Record::Recorded { at, inputs } => {
            for (nth, input) in (0..).zip(inputs) {
                recorded(Position { seq, nth }, input, *at, &mut ops);
            }
        }
        Record::Decided {
            at, of, first, changes, ..
        } => {
            let decision = Decision {
                input: begun(of, seq, changes, &mut ops),
                now: *at,
                stands: &Stands::behind(pieces, seq, *first),
                attempts: attempts_of(of),
            };
            let pieces = pieces.iter().map(|piece| (piece.seq, &piece.changes));
            for (seq, changes) in pieces.chain([(seq, changes)]) {
                for (nth, change) in (0..).zip(changes) {
                    changed(Position { seq, nth }, change, &decision, &mut ops);
                }
            }
        }
        Record::Continued { .. } => {}
        Record::Lost { at, .. } => ops.push(put_of(Item::Lost { at: *at })),
        Record::Started { .. } | Record::Noted { .. } | Record::Retired { .. } => {}
    }
    ops
}

/// Puts an item.
pub fn put_of(item: Item) -> Op {
    Op::Put(Box::new(item))
}

fn recorded(at: Position, input: &Input, now: Time, ops: &mut Vec<Op>) {
    match input {
        Input::Retired => return,
        Input::Heard { event } => heard(at, event, now, ops),
        Input::RuleTexts { .. }
        | Input::Rules { .. }
        | Input::Commanded { .. }
        | Input::Tried { .. }
        | Input::AttemptsEnded { .. }
        | Input::Due { .. }
        | Input::ClockJumped { .. } => {}
    }
    ops.push(put_of(Item::Inbox { at }));
}

fn heard(at: Position, event: &Event, now: Time, ops: &mut Vec<Op>) {
    ops.push(put_of(Item::Event(line(at, event, now))));
    if event.provider != Provider::Bellwether && event.arrival == Arrival::Live {
        ops.push(put_of(Item::LastHeard {
            provider: event.provider,
            form: event.form,
            at: now,
        }));
    }
}

fn line(at: Position, event: &Event, heard: Time) -> EventLine {
    EventLine {
        at,
        heard: event.heard(heard),
        incident: IncidentId::of(event),
        tracking_id: event.tracking_id.clone(),
        kind: event.kind,
        title: event.title.clone(),
        arrival: event.arrival,
    }
}

/// Removes the decision's cause, and says where the input stands.
fn decided(of: &Of, seq: u64, ops: &mut Vec<Op>) -> Position {
    match of {
        Of::Kept { at } => {
            ops.push(Op::Remove(keys::inbox(*at)));
            ops.push(Op::Mark(keys::decided_through(), *at));
            *at
        }
        Of::Here(Input::Due { deadline, at }) => {
            ops.push(Op::Remove(keys::wake(deadline, *at)));
            Position { seq, nth: 0 }
        }
        Of::Here(_) => Position { seq, nth: 0 },
    }
}

/// What comes before what the changes of a decision do; says where its input stands.
fn begun(of: &Of, seq: u64, changes: &[Change], ops: &mut Vec<Op>) -> Position {
    let input = decided(of, seq, ops);
    // what was set aside is decided as if it had just come
    let taken_up = changes.iter().find_map(|change| {
        let Change::TakenUp { at } = change else { return None };
        Some(*at)
    });
    ops.extend(taken_up.map(|at| Op::Remove(keys::nothing(at))));
    taken_up.unwrap_or(input)
}

/// The attempts that a decision is of.
fn attempts_of(of: &Of) -> &[Attempt] {
    match of {
        Of::Here(Input::AttemptsEnded { attempts }) => attempts,
        Of::Here(_) | Of::Kept { .. } => &[],
    }
}

/// What the changes of a decision have in common.
struct Decision<'a> {
    input: Position,
    now: Time,
    stands: &'a Stands,
    attempts: &'a [Attempt],
}

/// What a decision of several records does, in the order of `ops`, worked out as it is asked for: it may be too much
/// to be held, or done, at once.
pub struct Gradual {
    of: Of,
    now: Time,
    input: Position,
    stands: Stands,
    /// What is left of its changes, each with where it stands.
    left: Box<dyn Iterator<Item = (Position, Change)> + Send>,
    ready: std::vec::IntoIter<Op>,
}

impl Gradual {
    /// Of a decision that was made at `now`, whose last record, of this number, holds these changes.
    pub fn of(of: Of, now: Time, pieces: Vec<Piece>, seq: u64, first: u32, last: Vec<Change>) -> Self {
        let mut ready = Vec::new();
        let input = begun(&of, seq, &last, &mut ready);
        let stands = Stands::behind(&pieces, seq, Some(first));
        let records = pieces.into_iter().map(|piece| (piece.seq, piece.changes));
        let left = records.chain([(seq, last)]).flat_map(|(seq, changes)| {
            (0..)
                .zip(changes)
                .map(move |(nth, change)| (Position { seq, nth }, change))
        });
        Self {
            of,
            now,
            input,
            stands,
            left: Box::new(left),
            ready: ready.into_iter(),
        }
    }
}

impl Gradual {
    /// Whether nothing is left of it.
    pub fn is_over(&mut self) -> bool {
        while self.ready.as_slice().is_empty() {
            let Some((at, change)) = self.left.next() else {
                return true;
            };
            self.make_ready(at, &change);
        }
        false
    }

    fn make_ready(&mut self, at: Position, change: &Change) {
        let decision = Decision {
            input: self.input,
            now: self.now,
            stands: &self.stands,
            attempts: attempts_of(&self.of),
        };
        let mut ops = Vec::new();
        changed(at, change, &decision, &mut ops);
        self.ready = ops.into_iter();
    }
}

impl Iterator for Gradual {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        match self.is_over() {
            true => None,
            false => self.ready.next(),
        }
    }
}

fn changed(at: Position, change: &Change, decision: &Decision<'_>, ops: &mut Vec<Op>) {
    let (input, now, stands) = (decision.input, decision.now, decision.stands);
    let attempt_of = |delivery: &String| {
        let mut attempts = decision.attempts.iter();
        attempts.find(|attempt| attempt.delivery == *delivery)
    };
    let mut put = |item| ops.push(put_of(item));
    match change {
        Change::Judged(judged) => self::judged(at, judged, stands, ops),
        // it stands where a change was that is not needed any more
        Change::Nothing { why: Why::Retired } => {}
        Change::Nothing { why } => put(Item::Nothing {
            of: input,
            why: why.clone(),
            decided: Some(at.seq),
        }),
        Change::Raised { event } => {
            put(Item::Inbox { at });
            heard(at, event, now, ops);
        }
        // what is planned is in the order in which it is due
        Change::Wake {
            deadline: Deadline::Tell { .. },
            ..
        }
        | Change::Unwake {
            deadline: Deadline::Tell { .. },
            ..
        } => {}
        Change::Wake { deadline, at } => put(Item::Wake {
            deadline: deadline.clone(),
            at: *at,
        }),
        Change::Unwake { deadline, at } => ops.push(Op::Remove(keys::wake(deadline, *at))),
        Change::Incident(incident) => put(Item::Incident(incident.clone())),
        Change::Entry(entry) => put(Item::Entry(entry.clone())),
        Change::Affected(hearing) => put(Item::Hearing(hearing.clone())),
        Change::Notification(notification) if notification.open => {
            put(Item::Delivery(Box::new(DeliveryItem::planned(notification))));
        }
        Change::Notification(notification) => {
            let closed = Patch::Closed(Box::new(notification.clone()));
            ops.push(patch_of(&notification.series.delivery(notification.part), closed));
        }
        Change::IncidentForgotten { incident, events, .. } => incident_forgotten(incident, events, ops),
        Change::Delivery { delivery, expires, .. } => {
            let expires = expires.unwrap_or(delivery.created + LIFE);
            let made = DeliveryItem::scheduled(delivery.clone(), at, expires);
            put(Item::Delivery(Box::new(made)));
        }
        Change::Attempted {
            attempt,
            place,
            again,
            expires,
        } => ops.push(patch_of(
            &place.delivery,
            Patch::Attempted {
                attempt: attempt.clone(),
                at: *again,
                expires: *expires,
            },
        )),
        Change::Ended {
            place,
            attempts,
            attempt,
            end,
            at,
        } => ops.push(patch_of(
            &place.delivery,
            Patch::Ended {
                attempts: *attempts,
                attempt: attempt.clone(),
                end: end.clone(),
                at: *at,
            },
        )),
        Change::Requeued {
            place,
            attempts,
            again,
            expires,
            ..
        }
        | Change::Hastened {
            place,
            attempts,
            again,
            expires,
        } => ops.push(patch_of(
            &place.delivery,
            Patch::Requeued {
                attempts: *attempts,
                at: *again,
                expires: *expires,
            },
        )),
        Change::Carries { delivery, carried } => ops.push(patch_of(delivery, Patch::Carries(carried.clone()))),
        Change::Set(set) => set_parts(at, set, ops),
        Change::Planned(planned) => {
            for to in &planned.to {
                put(Item::Delivery(Box::new(DeliveryItem::opened(planned, to, stands))));
            }
        }
        Change::Gathered(gathers) => {
            for to in &gathers.to {
                put(Item::Gathered(Gathered {
                    incident: gathers.incident.clone(),
                    series: to.series.clone(),
                    part: to.part,
                    event: gathers.event,
                    verdict: gathers.verdict.position(stands),
                    new: Some(gathers.new.seen_from_outside(stands)),
                }));
            }
        }
        Change::BroughtForward { delivery, due } => ops.push(patch_of(delivery, Patch::BroughtForward(*due))),
        // it is read where it stands
        Change::Content(_) => {}
        Change::Told(told) => ops.extend(told.to.iter().map(|to| self::told(stands, told, to, now))),
        Change::Again { delivery, at, expires } => {
            let (at, expires) = (*at, *expires);
            let patch = attempt_of(delivery).map(|attempt| {
                let attempt = attempt.clone();
                patch_of(delivery, Patch::Attempted { attempt, at, expires })
            });
            ops.extend(patch);
        }
        Change::Finished {
            delivery,
            attempts,
            end,
        } => ops.push(patch_of(
            delivery,
            Patch::Ended {
                attempts: *attempts,
                attempt: attempt_of(delivery).cloned(),
                end: end.clone(),
                at: now,
            },
        )),
        Change::EndpointFails(failing) => {
            if failing.told == Some(now) {
                let customer = failing.customer.clone();
                put(Item::ToldOfFailing { customer, at: now });
            }
            put(Item::Failing((**failing).clone()));
        }
        Change::NextLook { incident, at } => put(Item::Clock {
            incident: incident.clone(),
            at: *at,
        }),
        Change::Reminded(reminded) => put(Item::Reminded(reminded.clone())),
        Change::ClocksBegun => put(Item::ClocksBegun {}),
        Change::Corrected(correction) => put(Item::Correction {
            at,
            correction: correction.clone(),
        }),
        Change::Claimed(claimed) => put(Item::Claimed {
            at,
            claimed: claimed.clone(),
        }),
        Change::RemindedOfClaims { customer, of } => {
            for one in of {
                put(Item::RemindedOfClaim {
                    customer: customer.clone(),
                    of: one.clone(),
                });
            }
        }
        Change::ResourcesListed(listed) => {
            for resource in &listed.resources {
                put(Item::Resource {
                    incident: listed.incident.clone(),
                    customer: listed.customer.clone(),
                    at: listed.at,
                    by: listed.by.clone(),
                    resource: resource.clone(),
                });
            }
        }
        Change::ResourcesCounted(summary) => put(Item::ResourceSummary(summary.clone())),
        Change::DowntimeEntered(downtime) => put(Item::Downtime(downtime.clone())),
        Change::EndpointWorks { endpoint, .. } => ops.push(Op::Remove(keys::failing(endpoint))),
        Change::InForce {
            revision,
            recorded,
            files,
            removed,
            settings,
            given_back,
        } => {
            put(Item::InForce {
                seq: at.seq,
                revision: revision.clone(),
                since: now,
            });
            if *settings {
                put(Item::Settings {
                    seq: at.seq,
                    recorded: *recorded,
                });
            }
            for file in files {
                let (path, digest) = (file.path.clone(), Some(file.digest.clone()));
                put(Item::RuleFile(RuleFileLine {
                    path,
                    seq: at.seq,
                    digest,
                    recorded: file.recorded.unwrap_or(*recorded),
                    nth: file.nth,
                    given_back: false,
                }));
            }
            for path in removed {
                put(Item::RuleFile(RuleFileLine {
                    path: path.clone(),
                    seq: at.seq,
                    digest: None,
                    recorded: *recorded,
                    nth: 0,
                    given_back: false,
                }));
            }
            for one in given_back {
                put(Item::RuleFile(RuleFileLine {
                    path: one.path.clone(),
                    seq: one.in_force,
                    digest: Some(String::new()),
                    recorded: one.recorded,
                    nth: one.nth,
                    given_back: true,
                }));
            }
        }
        Change::Broken { broken: Some(file), .. } => put(Item::Broken(file.clone())),
        Change::Broken { path, broken: None } => ops.push(Op::Remove(keys::broken(path))),
        Change::Hold { until } => put(Item::Hold { until: *until }),
        Change::SetAside(set_aside) => {
            put(Item::Nothing {
                of: input,
                why: Why::SetAside {
                    why: set_aside.why.clone(),
                },
                decided: Some(at.seq),
            });
            put(Item::SetAside(SetAsideLine {
                at: input,
                since: now,
                set_aside: set_aside.clone(),
            }));
            ops.extend(
                set_aside
                    .open
                    .iter()
                    .map(|delivery| patch_of(delivery, Patch::SetAside)),
            );
        }
        // what was said of it then is not so any more; what is said of it now stands before this
        Change::TakenUp { at } => ops.push(Op::Remove(keys::set_aside(*at))),
        Change::Forgotten { place, .. } => {
            ops.push(patch_of(&place.delivery, Patch::Forgotten));
            ops.push(Op::RemoveUnder(keys::attempts(&place.delivery)));
        }
    }
}

/// A set, in parts.
fn set_parts(at: Position, set: &Set, ops: &mut Vec<Op>) {
    let accounts = set
        .accounts
        .chunks(SET_PART)
        .map(|accounts| (accounts.to_vec(), Vec::new()));
    let impact = set.impact.chunks(SET_PART).map(|impact| (Vec::new(), impact.to_vec()));
    ops.extend((0..).zip(accounts.chain(impact)).map(|(part, (accounts, impact))| {
        let event = set.event;
        put_of(Item::Set {
            at,
            part,
            set: Set {
                event,
                accounts,
                impact,
            },
        })
    }));
}

fn told(stands: &Stands, told: &Told, to: &ToldTo, now: Time) -> Op {
    let patch = match to.forgotten {
        true => Patch::Gone { created: now },
        false => Patch::Told {
            content: told.content.position(stands),
            own: OwnContent {
                zone: to.zone,
                is_reply: to.is_reply,
            },
            rules: told.rules.clone(),
            every: to.every,
            created: now,
            expires: told.expires,
        },
    };
    patch_of(&to.delivery, patch)
}

/// Changes a delivery.
pub fn patch_of(delivery: &str, patch: Patch) -> Op {
    Op::Patch(delivery.to_owned(), Box::new(patch))
}

fn judged(at: Position, judged: &Judged, stands: &Stands, ops: &mut Vec<Op>) {
    let accounts = judged.accounts.len() + judged.tells.iter().map(|tells| tells.new.len()).sum::<usize>();
    let whole = (accounts + judged.impact.len() <= WHOLE_JUDGED_ACCOUNTS).then(|| {
        let outside = |set: Ref| Ref::At(set.position(stands));
        Box::new(Judged {
            impact_of: judged.impact_of.map(outside),
            accounts_of: judged.accounts_of.map(outside),
            ..judged.clone()
        })
    });
    ops.push(put_of(Item::Verdict(VerdictLine {
        event: judged.event,
        at,
        customer: judged.customer.clone(),
        rule: judged.rule.clone(),
        verdict: judged.verdict.clone(),
        whole,
    })));
    if matches!(judged.verdict, Verdict::Planned | Verdict::Joined) {
        let (incident, customer, rule) = (judged.incident.clone(), judged.customer.clone(), judged.rule.clone());
        ops.push(put_of(Item::Follows {
            incident,
            customer,
            rule,
        }));
    }
    for tells in &judged.tells {
        ops.push(put_of(Item::Gathered(Gathered {
            incident: judged.incident.clone(),
            series: tells.series.clone(),
            part: tells.part,
            event: judged.event,
            verdict: at,
            new: (tells.new.len() <= WHOLE_JUDGED_ACCOUNTS).then(|| Accounts::These(tells.new.clone())),
        })));
    }
}

fn incident_forgotten(incident: &IncidentId, events: &[Position], ops: &mut Vec<Op>) {
    ops.push(Op::Remove(keys::incident_key(incident)));
    ops.push(Op::Remove(keys::clock(incident)));
    let lists = [
        keys::reminded_of(incident),
        keys::corrections(incident),
        keys::resources(incident),
        keys::resource_summaries(incident),
        keys::entries(incident),
        keys::hearings(incident),
        keys::follows(incident),
        keys::gathered_about(incident),
    ];
    ops.extend(lists.into_iter().map(Op::RemoveUnder));
    ops.push(Op::RemoveDeliveries(incident.clone()));
    for at in events {
        ops.extend([
            Op::Remove(keys::event(*at)),
            Op::Remove(keys::nothing(*at)),
            Op::Remove(keys::set_aside(*at)),
            Op::RemoveUnder(keys::verdicts(*at)),
            Op::RemoveUnder(keys::sets(*at)),
        ]);
    }
}
