//! A machine's clock that jumps, and long outages: nothing dies of them, and nothing is told twice.

use super::*;
use crate::delivery::{State, StateWord};
use crate::event::Kind;

const RULES: &str = "receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\n  late: [{ webhook: { url: \"{receivers}/good-late\" } }]\n  slow: [{ webhook: { url: \"{receivers}/slow\" } }]\n\
    rules:\n  - { name: All, when: { tracking id: \"DMG*\" }, notify: good }\n  - { name: Slow, when: { tracking id: \"*1\" }, notify: slow }\n\
    \u{20} - { name: Late, when: { tracking id: \"*7\" }, notify: late, settle: 1h }\n";

async fn place() -> Place {
    Place::with(&[("rules.yaml", RULES.to_owned())]).await
}

fn days(days: i64) -> chrono::Duration {
    chrono::Duration::days(days)
}

fn count(daemon: &Handle, state: StateWord) -> usize {
    daemon.ledger.view().listed(state, None, 1_000).expect("reads").len()
}

/// When the one delivery that waits is tried next.
fn again(daemon: &Handle) -> Time {
    let view = daemon.ledger.view();
    let waiting = view.listed(StateWord::Scheduled, None, 10).expect("reads");
    let (_, _, standing) = view.delivery(&waiting[0].1).expect("reads").expect("is known");
    match standing.state {
        State::Scheduled { at, .. } => at,
        State::Ended { .. } => panic!("{standing:?}"),
    }
}

async fn verbose(daemon: &Handle) -> serde_json::Value {
    let answer = reqwest::get(format!("http://{}/readyz?verbose", daemon.addr)).await;
    serde_json::from_str(&answer.expect("an answer").text().await.expect("text")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_of_days_forward_lets_nothing_die_and_is_told() {
    let mut place = place().await;
    place.settings.retention.deliveries_seconds = Some(86_400);
    place.settings.retention.events_seconds = Some(86_400);
    let daemon = place.start().await.expect("starts");
    // one is delivered, and waits for a receiver that is down; one gathers
    daemon.hear(vec![update(1, begin())]).await;
    place.pass(&daemon, 10).await;
    daemon.hear(vec![update(7, begin())]).await;
    place.pass(&daemon, 10).await;
    assert_eq!(
        (
            count(&daemon, StateWord::Delivered),
            count(&daemon, StateWord::Scheduled)
        ),
        (2, 1)
    );
    place.clock.jump(days(100));
    place.pass(&daemon, 1).await;
    assert_eq!(count(&daemon, StateWord::Dead), 0);
    assert_eq!(count(&daemon, StateWord::Scheduled), 1, "it was tried, and lives on");
    assert_eq!(
        count(&daemon, StateWord::Delivered),
        3,
        "what gathered is told, not dead"
    );
    let events = daemon.ledger.view().events(None, 100).expect("reads");
    assert!(
        events.iter().any(|line| line.kind == Kind::ClockJumped),
        "the operator is told"
    );
    let said = verbose(&daemon).await;
    assert!(said["nothing_expires_until"].is_string(), "{said}");
    // the hold outlives a restart
    daemon.stop().await.expect("stops");
    let daemon = place.start().await.expect("starts");
    place.pass(&daemon, 60).await;
    assert!(verbose(&daemon).await["nothing_expires_until"].is_string());
    // housekeeping comes in the middle of it, and deletes nothing
    daemon.ledger.notice(crate::record::Deadline::Retention);
    place.pass(&daemon, 60).await;
    assert_eq!(
        (count(&daemon, StateWord::Delivered), count(&daemon, StateWord::Dead)),
        (3, 0)
    );
    // the clock is right after all: an hour later everything is as ever
    place.pass(&daemon, 3_600).await;
    assert!(verbose(&daemon).await["nothing_expires_until"].is_null());
    daemon.ledger.notice(crate::record::Deadline::Retention);
    place.pass(&daemon, 10).await;
    assert_eq!(
        count(&daemon, StateWord::Delivered),
        1,
        "what was delivered within the day is kept"
    );
    place.pass(&daemon, 2 * 86_400).await;
    daemon.ledger.notice(crate::record::Deadline::Retention);
    place.pass(&daemon, 10).await;
    assert_eq!(count(&daemon, StateWord::Delivered), 0, "and then it goes");
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_for_eight_seconds_kills_nothing() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    daemon.hear(vec![update(1, begin()), update(7, begin())]).await;
    place.pass(&daemon, 10).await;
    place.clock.jump(days(4));
    place.pass(&daemon, 8).await;
    place.clock.jump(days(-4));
    place.pass(&daemon, 8).await;
    place.pass(&daemon, 3 * 3_600).await;
    assert_eq!(count(&daemon, StateWord::Dead), 0);
    assert_eq!(
        (
            count(&daemon, StateWord::Delivered),
            count(&daemon, StateWord::Scheduled)
        ),
        (3, 1)
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_jump_back_a_retry_comes_when_it_was_to_come_also_after_a_restart() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    daemon.hear(vec![update(1, begin())]).await;
    place.pass(&daemon, 10).await;
    place.receivers.take();
    let wait = again(&daemon) - (begin() + chrono::Duration::seconds(10));
    assert!(wait.num_seconds() < 60, "{wait}");
    place.clock.jump(days(-1));
    place.pass(&daemon, wait.num_seconds() + 1).await;
    assert_eq!(
        place.receivers.take().len(),
        1,
        "the wall went back a day, and the retry came"
    );
    let wait = again(&daemon) - (place.clock_now() + days(1));
    daemon.stop().await.expect("stops");
    // the clock starts anew where the wall is: a day behind what is on record
    let mut place = place;
    place.clock = ByHand::at(place.clock_now());
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    assert_eq!(place.receivers.take(), [], "nothing is tried sooner");
    place.pass(&daemon, wait.num_seconds() + 1).await;
    assert_eq!(place.receivers.take().len(), 1);
    assert_eq!(verbose(&daemon).await["clock_behind_seconds"], 86_400);
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_outage_what_waited_is_tried_once_before_it_may_expire() {
    let mut place = place().await;
    let daemon = place.start().await.expect("starts");
    daemon.hear(vec![update(1, begin())]).await;
    place.pass(&daemon, 10).await;
    daemon.hear(vec![update(7, begin())]).await;
    daemon.settled().await;
    place.receivers.take();
    daemon.stop().await.expect("stops");
    let after = place.clock_now() + days(30);
    place.clock = ByHand::at(after);
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    place.pass(&daemon, 20).await;
    let paths: Vec<String> = place.receivers.take().into_iter().map(|got| got.path).collect();
    assert_eq!(
        paths.iter().filter(|path| *path == "/slow").count(),
        1,
        "once: {paths:?}"
    );
    assert_eq!(
        paths.iter().filter(|path| *path == "/good-late").count(),
        1,
        "what gathered is told late: {paths:?}"
    );
    assert_eq!(
        count(&daemon, StateWord::Dead),
        1,
        "what could not be delivered then has outlived its life"
    );
    let events = daemon.ledger.view().events(None, 100).expect("reads");
    assert!(
        !events.iter().any(|line| line.kind == Kind::ClockJumped),
        "an outage is no jump"
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_daemon_notes_every_hour_that_it_runs() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    let last = || {
        daemon
            .ledger
            .journal()
            .tail(1)
            .last()
            .expect("a record")
            .expect("reads")
            .0
    };
    let before = last();
    place.pass(&daemon, 3_599).await;
    assert_eq!(last(), before);
    place.pass(&daemon, 1).await;
    assert_eq!(last(), before + 1);
    place.pass(&daemon, 3_599).await;
    assert_eq!(last(), before + 1);
    daemon.stop().await.expect("stops");
}
