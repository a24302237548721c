//! What cannot be decided is set aside: it ends neither the daemon nor anybody else's news.

use super::*;
use crate::incident::IncidentId;
use crate::journal::{self, Journal, Position};
use crate::ledger::trap::{self, Trap};
use crate::record::{Command, Deadline, Record, Undecided};
use crate::store::item::SetAsideLine;

const RULES: &str = "receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\n  slow: [{ webhook: { url: \"{receivers}/slow\" } }]\n\
    rules:\n  - { name: All, when: {}, notify: good }\n  - { name: Ours, when: { kind: set-aside }, notify: good }\n";

async fn place() -> Place {
    Place::with(&[("rules.yaml", RULES.to_owned())]).await
}

/// An update of the incident with this tracking id.
fn about(tracking_id: &str, published: Time) -> Event {
    Event {
        tracking_id: tracking_id.to_owned(),
        title: format!("Trouble {tracking_id}"),
        ..update(published.timestamp().unsigned_abs(), published)
    }
}

fn listed(daemon: &Handle) -> Vec<SetAsideLine> {
    daemon.ledger.view().set_aside(None, 100).expect("reads")
}

/// The tracking ids that were told, in order.
fn told(place: &Place) -> Vec<String> {
    let got = place.receivers.take().into_iter();
    got.map(|got| {
        let body: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
        body["tracking_id"].as_str().expect("text").to_owned()
    })
    .collect()
}

/// The delivery about an incident.
fn delivery_about(daemon: &Handle, tracking_id: &str) -> String {
    let view = daemon.ledger.view();
    let id = IncidentId::of(&about(tracking_id, begin()));
    let found = view.deliveries_about(&id).next();
    found.expect("there is one").expect("reads").delivery.id
}

/// How often the operator was told that something is set aside.
fn said(daemon: &Handle) -> usize {
    let events = daemon.ledger.view().events(None, 1_000).expect("reads");
    events.iter().filter(|line| line.kind == Kind::SetAside).count()
}

async fn retry(daemon: &Handle, at: Position) {
    daemon
        .ledger
        .command("operator", Command::Retry { at })
        .await
        .expect("is recorded");
    daemon.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_decision_panics_is_set_aside_and_told_when_it_is_decided_again() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    trap::set("POISON-A", Trap::Panic);
    let events = ["POISON-A", "FINE-1", "POISON-A", "FINE-2"].into_iter().zip(0..);
    let events = events.map(|(id, minute)| about(id, begin() + chrono::Duration::minutes(minute)));
    daemon.hear(events.collect()).await;
    daemon.settled().await;
    place.pass(&daemon, 10).await;
    let mut got = told(&place);
    got.sort();
    assert_eq!(
        got,
        ["FINE-1", "FINE-2", &own_of(&daemon)],
        "everybody else is told, and so is the operator"
    );
    let lines = listed(&daemon);
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line.set_aside.why.contains("a trap was set")),
        "{lines:?}"
    );
    assert_eq!(said(&daemon), 1, "one reason is told once in an hour");
    let after = place.clock_now() + chrono::Duration::minutes(59);
    daemon.hear(vec![about("POISON-A", after)]).await;
    place.pass(&daemon, 59 * 60).await;
    assert_eq!(said(&daemon), 1);
    daemon
        .hear(vec![about("POISON-A", after + chrono::Duration::minutes(9))])
        .await;
    place.pass(&daemon, 120).await;
    daemon
        .hear(vec![about("POISON-A", after + chrono::Duration::minutes(10))])
        .await;
    daemon.settled().await;
    assert_eq!(said(&daemon), 2, "an hour later it is told again");
    place.pass(&daemon, 10).await;
    place.receivers.take();
    let latest = listed(&daemon)[0].at;
    retry(&daemon, latest).await;
    assert_eq!(
        listed(&daemon).iter().filter(|line| line.at == latest).count(),
        1,
        "it is still poison"
    );
    trap::remove("POISON-A");
    retry(&daemon, latest).await;
    place.pass(&daemon, 10).await;
    assert_eq!(told(&place), ["POISON-A"]);
    assert!(listed(&daemon).iter().all(|line| line.at != latest));
    daemon.stop().await.expect("stops");
}

/// The tracking id of the event of our own that says so.
fn own_of(daemon: &Handle) -> String {
    let events = daemon.ledger.view().events(None, 1_000).expect("reads");
    let own = events.iter().find(|line| line.kind == Kind::SetAside);
    own.expect("it is told").tracking_id.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_again_after_newer_news_is_told_only_to_those_who_want_every_message() {
    let rules = RULES.replace(
        "rules:\n",
        "rules:\n  - { name: Every, when: {}, notify: all, every: true }\n",
    );
    let rules = rules.replace(
        "rules:",
        "  all: [{ webhook: { url: \"{receivers}/good-every\" } }]\nrules:",
    );
    let place = Place::with(&[("rules.yaml", rules)]).await;
    let daemon = place.start().await.expect("starts");
    trap::set("POISON-B", Trap::Panic);
    daemon.hear(vec![about("POISON-B", begin())]).await;
    daemon.settled().await;
    trap::remove("POISON-B");
    // later in time, but not in the provider's order: it counts as newer all the same
    daemon
        .hear(vec![about("POISON-B", begin() - chrono::Duration::minutes(5))])
        .await;
    daemon.settled().await;
    place.pass(&daemon, 10).await;
    place.receivers.take();
    let at = listed(&daemon)[0].at;
    let (status, answer) = post(&daemon, &format!("/v1/set-aside/{at}/retry")).await;
    assert_eq!(status, 202);
    assert!(answer.contains("`every: true`"), "{answer}");
    daemon.settled().await;
    place.pass(&daemon, 10).await;
    let paths: Vec<String> = place.receivers.take().into_iter().map(|got| got.path).collect();
    assert_eq!(paths, ["/good-every"]);
    let (status, _) = post(&daemon, &format!("/v1/set-aside/{at}/retry")).await;
    assert_eq!(status, 404, "it is not set aside any more");
    daemon.stop().await.expect("stops");
}

async fn post(daemon: &Handle, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", daemon.addr);
    let answer = reqwest::Client::new().post(url).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_that_cannot_be_decided_stay_open_and_are_told_when_they_are_decided_again() {
    let mut place = place().await;
    let daemon = place.start().await.expect("starts");
    trap::set("due poison-c", Trap::Panic);
    daemon
        .hear(vec![about("POISON-C", begin()), about("FINE-3", begin())])
        .await;
    daemon.settled().await;
    place.pass(&daemon, 10).await;
    assert_eq!(told(&place)[0], "FINE-3");
    let lines = listed(&daemon);
    assert!(matches!(
        &lines[0].set_aside.what,
        Undecided::Deadline(Deadline::Notifications { .. })
    ));
    assert_eq!(lines[0].set_aside.open.len(), 1);
    place.pass(&daemon, 7_200).await;
    place.receivers.take();
    assert_eq!(listed(&daemon), lines, "it is not due again by itself");
    daemon.stop().await.expect("stops");
    for part in ["store", "checkpoints", "store.clean", "store.boot"] {
        let path = place.state().join(part);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    place.clock = ByHand::at(place.clock_now());
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    assert_eq!(listed(&daemon), lines, "the journal knows it");
    trap::remove("due poison-c");
    retry(&daemon, lines[0].at).await;
    daemon.settled().await;
    assert_eq!(told(&place), ["POISON-C"]);
    assert_eq!(listed(&daemon), []);
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_whose_end_cannot_be_decided_is_made_again_and_the_others_end() {
    let rules = RULES.replace("notify: good }", "notify: slow }");
    let place = Place::with(&[("rules.yaml", rules)]).await;
    let daemon = place.start().await.expect("starts");
    let ids: Vec<String> = ["POISON-D", "FINE-4", "FINE-5"].map(str::to_owned).to_vec();
    daemon.hear(ids.iter().map(|id| about(id, begin())).collect()).await;
    daemon.settled().await;
    let delivery = delivery_about(&daemon, "POISON-D");
    trap::set(&delivery, Trap::Panic);
    place.pass(&daemon, 10).await;
    assert_eq!(listed(&daemon), [], "the end of an attempt is never set aside");
    let again = |id: &str| {
        let (_, _, standing) = daemon.ledger.view().delivery(id).expect("reads").expect("is known");
        standing
    };
    let standing = again(&delivery);
    assert_eq!(standing.attempts, 1);
    let crate::delivery::State::Scheduled { at, .. } = standing.state else {
        panic!("{standing:?}");
    };
    assert_eq!(at, place.clock_now() + chrono::Duration::minutes(15));
    let other = delivery_about(&daemon, "FINE-5");
    assert_eq!(again(&other).attempts, 1, "the others ended as ever");
    trap::remove(&delivery);
    place.pass(&daemon, 900).await;
    assert!(again(&delivery).attempts >= 2);
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_fails_ends_the_daemon_once_and_an_error_of_the_disk_sets_nothing_aside() {
    let mut place = place().await;
    for (id, trap, ends) in [("POISON-E", Trap::Error, 1), ("POISON-F", Trap::Disk, 4)] {
        trap::set(id, trap);
        for _ in 0..ends {
            let daemon = place.start().await.expect("starts");
            let event = Box::new(about(id, begin()));
            let refused = daemon.ledger.record(vec![Input::Heard { event }], None).await;
            assert_eq!(
                refused,
                Err(crate::ledger::Refused::Stopped),
                "{id}: its sender sends it again"
            );
            assert!(daemon.stop().await.is_err());
            place.clock = ByHand::at(place.clock_now());
        }
        let daemon = place.start().await.expect("starts");
        if matches!(trap, Trap::Disk) {
            trap::remove(id);
        }
        daemon.hear(vec![about(id, begin())]).await;
        daemon.settled().await;
        let why: Vec<String> = listed(&daemon).into_iter().map(|line| line.set_aside.why).collect();
        match trap {
            Trap::Disk => assert_eq!(why, Vec::<String>::new(), "it says nothing about the event"),
            _ => assert!(why[0].contains("failed again with a store built anew"), "{why:?}"),
        }
        trap::remove(id);
        for line in listed(&daemon) {
            retry(&daemon, line.at).await;
        }
        place.pass(&daemon, 10).await;
        assert!(told(&place).contains(&id.to_owned()), "{id}");
        daemon.stop().await.expect("stops");
    }
}

/// Writes an event behind what the journal holds, as a process leaves it that dies before it is decided.
fn leave_undecided(place: &Place, event: Event) -> Position {
    let dir = place.state().join("journal");
    let options = journal::Options {
        segment_bytes: SEGMENT,
        ..journal::Options::default()
    };
    let (mut journal, _) = Journal::open(&dir, options).expect("a journal");
    let seq = journal.next();
    let recorded = Record::Recorded {
        at: place.clock_now(),
        inputs: vec![Input::Heard { event: Box::new(event) }],
    };
    journal.append(&[recorded.to_bytes()]).expect("writes");
    journal.sync().expect("syncs");
    for part in ["store.clean", "store.boot"] {
        let _ = std::fs::remove_file(place.state().join(part));
    }
    Position { seq, nth: 0 }
}

/// Notes that this input was being decided when the process died, as the process does.
fn die_deciding(place: &Place, event: &Event) {
    let published = event.published.to_rfc3339();
    let name = crate::notification::hash(&["event", "azure", &event.tracking_id, &event.title, &published]);
    let path = place.state().join("deciding");
    let note = std::fs::read_to_string(&path).expect("is there");
    let suspect = note
        .split_once('\n')
        .map(|(_, suspect)| suspect.to_owned())
        .unwrap_or_default();
    std::fs::write(path, format!("1 {name}\n{suspect}")).expect("writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_daemon_died_of_twice_is_set_aside_and_what_it_died_of_once_is_decided() {
    let mut place = place().await;
    for (id, deaths) in [("ONCE", 1), ("TWICE", 2)] {
        let daemon = place.start().await.expect("starts");
        daemon.stop().await.expect("stops");
        let event = about(id, place.clock_now());
        let at = leave_undecided(&place, event.clone());
        for death in 0..deaths {
            die_deciding(&place, &event);
            // a start that dies before it decides anything finds what the one before it noted
            if death + 1 < deaths {
                crate::ledger::note_of_deaths(place.state());
            }
        }
        place.clock = ByHand::at(place.clock_now());
        let daemon = place.start().await.expect("starts");
        daemon.settled().await;
        place.pass(&daemon, 10).await;
        let is_set_aside = listed(&daemon).iter().any(|line| line.at == at);
        assert_eq!((id, is_set_aside), (id, deaths == 2));
        assert_eq!(told(&place).contains(&id.to_owned()), deaths == 1, "{id}");
        daemon.stop().await.expect("stops");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_come_into_force_leave_the_former_ones_and_show_as_broken() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    let before = daemon.ledger.rules().revision.clone();
    trap::set("rules", Trap::Panic);
    let path = place.settings.rules.join("rules.yaml");
    let text = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(&path, text.replace("name: All", "name: Everything")).expect("writes");
    let _ = daemon.reload().await;
    daemon.settled().await;
    assert_eq!(daemon.ledger.rules().revision, before);
    let broken = daemon.ledger.view().broken().expect("reads");
    assert!(
        broken[0].report.contains("could not be brought into force"),
        "{broken:?}"
    );
    // the watch of the folder may have tried them, too
    let lines = listed(&daemon);
    assert!(
        lines.iter().all(|line| line.set_aside.what == Undecided::Rules),
        "{lines:?}"
    );
    let at = lines.first().expect("it is listed").at;
    let (status, answer) = post(&daemon, &format!("/v1/set-aside/{at}/retry")).await;
    assert!(status == 409 && answer.contains("reload"), "{answer}");
    daemon.hear(vec![about("FINE-6", begin())]).await;
    place.pass(&daemon, 10).await;
    assert!(told(&place).contains(&"FINE-6".to_owned()));
    trap::remove("rules");
    let _ = daemon.reload().await;
    daemon.settled().await;
    assert_ne!(daemon.ledger.rules().revision, before);
    assert_eq!(daemon.ledger.view().broken().expect("reads"), []);
    assert_eq!(listed(&daemon), []);
    daemon.stop().await.expect("stops");
}
