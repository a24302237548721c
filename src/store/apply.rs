//! What a record does to the store: puts and removals, nothing else. Applying it twice is applying it once.

use crate::clock::Time;
use crate::delivery::{End, LaneKey, Standing, State, StateWord};
use crate::evaluate::tell;
use crate::event::Event;
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{EndpointId, SeriesId};
use crate::record::{Change, Input, Judged, Of, Record, Verdict, Why};
use crate::store::keys::{self, EventLine, Item, JudgedLine, Key, RuleFileLine};

/// A verdict larger than this (JSON bytes, roughly) is kept in the journal only.
const WHOLE_JUDGED_ACCOUNTS: usize = 100;

/// One change of the store.
pub enum Op {
    /// Under its own key.
    Put(Box<Item>),
    /// A number of the store's own.
    Mark(Key, Position),
    /// Whatever stands there.
    Remove(Key),
    /// Whatever stands under keys that begin like this.
    RemoveUnder(Key),
}

/// What the record of this sequence number does.
pub fn ops(seq: u64, record: &Record) -> Vec<Op> {
    let mut ops = Vec::new();
    match record {
        Record::Recorded { at, inputs } => {
            for (nth, input) in (0..).zip(inputs) {
                recorded(Position { seq, nth }, input, *at, &mut ops);
            }
        }
        Record::Decided { at, of, changes, .. } => {
            let input = decided(of, seq, &mut ops);
            for (nth, change) in (0..).zip(changes) {
                changed(Position { seq, nth }, input, change, *at, &mut ops);
            }
        }
        Record::Started { .. } | Record::Lost { .. } | Record::Retired { .. } => {}
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
        _ => {}
    }
    ops.push(put_of(Item::Inbox { at }));
}

fn heard(at: Position, event: &Event, now: Time, ops: &mut Vec<Op>) {
    ops.push(put_of(Item::Event(line(at, event, now))));
    ops.push(put_of(Item::EventOf {
        incident: IncidentId::of(event),
        at,
    }));
}

fn line(at: Position, event: &Event, heard: Time) -> EventLine {
    EventLine {
        at,
        heard,
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

fn changed(at: Position, input: Position, change: &Change, now: Time, ops: &mut Vec<Op>) {
    let mut put = |item| ops.push(put_of(item));
    match change {
        Change::Judged(judged) => self::judged(at, judged, ops),
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
        Change::Wake { deadline, at } => put(Item::Wake {
            deadline: deadline.clone(),
            at: *at,
        }),
        Change::Unwake { deadline, at } => ops.push(Op::Remove(keys::wake(deadline, *at))),
        Change::Incident(incident) => put(Item::Incident(incident.clone())),
        Change::Entry(entry) => put(Item::Entry(entry.clone())),
        Change::Affected(hearing) => put(Item::Hearing(hearing.clone())),
        Change::Notification(notification) => {
            put(Item::SeriesOf {
                incident: notification.incident.clone(),
                series: notification.series.clone(),
            });
            if !notification.open {
                // also when the delivery that closed it is retired
                put(threaded(&notification.endpoint, &notification.incident));
            }
            put(Item::Notification(notification.clone()));
        }
        Change::IncidentForgotten {
            incident,
            events,
            series,
        } => incident_forgotten(incident, events, series, ops),
        Change::Delivery { delivery, .. } => {
            put(Item::Delivery {
                delivery: delivery.clone(),
                told: at,
            });
            put(Item::DeliveryOf {
                incident: delivery.incident.clone(),
                delivery: delivery.id.clone(),
            });
            put(threaded(&delivery.endpoint, &delivery.incident));
            scheduled(&delivery.lane_key(), 0, delivery.created, tell::expires(delivery), ops);
        }
        Change::Attempted {
            attempt,
            place,
            again,
            expires,
        } => {
            put(Item::Attempt(attempt.clone()));
            scheduled(place, attempt.number, *again, *expires, ops);
        }
        Change::Ended {
            place,
            attempts,
            attempt,
            end,
            at,
        } => {
            if let Some(attempt) = attempt {
                put(Item::Attempt(attempt.clone()));
            }
            ended(place, *attempts, end, *at, ops);
        }
        Change::Requeued {
            place,
            ended,
            ended_at,
            attempts,
            again,
            expires,
        } => {
            ops.push(Op::Remove(keys::ended_at(*ended_at, &place.delivery)));
            ops.push(Op::Remove(keys::listed(ended.word(), place.created, &place.delivery)));
            scheduled(place, *attempts, *again, *expires, ops);
        }
        Change::Carries { delivery, carried } => put(Item::Carries {
            delivery: delivery.clone(),
            carried: carried.clone(),
        }),
        Change::InForce {
            revision,
            recorded,
            files,
            removed,
            settings,
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
                }));
            }
            for path in removed {
                put(Item::RuleFile(RuleFileLine {
                    path: path.clone(),
                    seq: at.seq,
                    digest: None,
                    recorded: *recorded,
                    nth: 0,
                }));
            }
        }
        Change::Broken { broken: Some(file), .. } => put(Item::Broken(file.clone())),
        Change::Broken { path, broken: None } => ops.push(Op::Remove(keys::broken(path))),
        Change::Forgotten {
            place,
            end,
            ended_at,
            attempts,
        } => {
            ops.push(Op::Remove(keys::ended_at(*ended_at, &place.delivery)));
            forgotten(place, end, *attempts, ops);
        }
    }
}

fn threaded(endpoint: &EndpointId, incident: &IncidentId) -> Item {
    Item::Threaded {
        endpoint: endpoint.clone(),
        incident: incident.clone(),
    }
}

fn judged(at: Position, judged: &Judged, ops: &mut Vec<Op>) {
    let accounts = judged.accounts.len() + judged.tells.iter().map(|tells| tells.new.len()).sum::<usize>();
    let whole = (accounts + judged.impact.len() <= WHOLE_JUDGED_ACCOUNTS).then(|| Box::new(judged.clone()));
    ops.push(put_of(Item::Judged(JudgedLine {
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
        ops.push(put_of(Item::Gathered {
            series: tells.series.clone(),
            part: tells.part,
            event: judged.event,
            judged: at,
        }));
        for account in &tells.new {
            let (series, account) = (tells.series.clone(), account.clone());
            ops.push(put_of(Item::Reached {
                series,
                account,
                part: tells.part,
            }));
        }
    }
}

fn scheduled(place: &LaneKey, attempts: u32, at: Time, expires: Time, ops: &mut Vec<Op>) {
    let delivery = place.delivery.clone();
    ops.push(put_of(Item::Standing(Standing {
        delivery: delivery.clone(),
        attempts,
        state: State::Scheduled { at, expires },
    })));
    ops.push(put_of(Item::Lane(place.clone())));
    ops.push(put_of(Item::Listed {
        state: StateWord::Scheduled,
        created: place.created,
        delivery,
    }));
}

fn ended(place: &LaneKey, attempts: u32, end: &End, at: Time, ops: &mut Vec<Op>) {
    let delivery = place.delivery.clone();
    ops.push(Op::Remove(keys::lane(place)));
    ops.push(Op::Remove(keys::listed(StateWord::Scheduled, place.created, &delivery)));
    ops.push(put_of(Item::Listed {
        state: end.word(),
        created: place.created,
        delivery: delivery.clone(),
    }));
    ops.push(put_of(Item::EndedAt {
        at,
        delivery: delivery.clone(),
    }));
    ops.push(put_of(Item::Standing(Standing {
        delivery,
        attempts,
        state: State::Ended { end: end.clone(), at },
    })));
}

fn forgotten(place: &LaneKey, end: &End, attempts: u32, ops: &mut Vec<Op>) {
    let id = &place.delivery;
    ops.push(Op::Remove(keys::delivery_key(id)));
    ops.push(Op::Remove(keys::delivery_of(&place.incident, id)));
    ops.push(Op::Remove(keys::standing_key(id)));
    ops.push(Op::Remove(keys::carries(id)));
    ops.push(Op::Remove(keys::listed(end.word(), place.created, id)));
    ops.extend((1..=attempts).map(|number| Op::Remove(keys::attempt_key(id, number))));
}

fn incident_forgotten(incident: &IncidentId, events: &[Position], series: &[SeriesId], ops: &mut Vec<Op>) {
    ops.push(Op::Remove(keys::incident_key(incident)));
    let lists = [
        keys::entries(incident),
        keys::hearings(incident),
        keys::follows(incident),
        keys::events_of(incident),
        keys::series_of(incident),
        keys::threads(incident),
    ];
    ops.extend(lists.into_iter().map(Op::RemoveUnder));
    for at in events {
        ops.extend([
            Op::Remove(keys::event(*at)),
            Op::Remove(keys::nothing(*at)),
            Op::RemoveUnder(keys::verdicts(*at)),
        ]);
    }
    for one in series {
        ops.extend([
            Op::Remove(keys::notification_key(one)),
            Op::RemoveUnder(keys::gathered_in(one)),
            Op::RemoveUnder(keys::reached_by(one)),
        ]);
    }
}
