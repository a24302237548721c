//! Starts and stops: a stop that nobody holds up, a state directory with two daemons, a journal that is deleted under a
//! running one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;
use crate::config::Smtp;

const RULES: &str = "receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\n\
    rules:\n  - { name: All, when: {}, notify: good, settle: 0s }\n";

/// Longer than it takes until a missing file is noticed, and less than the minute that it may take.
const NOTICED_WITHIN: Duration = Duration::from_secs(45);

async fn place() -> Place {
    Place::with(&[("rules.yaml", RULES.to_owned())]).await
}

/// The addresses of receivers that take connections and never say a word.
async fn silent() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    addr
}

/// Begins to post and says no more.
async fn slow_sender(daemon: &Handle) -> TcpStream {
    let mut stream = TcpStream::connect(daemon.addr).await.expect("connects");
    let begun = b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(begun).await.expect("is sent");
    stream
}

/// Whether the doors say that they are ready.
async fn ready(daemon: &Handle) -> u16 {
    let url = format!("http://{}/readyz", daemon.addr);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(url).send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_once_for_senders_relays_and_receivers_together() {
    let (relay, receiver) = (silent().await, silent().await);
    let rules = format!(
        "receivers:\n  hook: [{{ webhook: {{ url: \"http://{receiver}/\" }} }}]\n  mail: [{{ email: ops@contoso.example }}]\n\
         rules:\n  - {{ name: All, when: {{}}, notify: [hook, mail], settle: 0s }}\n"
    );
    let mut place = Place::with(&[("rules.yaml", rules)]).await;
    place.settings.smtp = Some(Smtp {
        url: format!("smtp://{relay}?tls=none").parse().expect("a URL"),
        user: None,
        password: None,
        hello: None,
    });
    let daemon = place.start().await.expect("starts");
    daemon.hear(vec![update(1, begin())]).await;
    while daemon.attempts.len() < 2 {
        tokio::task::yield_now().await;
    }
    let _sender = slow_sender(&daemon).await;
    let began = Instant::now();
    daemon
        .stop_within(Duration::from_secs(4), CLOSING_WAITS)
        .await
        .expect("stops");
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(7_500),
        "it waited for one after the other: {took:?}"
    );
    assert!(took > Duration::from_secs(3), "nobody was waited for: {took:?}");
    // what was broken off is tried again
    let daemon = place.start().await.expect("starts");
    while daemon.attempts.len() < 2 {
        tokio::task::yield_now().await;
    }
    daemon.stop_within(Duration::ZERO, CLOSING_WAITS).await.expect("stops");
}

#[test]
fn the_limits_of_a_stop_add_up_to_less_than_forty_seconds() {
    assert!(UNDER_WAY_WAITS + CLOSING_WAITS + Duration::from_secs(2) < Duration::from_secs(40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_daemons_on_one_state_directory_the_second_says_who_holds_it() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    let error = format!("{:#}", place.start().await.err().expect("is held"));
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    daemon.hear(vec![update(1, begin())]).await;
    daemon.settled().await;
    assert_eq!(place.receivers.take().len(), 1, "the first one goes on");
    daemon.stop().await.expect("stops");
    place.start().await.expect("starts").stop().await.expect("stops");
}

/// The end of a daemon that has failed, or is about to, as far as a process would not end with it.
async fn ends(daemon: Handle) {
    let began = Instant::now();
    while !daemon.has_failed() {
        assert!(began.elapsed() < NOTICED_WITHIN, "it does not end");
        tokio::task::yield_now().await;
    }
    daemon.stop().await.expect_err("it has failed");
}

/// Deletes what `delete` says of the journal under a running daemon: it ends, and the next one still knows what had been
/// decided, and does not tell it again.
async fn without(delete: impl FnOnce(&Path)) {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    // enough for some segments
    for nth in 0..60 {
        daemon.hear(vec![update(nth, begin())]).await;
    }
    daemon.settled().await;
    assert_eq!(place.receivers.take().len(), 60);
    assert_eq!(ready(&daemon).await, 200);
    assert_eq!(daemon.ledger.view().incidents().expect("reads").len(), 60);
    delete(&place.state().join("journal"));
    let began = Instant::now();
    while ready(&daemon).await == 200 {
        assert!(began.elapsed() < NOTICED_WITHIN, "it is not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let event = Box::new(update(100, begin()));
    let refused = daemon.ledger.record(vec![Input::Heard { event }], None).await;
    assert_eq!(refused, Err(ledger::Refused::Stopped));
    ends(daemon).await;
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    let known = daemon.ledger.view().incidents().expect("reads").into_iter();
    let told_of = known.filter(|incident| incident.id.provider == Provider::Azure);
    assert_eq!(told_of.count(), 60);
    daemon.hear(vec![update(200, begin())]).await;
    daemon.settled().await;
    let told: Vec<String> = place.receivers.take().into_iter().map(|got| got.path).collect();
    assert!(
        told.len() <= 2,
        "only what is new, and that something is lost: {told:?}"
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_removed_under_the_daemon_is_noticed_and_what_was_decided_is_kept() {
    without(|journal| std::fs::remove_dir_all(journal).expect("is removed")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_moved_away_is_noticed() {
    without(|journal| std::fs::rename(journal, journal.with_extension("away")).expect("is moved")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_file_of_the_journal_that_is_removed_is_noticed() {
    without(|journal| {
        let mut files = files_below(journal).into_iter();
        let closed = files.find(|path| path.extension().is_some_and(|ends| ends == "packed"));
        std::fs::remove_file(closed.expect("a closed segment")).expect("is removed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_not_accepted_into_a_file_that_was_deleted() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    for path in files_below(&place.state().join("journal")) {
        std::fs::remove_file(path).expect("is removed");
    }
    let event = Box::new(update(1, begin()));
    let refused = daemon.ledger.record(vec![Input::Heard { event }], None).await;
    assert_eq!(
        refused,
        Err(ledger::Refused::Stopped),
        "at once, not when somebody looks"
    );
    while !daemon.has_failed() {
        tokio::task::yield_now().await; // who waited is let go a moment before
    }
}
