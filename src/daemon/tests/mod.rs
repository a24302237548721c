//! The whole daemon in this process, its clock moved by hand, on states that tests prepare, copy and damage: here, and
//! not among the tests at the doors, because what they compare is everything the store and the journal hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::*;
use crate::clock::{ByHand, Time};
use crate::event::{Arrival, Event, EventType, Form, Impact, Kind, Level, Provider, Stage};
use crate::record::Input;

mod churn;
mod clocks;
mod damage;
mod former;
mod lanes;
mod large;
mod liars;
mod neighbours;
mod parts;
mod poison;
mod rules;
mod secrets;
mod stops;
mod upkeep;

/// When every test begins.
const BEGIN: &str = "2026-11-24T09:00:00Z";

/// A journal segment small enough that a test fills several.
const SEGMENT: u64 = 64 << 10;

const ACCOUNT: &str = "11111111-aaaa-4bbb-8ccc-111111111111";

/// One request that the receivers got.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    path: String,
    id: String,
    body: Vec<u8>,
}

/// Receivers: `/good…` takes everything, `/slow…` nothing yet (503), `/never…` nothing ever (400).
#[derive(Clone)]
struct Receivers {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receivers {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receivers = Self {
            port: listener.local_addr().expect("an address").port(),
            got: Arc::default(),
        };
        let router = axum::Router::new().fallback(take).with_state(receivers.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        receivers
    }

    /// What came since the last time this was asked.
    fn take(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().expect("a lock"))
    }
}

async fn take(State(receivers): State<Receivers>, request: Request) -> StatusCode {
    let path = request.uri().path().to_owned();
    let id = request
        .headers()
        .get("webhook-id")
        .map(|id| id.to_str().expect("text").to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 22)
        .await
        .expect("a body")
        .to_vec();
    let status = match path.as_bytes()[1] {
        b's' => StatusCode::SERVICE_UNAVAILABLE,
        b'n' => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let id = id.unwrap_or_default();
    receivers.got.lock().expect("a lock").push(Got { path, id, body });
    status
}

/// A state directory, rules and receivers, and a daemon on them now and then.
struct Place {
    dir: tempfile::TempDir,
    clock: ByHand,
    receivers: Receivers,
    settings: Settings,
}

impl Place {
    /// With rule files (path, text); `{receivers}` stands for the receivers' URL.
    async fn with(files: &[(&str, String)]) -> Self {
        // in memory where there is such a folder: what is tested here is what is read, not whether a sync syncs
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("a folder");
        let receivers = Receivers::start().await;
        for (path, text) in files {
            let path = dir.path().join("rules").join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let url = format!("http://127.0.0.1:{}", receivers.port);
            std::fs::write(path, text.replace("{receivers}", &url)).expect("a file");
        }
        let settings = Settings {
            state: dir.path().join("state"),
            rules: dir.path().join("rules"),
            allow_private_receivers: true,
            segment_bytes: SEGMENT,
            ..Settings::default()
        };
        let clock = ByHand::at(begin());
        Self {
            dir,
            clock,
            receivers,
            settings,
        }
    }

    fn clock_now(&self) -> Time {
        Clock::ByHand(self.clock.clone()).now()
    }

    fn state(&self) -> &Path {
        &self.settings.state
    }

    async fn start(&self) -> Result<Handle> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        start(self.settings.clone(), Clock::ByHand(self.clock.clone()), listener).await
    }

    /// Moves time and waits until everything that is due by then is done.
    async fn pass(&self, daemon: &Handle, seconds: i64) {
        self.clock.advance(chrono::Duration::seconds(seconds));
        daemon.settled().await;
    }

    /// Keeps a copy of the state directory under a name.
    fn save(&self, name: &str) -> PathBuf {
        let copy = self.dir.path().join(name);
        copy_tree(self.state(), &copy);
        copy
    }

    /// Puts a copy back in place of the state directory, and the clock back to `at`.
    fn restore(&mut self, copy: &Path, at: Time) {
        let _ = std::fs::remove_dir_all(self.state());
        copy_tree(copy, self.state());
        self.clock = ByHand::at(at);
    }
}

impl Handle {
    async fn hear(&self, events: Vec<Event>) {
        let inputs = events.into_iter().map(|event| Input::Heard { event: Box::new(event) });
        self.ledger.record(inputs.collect(), None).await.expect("is recorded");
    }
}

fn begin() -> Time {
    BEGIN.parse().expect("a time")
}

/// An update of the incident `nth`, long enough to fill a journal.
fn update(nth: u64, published: Time) -> Event {
    let text = noise(nth, 2_000);
    Event {
        provider: Provider::Azure,
        source: None,
        tracking_id: format!("DMG{nth:04}"),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Active,
        kind: Kind::Update,
        level: Some(Level::Warning),
        title: format!("Trouble number {nth}"),
        html: format!("<p>{text}</p>"),
        text,
        impact: vec![Impact {
            service: "Virtual Machines".into(),
            service_id: None,
            region: Some("East US".into()),
            accounts: Vec::new(),
        }],
        accounts: vec![ACCOUNT.into()],
        impact_start: Some(published),
        impact_end: None,
        published,
        sessions: Vec::new(),
        link: None,
        properties: BTreeMap::new(),
        test: false,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Form::AzureEvents,
        text_withheld: false,
        imported: None,
    }
}

/// Letters that do not pack well, the same for the same seed.
fn noise(seed: u64, letters: usize) -> String {
    let mut random = Random(seed + 1);
    (0..letters)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect()
}

/// A small generator of its own, so that a seed means the same for ever (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// Every file below a folder, in order.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => files.extend(files_below(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}
