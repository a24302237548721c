use super::*;
use crate::delivery::{Standing, State, TEST_RULE};
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{Channel, Form, SeriesId};
use crate::rule::set::RULE_FILES;

fn minute(minute: i64) -> Time {
    let begin: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
    begin + chrono::Duration::minutes(minute)
}

fn retry(why: &str) -> Outcome {
    Outcome::Retry {
        why: why.to_owned(),
        after_seconds: None,
    }
}

fn refused() -> Outcome {
    Outcome::Refused {
        why: "404 Not Found".to_owned(),
    }
}

/// What becomes of endpoints, as the store would remember it.
#[derive(Default)]
struct World {
    failing: BTreeMap<EndpointId, Failing>,
    told: BTreeMap<CustomerId, Time>,
    /// What was raised: whose, the kind, the tracking id.
    raised: Vec<(String, Kind, String)>,
    /// How many changes there were.
    noted: usize,
}

impl World {
    /// Attempts at these (customer, receiver, channel) that ended so, decided together.
    fn end(&mut self, at: i64, attempts: &[(&str, &str, Channel, Outcome)]) {
        self.end_as(at, attempts, "a rule");
    }

    fn end_as(&mut self, at: i64, attempts: &[(&str, &str, Channel, Outcome)], rule: &str) {
        let now = minute(at);
        let ended: Vec<_> = attempts
            .iter()
            .map(|(customer, receiver, channel, outcome)| {
                let delivery = delivery(customer, receiver, *channel, rule);
                let attempt = Attempt {
                    delivery: delivery.id.clone(),
                    number: 1,
                    started: now,
                    ended: now,
                    outcome: outcome.clone(),
                    digest: String::new(),
                };
                (attempt, self.lane(delivery, now))
            })
            .collect();
        for change in changes(&ended, now) {
            self.noted += 1;
            match change {
                Change::EndpointFails(failing) => {
                    if failing.told == Some(now) {
                        self.told.insert(failing.customer.clone(), now);
                    }
                    self.failing.insert(failing.endpoint.clone(), *failing);
                }
                Change::EndpointWorks { endpoint, .. } => {
                    assert!(
                        self.failing.remove(&endpoint).is_some(),
                        "it is noted only where it failed"
                    );
                }
                Change::Raised { event } => {
                    let owner = event.source.expect("whose");
                    self.raised.push((owner, event.kind, event.tracking_id));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn lane(&self, delivery: Delivery, now: Time) -> Lane {
        let standing = Standing {
            delivery: delivery.id.clone(),
            attempts: 0,
            state: State::Scheduled {
                at: now,
                expires: now + chrono::Duration::days(3),
            },
        };
        Lane {
            is_fault_told: false,
            health: Health {
                failing: self.failing.get(&delivery.endpoint).cloned(),
                told: self.told.get(&delivery.customer).copied(),
            },
            delivery: Some((delivery, standing)),
            behind: Vec::new(),
            carried: Vec::new(),
            hold: None,
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        self.raised.iter().map(|(_, kind, _)| *kind).collect()
    }
}

fn delivery(customer: &str, receiver: &str, channel: Channel, rule: &str) -> Delivery {
    Delivery {
        id: format!("dlv_{customer}_{receiver}"),
        customer: CustomerId::new(customer),
        receiver: receiver.to_owned(),
        endpoint: EndpointId(format!("{customer}/{receiver}")),
        channel,
        form: Form::Message,
        incident: IncidentId::new(Provider::Azure, "VVTQ-J98"),
        tracking_id: "VVTQ-J98".to_owned(),
        rules: vec![rule.to_owned()],
        series: SeriesId("a series".to_owned()),
        part: 0,
        event: Position { seq: 1, nth: 0 },
        published: minute(0),
        title: "title".to_owned(),
        kind: Kind::Update,
        created: minute(0),
        every: false,
    }
}

#[test]
fn a_receiver_that_fails_for_long_is_one_event_and_one_more_when_it_is_back() {
    let mut world = World::default();
    let fails = |outcome: &str| [("contoso", "hook", Channel::Webhook, retry(outcome))];
    for at in 0..15 {
        world.end(at, &fails("503"));
    }
    assert!(world.raised.is_empty(), "a short trouble goes by itself");
    assert_eq!(world.noted, 1, "an attempt is not noted by itself");
    for at in 15..(72 * 60) {
        world.end(at, &fails("503"));
    }
    assert_eq!(world.kinds(), [Kind::ReceiverFailing]);
    assert!(world.noted < 80, "noted once an hour: {}", world.noted);
    let failing = world.failing.values().next().expect("it fails");
    assert_eq!((failing.since, failing.told), (minute(0), Some(minute(15))));
    world.end(72 * 60, &[("contoso", "hook", Channel::Webhook, Outcome::Delivered)]);
    assert_eq!(world.kinds(), [Kind::ReceiverFailing, Kind::ReceiverBack]);
    assert_eq!(world.raised[0].2, world.raised[1].2, "both are of one trouble");
    assert!(world.failing.is_empty());
}

#[test]
fn a_short_trouble_is_told_neither_when_it_begins_nor_when_it_is_over() {
    let mut world = World::default();
    for at in 0..10 {
        world.end(at * 20, &[("contoso", "hook", Channel::Webhook, retry("503"))]);
        world.end(
            at * 20 + 5,
            &[("contoso", "hook", Channel::Webhook, Outcome::Delivered)],
        );
    }
    assert!(world.raised.is_empty(), "{:?}", world.raised);
}

#[test]
fn what_is_refused_for_good_is_told_at_once_as_somebody_does_not_hear_of_it() {
    for outcome in [refused(), Outcome::Gone { why: "410".to_owned() }] {
        for channel in [Channel::Webhook, Channel::Email, Channel::Slack, Channel::Teams] {
            let mut world = World::default();
            world.end(0, &[("contoso", "hook", channel, outcome.clone())]);
            assert_eq!(world.kinds(), [Kind::ReceiverFailing], "{channel:?} {outcome:?}");
        }
    }
}

#[test]
fn a_mailbox_may_be_slow_for_hours_and_a_customer_is_told_of_one_receiver_an_hour() {
    let mut world = World::default();
    let names: Vec<String> = (0..50).map(|nth| format!("mailbox {nth}")).collect();
    let down: Vec<_> = names
        .iter()
        .map(|name| ("contoso", &**name, Channel::Email, retry("the relay does not answer")))
        .collect();
    for at in 0..4 * 60 {
        world.end(at, &down);
    }
    assert!(world.raised.is_empty(), "{:?}", world.raised);
    world.end(4 * 60, &down);
    world.end(4 * 60 + 30, &down);
    assert_eq!(world.kinds(), [Kind::ReceiverFailing]);
    world.end(5 * 60, &down);
    assert_eq!(world.kinds().len(), 2);
    let mut seen: Vec<_> = world.raised.iter().map(|(_, _, tracking_id)| tracking_id).collect();
    seen.dedup();
    assert_eq!(seen.len(), 2, "each time another one");
}

#[test]
fn customers_are_told_apart() {
    let mut world = World::default();
    world.end(
        0,
        &[
            ("contoso", "hook", Channel::Webhook, refused()),
            ("fabrikam", "hook", Channel::Webhook, refused()),
            ("contoso", "other", Channel::Webhook, refused()),
        ],
    );
    let mut owners: Vec<_> = world.raised.iter().map(|(owner, ..)| &**owner).collect();
    owners.sort_unstable();
    assert_eq!(owners, ["contoso", "fabrikam"]);
    assert_eq!(world.failing.len(), 3, "all of them are remembered");
}

#[test]
fn attempts_that_end_together_count_in_their_order() {
    let hook = |outcome| ("contoso", "hook", Channel::Webhook, outcome);
    let mut world = World::default();
    world.end(0, &[hook(retry("503")), hook(retry("503")), hook(Outcome::Delivered)]);
    assert!(
        world.failing.is_empty() && world.noted == 0,
        "it never failed as far as anybody knows"
    );
    world.end(1, &[hook(Outcome::Delivered), hook(retry("503")), hook(retry("504"))]);
    assert_eq!((world.failing.len(), world.noted), (1, 1));
    world.end(20, &[hook(Outcome::Delivered), hook(retry("503"))]);
    let failing = world.failing.values().next().expect("it fails");
    assert_eq!(failing.since, minute(20), "it had worked in between");
}

#[test]
fn of_a_contact_that_fails_the_operator_is_told_and_of_the_operators_own_nobody_can_be() {
    for (customer, owner) in [("contoso", Some(OPERATOR)), (OPERATOR, None), (ORGANISATION, None)] {
        let mut world = World::default();
        world.end_as(0, &[(customer, CONTACT, Channel::Email, refused())], RULE_FILES);
        let owners: Vec<_> = world.raised.iter().map(|(owner, ..)| &**owner).collect();
        assert_eq!(owners, Vec::from_iter(owner), "{customer}");
        assert_eq!(world.failing.len(), 1, "it is remembered and shown anyway");
    }
}

#[test]
fn a_test_that_fails_is_seen_by_who_asked_for_it_and_told_to_nobody_else() {
    let mut world = World::default();
    world.end_as(0, &[("contoso", "hook", Channel::Webhook, refused())], TEST_RULE);
    assert!(world.raised.is_empty());
    assert_eq!(world.failing.len(), 1);
    world.end(1, &[("contoso", "hook", Channel::Webhook, retry("503"))]);
    assert_eq!(world.kinds(), [Kind::ReceiverFailing], "the next real one is told");
}

#[test]
fn other_words_of_a_receiver_are_noted_once_a_minute_at_most() {
    let mut world = World::default();
    for second in 0..600 {
        let why = format!("answer {second}");
        let at = minute(0) + chrono::Duration::seconds(second);
        let delivery = delivery("contoso", "hook", Channel::Webhook, "a rule");
        let attempt = Attempt {
            delivery: delivery.id.clone(),
            number: 1,
            started: at,
            ended: at,
            outcome: retry(&why),
            digest: String::new(),
        };
        let lane = world.lane(delivery, at);
        for change in changes(&[(attempt, lane)], at) {
            let Change::EndpointFails(failing) = change else {
                panic!("{change:?}")
            };
            world.failing.insert(failing.endpoint.clone(), *failing);
            world.noted += 1;
        }
    }
    assert_eq!(world.noted, 10);
}
