//! What a body can make of itself is counted before it is made: peak memory and processor time of hostile bodies, each
//! in a daemon of its own.

mod bodies;

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::process::{Process, serve};

/// The most memory that a live body may take above that of an idle daemon, bytes.
const LIVE_PEAK_MOST: u64 = 64 << 20;

/// The most memory that a back-fill may take above that of an idle daemon, bytes.
const HISTORY_PEAK_MOST: u64 = 256 << 20;

/// The most memory that all bodies together may take above that of an idle daemon, bytes.
const ALL_PEAK_MOST: u64 = 384 << 20;

/// The most processor time that a body may take in a build that is not optimised; an optimised one takes a tenth of it.
const PROCESSOR_MOST: Duration = Duration::from_secs(5);

/// A daemon with nothing to tell anybody.
struct Idle {
    process: Process,
    client: reqwest::Client,
    rss: u64,
    _dir: tempfile::TempDir,
}

/// What a body cost.
#[derive(Debug)]
struct Cost {
    status: u16,
    answer: String,
    peak: u64,
    processor: Duration,
}

impl Idle {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (state, rules) = (dir.path().join("state"), dir.path().join("rules"));
        std::fs::create_dir_all(rules.join("contoso")).expect("a folder");
        let text = "receivers: { ops: [{ email: ops@contoso.example }] }\n\
            rules:\n  - { name: Billing, when: { event type: Billing }, notify: ops }\n";
        std::fs::write(rules.join("contoso/rules.yaml"), text).expect("a file");
        let process = Process::start(&serve(&state, &rules));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(300));
        let mut idle = Self {
            process,
            client: client.build().expect("a client"),
            rss: 0,
            _dir: dir,
        };
        let (status, _) = idle.post("", bodies::webhook("Active", "T", "text")).await;
        assert_eq!(status, 202);
        idle.rss = idle.memory("VmRSS");
        std::fs::write(format!("/proc/{}/clear_refs", idle.process.pid()), "5").expect("resets the peak");
        idle
    }

    async fn post(&self, query: &str, body: String) -> (u16, String) {
        let url = format!("{}/v1/events{query}", self.process.url);
        let answer = self.client.post(url).body(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("text"))
    }

    /// A line of `/proc/<pid>/status`, bytes.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        let kib: String = line.chars().filter(char::is_ascii_digit).collect();
        kib.parse::<u64>().expect("a number") * 1024
    }

    /// How much more memory it took, at most, than when it was idle, bytes.
    fn peak(&self) -> u64 {
        self.memory("VmHWM").saturating_sub(self.rss)
    }

    /// The processor time it took so far; the kernel counts hundredths of a second.
    fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid())).expect("a process");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = fields.split_whitespace().skip(11).take(2);
        Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().expect("a number") * 10).sum())
    }

    async fn connect(&self) -> TcpStream {
        let address = self.process.url.trim_start_matches("http://").trim_end_matches('/');
        TcpStream::connect(address).await.expect("connects")
    }

    /// The processor time it took when it takes no more.
    async fn at_rest(&self) -> Duration {
        let mut taken = self.processor();
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.processor();
            // housekeeping takes a little
            if now - taken <= Duration::from_millis(20) {
                return now;
            }
            taken = now;
        }
    }

    async fn cost_of(&self, query: &str, body: String) -> Cost {
        let before = self.processor();
        let bytes = body.len();
        let began = Instant::now();
        let (status, answer) = self.post(query, body).await;
        let cost = Cost {
            status,
            answer,
            peak: self.peak(),
            processor: self.processor() - before,
        };
        eprintln!(
            "{bytes} bytes: {status}, {} MiB, processor {:?}, answered after {:?}: {}",
            cost.peak >> 20,
            cost.processor,
            began.elapsed(),
            cost.answer.chars().take(300).collect::<String>()
        );
        cost
    }
}

/// A live body takes no more memory and time than it may, whatever it is answered.
async fn stays_small(body: String) -> Cost {
    assert!(body.len() <= bodies::LIVE_BYTES, "{} bytes", body.len());
    let cost = Idle::start().await.cost_of("", body).await;
    assert!(cost.peak <= LIVE_PEAK_MOST, "{} MiB", cost.peak >> 20);
    assert!(cost.processor <= PROCESSOR_MOST, "{:?}", cost.processor);
    cost
}

/// The same, of one that is accepted.
async fn is_taken(body: String) {
    let cost = stays_small(body).await;
    assert!(matches!(cost.status, 200 | 202), "{}: {}", cost.status, cost.answer);
}

/// The same, of one that is too much and is told which limit that is.
async fn is_too_much(body: String, limit: &str) {
    let cost = stays_small(body).await;
    assert_eq!(cost.status, 413, "{}", cost.answer);
    assert!(cost.answer.contains(limit), "{}", cost.answer);
}

#[tokio::test]
async fn subscriptions_times_updates_are_counted_before_they_are_made() {
    is_too_much(bodies::subscriptions_by_updates(6_000, 8_000), "at most 64 MiB").await;
}

#[tokio::test]
async fn a_few_hundred_subscriptions_and_updates_are_taken() {
    is_taken(bodies::subscriptions_by_updates(400, 200)).await;
}

#[tokio::test]
async fn lists_of_empty_lists_are_soon_read() {
    is_taken(bodies::empty_lists(180_000)).await;
}

#[tokio::test]
async fn lists_in_lists_are_soon_read() {
    stays_small(bodies::deep_and_wide()).await;
}

#[tokio::test]
async fn a_paragraph_of_links_is_read_once() {
    is_taken(bodies::links_in_one_paragraph(4_600)).await;
}

#[tokio::test]
async fn one_service_in_thousands_of_regions_is_taken() {
    is_taken(bodies::regions(9_000)).await;
}

#[tokio::test]
async fn a_long_name_is_counted_for_every_region() {
    is_too_much(bodies::long_service_name(), "8 MiB").await;
}

#[tokio::test]
async fn a_long_title_is_not_kept_for_every_update() {
    is_taken(bodies::long_title()).await;
}

#[tokio::test]
async fn members_of_an_item_are_looked_up_once_for_all_updates() {
    is_taken(bodies::many_members()).await;
}

#[tokio::test]
async fn tags_are_a_set() {
    is_taken(bodies::tags()).await;
}

#[tokio::test]
async fn many_small_events_take_their_time_and_no_more() {
    is_taken(bodies::small_events(5_000)).await;
}

#[tokio::test]
async fn more_events_than_a_body_may_hold_are_refused() {
    is_too_much(bodies::small_events(5_001), "at most 5000").await;
}

#[tokio::test]
async fn what_is_ignored_is_counted_and_the_first_of_it_named() {
    is_taken(bodies::many_ignored()).await;
}

#[tokio::test]
async fn names_with_entities_are_soon_read() {
    stays_small(bodies::entities()).await;
}

#[tokio::test]
async fn formatting_that_is_opened_again_in_every_paragraph_is_shown_as_text() {
    is_taken(bodies::reopened_formatting(5)).await;
}

#[tokio::test]
async fn formatting_that_only_seems_to_be_closed_is_shown_as_text() {
    is_taken(bodies::hidden_formatting()).await;
}

#[tokio::test]
async fn attributes_that_nobody_is_shown_are_not_compared() {
    is_taken(bodies::attributes()).await;
}

#[tokio::test]
async fn depth_that_only_seems_to_be_closed_is_shown_as_text() {
    is_taken(bodies::hidden_depth()).await;
}

#[tokio::test]
async fn invitations_full_of_dates_are_soon_read() {
    is_taken(bodies::dates()).await;
}

#[tokio::test]
async fn texts_that_nearly_say_something_are_soon_read() {
    is_taken(bodies::nearly_found()).await;
}

#[tokio::test]
async fn texts_that_grow_by_markup_stay_small() {
    is_taken(bodies::quotes()).await;
}

#[tokio::test]
async fn regions_that_list_the_same_subscriptions_are_taken() {
    let idle = Idle::start().await;
    let cost = idle.cost_of("", bodies::same_subscriptions(14, 2_000)).await;
    assert_eq!(cost.status, 202, "{}", cost.answer);
    assert!(cost.peak <= LIVE_PEAK_MOST, "{} MiB", cost.peak >> 20);
}

#[tokio::test]
async fn a_back_fill_takes_no_more_than_it_may() {
    let idle = Idle::start().await;
    let cost = idle.cost_of("?arrival=history", bodies::back_fill(300)).await;
    assert_eq!(cost.status, 202, "{}", cost.answer);
    assert!(cost.peak <= HISTORY_PEAK_MOST, "{} MiB", cost.peak >> 20);
}

#[tokio::test]
async fn large_texts_at_once_share_the_room() {
    let idle = Idle::start().await;
    let answers = together((0..5).map(|_| idle.post("", bodies::large_texts()))).await;
    assert!(answers.iter().all(|(status, _)| *status == 202), "{answers:?}");
    assert!(idle.peak() <= LIVE_PEAK_MOST * 2, "{} MiB", idle.peak() >> 20);
}

#[tokio::test]
async fn many_back_fills_at_once_share_the_room_and_who_finds_none_comes_again() {
    let idle = Idle::start().await;
    // more than there is room for, and cheap to read: a list of nothing behind 15 MiB of spaces
    let body = format!("[{}]", " ".repeat(15 << 20));
    let answers = together((0..50).map(|_| idle.post("?arrival=history", body.clone()))).await;
    let told = |status: u16| answers.iter().filter(|(told, _)| *told == status).count();
    assert!(told(200) >= 1 && told(200) + told(503) == 50, "{answers:?}");
    assert!(idle.peak() <= ALL_PEAK_MOST, "{} MiB", idle.peak() >> 20);
}

#[tokio::test]
async fn a_sender_that_goes_away_takes_its_work_along() {
    let idle = Idle::start().await;
    // a text that was begun is read to its end: there are many
    let body = bodies::reopened_formatting(12);
    let before = idle.processor();
    let (status, _) = idle.post("", body.clone()).await;
    assert_eq!(status, 202);
    let whole = idle.at_rest().await - before;
    let mut sender = idle.connect().await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    sender.write_all(head.as_bytes()).await.expect("is sent");
    let before = idle.processor();
    sender.write_all(body.as_bytes()).await.expect("is sent");
    while idle.processor() < before + Duration::from_millis(100) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(sender);
    let left = idle.at_rest().await - before;
    eprintln!("stayed: {whole:?}, went away: {left:?}");
    assert!(left < whole / 2, "{left:?} of {whole:?}");
}

#[tokio::test]
async fn five_hundred_half_open_connections_delay_nobody() {
    let idle = Idle::start().await;
    let mut half_open = Vec::new();
    for nth in 0..500 {
        let mut connection = idle.connect().await;
        // a third says nothing, a third half of its headers, and a third half of a body
        let said: &[u8] = match nth % 3 {
            0 => b"",
            1 => b"POST /v1/events HTTP/1.1\r\nhost: local",
            _ => b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{",
        };
        connection.write_all(said).await.expect("is sent");
        half_open.push(connection);
    }
    let began = Instant::now();
    for nth in 0..20 {
        let (status, answer) = idle
            .post("", bodies::webhook("Active", "T", &format!("text {nth}")))
            .await;
        assert_eq!(status, 202, "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Waits for all of them.
async fn together<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (one, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(answer) = one.as_mut().poll(context)
            {
                *done = Some(answer);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
