//! A world for one test: the real daemon in this process, on port 0, its clock moved by hand; rule files and state in
//! a temporary folder; a real HTTP receiver; mail in the folder where the daemon writes it without a relay.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use bellwether::clock::{ByHand, Clock};
use bellwether::config::{Flags, Settings};
use bellwether::daemon::{self, Handle};
use serde_json::Value;
use tokio::sync::watch;

/// The subscriptions that tests speak of.
pub const PROD: &str = "11111111-aaaa-4bbb-8ccc-111111111111";
pub const DEV: &str = "22222222-aaaa-4bbb-8ccc-222222222222";

/// When every test begins: a Tuesday, 09:00 UTC.
pub const BEGIN: &str = "2026-11-24T09:00:00Z";

/// The daemon and everything around it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub clock: ByHand,
    pub hooks: Hooks,
    settings: String,
    daemon: Option<Handle>,
    client: reqwest::Client,
}

/// One request that the receiver got.
#[derive(Debug, Clone)]
pub struct Hook {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub bytes: Vec<u8>,
}

/// A real HTTP receiver: takes what comes, answers what it was told to.
#[derive(Clone)]
pub struct Hooks {
    pub port: u16,
    got: Arc<Mutex<Vec<Hook>>>,
    answers: Arc<Mutex<BTreeMap<String, VecDeque<u16>>>>,
    /// How many requests came, to any path.
    count: watch::Sender<usize>,
    /// Paths that do not answer for the moment.
    held: watch::Sender<BTreeSet<String>>,
}

impl Hooks {
    /// Begins to listen.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hooks = Self {
            port,
            got: Arc::default(),
            answers: Arc::default(),
            count: watch::Sender::default(),
            held: watch::Sender::default(),
        };
        let router = axum::Router::new().fallback(take).with_state(hooks.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        hooks
    }

    /// The URL of one receiver.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// What the next requests to a path are answered; then 200 again.
    pub fn answer(&self, path: &str, statuses: &[u16]) {
        self.answers
            .lock()
            .expect("a lock")
            .insert(format!("/{path}"), statuses.iter().copied().collect());
    }

    /// Requests to a path get no answer until it is let go.
    pub fn hold(&self, path: &str) {
        self.held.send_modify(|held| {
            held.insert(format!("/{path}"));
        });
    }

    /// Requests to a path are answered again, also those that wait.
    pub fn let_go(&self, path: &str) {
        self.held.send_modify(|held| {
            held.remove(&format!("/{path}"));
        });
    }

    /// Waits until a path got so many requests.
    pub async fn arrived(&self, path: &str, requests: usize) {
        let mut count = self.count.subscribe();
        let arrived = count.wait_for(|_| self.got(path).len() >= requests).await;
        arrived.expect("the receiver runs");
    }

    /// Everything that came so far, in order.
    pub fn all(&self) -> Vec<Hook> {
        self.got.lock().expect("a lock").clone()
    }

    /// What came after the first so many requests.
    pub fn after(&self, first: usize) -> Vec<Hook> {
        self.got.lock().expect("a lock")[first..].to_vec()
    }

    /// What a path got so far.
    pub fn got(&self, path: &str) -> Vec<Hook> {
        let got = self.got.lock().expect("a lock");
        got.iter()
            .filter(|hook| hook.path == format!("/{path}"))
            .cloned()
            .collect()
    }
}

async fn take(State(hooks): State<Hooks>, request: Request) -> axum::http::StatusCode {
    let path = request.uri().path().to_owned();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 22)
        .await
        .expect("a body")
        .to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    hooks.got.lock().expect("a lock").push(Hook {
        path: path.clone(),
        headers,
        body,
        bytes,
    });
    hooks.count.send_modify(|count| *count += 1);
    let mut held = hooks.held.subscribe();
    held.wait_for(|held| !held.contains(&path))
        .await
        .expect("the receiver runs");
    let status = hooks
        .answers
        .lock()
        .expect("a lock")
        .get_mut(&path)
        .and_then(VecDeque::pop_front);
    axum::http::StatusCode::from_u16(status.unwrap_or(200)).expect("a status")
}

impl World {
    /// A world whose rules folder holds these files (`path` below it, text); `{hooks}` in a text is the receiver's URL.
    pub async fn with(files: &[(&str, &str)]) -> Self {
        Self::with_settings("", files).await
    }

    /// The same with settings of the operator.
    pub async fn with_settings(settings: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let hooks = Hooks::start().await;
        let client = reqwest_client();
        let clock = ByHand::at(BEGIN.parse().expect("a time"));
        let mut world = Self {
            dir,
            clock,
            hooks,
            settings: settings.to_owned(),
            daemon: None,
            client,
        };
        std::fs::create_dir_all(world.rules()).expect("a folder");
        for (path, text) in files {
            world.write_rules(path, text);
        }
        world.start().await;
        world
    }

    pub fn rules(&self) -> PathBuf {
        self.dir.path().join("rules")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Writes a rule file; it is in force after [`World::reload`].
    pub fn write_rules(&self, path: &str, text: &str) {
        let path = self.rules().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(
            path,
            text.replace("{hooks}", &format!("http://127.0.0.1:{}", self.hooks.port)),
        )
        .expect("a file");
    }

    /// Starts the daemon on what is in the state folder.
    pub async fn start(&mut self) {
        let flags = Flags {
            state: Some(self.state()),
            rules: Some(self.rules()),
            allow_private_receivers: true,
            listen: Some("127.0.0.1:0".into()),
            ..Flags::default()
        };
        let text = self.settings.replace("{dir}", &self.dir.path().display().to_string());
        let read = Settings::read("bellwether.yaml", &text, &flags);
        let (settings, _) = read.unwrap_or_else(|problems| panic!("settings: {problems:?}"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let handle = daemon::start(settings, Clock::ByHand(self.clock.clone()), listener).await;
        self.daemon = Some(handle.expect("starts"));
    }

    /// Stops the daemon in an orderly way.
    pub async fn stop(&mut self) {
        self.daemon.take().expect("runs").stop().await.expect("stops");
    }

    /// Starts the daemon anew with other settings of the operator.
    pub async fn change_settings(&mut self, settings: &str) {
        self.stop().await;
        settings.clone_into(&mut self.settings);
        self.start().await;
    }

    pub fn daemon(&self) -> &Handle {
        self.daemon.as_ref().expect("runs")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.daemon().addr)
    }

    /// Reads the rules folder again.
    pub async fn reload(&self) -> daemon::Reloaded {
        let reloaded = self.daemon().reload().await.expect("reloads");
        self.settled().await;
        reloaded
    }

    /// Posts a body as it is.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let answer = self
            .client
            .post(self.url(path))
            .body(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Posts an event and waits until it is decided; it must be accepted.
    pub async fn hear(&self, event: &Value) -> Value {
        let (status, answer) = self.post("/v1/events", event.to_string()).await;
        assert_eq!(status, 202, "{answer}");
        self.settled().await;
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// What a caller with this token is answered.
    pub async fn get_as(&self, token: &str, path: &str) -> (u16, Value) {
        let answer = self
            .client
            .get(self.url(path))
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// What somebody with this token is answered who posts this body.
    pub async fn post_as(&self, token: &str, path: &str, body: String) -> (u16, Value) {
        let request = self.client.post(self.url(path)).bearer_auth(token).body(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn page(&self, path: &str) -> (u16, String) {
        let answer = self
            .client
            .get(self.url(path))
            .header("accept", "text/html")
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    pub async fn settled(&self) {
        self.daemon().settled().await;
    }

    /// Moves time and waits until everything that is due by then is done.
    pub async fn pass(&self, seconds: i64) {
        self.clock.advance(chrono::Duration::seconds(seconds));
        self.settled().await;
    }

    /// Deliveries in a state, as the API lists them (the newest first).
    pub async fn deliveries(&self, state: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/deliveries?state={state}&limit=1000")).await;
        answer["deliveries"].as_array().expect("a list").clone()
    }

    /// Mails that were written, parsed, by the time of writing.
    pub fn mails(&self) -> Vec<Mail> {
        mails_in(&self.state().join("mail"))
    }
}

/// One mail, the parts that tests look at.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub id: String,
    pub text: String,
    pub calendar: Option<String>,
    pub raw: Vec<u8>,
}

fn mails_in(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    files
        .iter()
        .map(|path| mail(&std::fs::read(path).expect("a mail")))
        .collect()
}

pub fn mail(raw: &[u8]) -> Mail {
    use mail_parser::MimeHeaders as _;
    let parsed = mail_parser::MessageParser::default().parse(raw).expect("a mail");
    let calendar = parsed.parts.iter().find(|part| {
        part.content_type()
            .is_some_and(|kind| kind.subtype() == Some("calendar"))
    });
    Mail {
        to: parsed
            .to()
            .and_then(|to| to.first())
            .and_then(|to| to.address())
            .expect("a recipient")
            .to_owned(),
        subject: parsed.subject().expect("a subject").to_owned(),
        id: parsed.message_id().expect("an id").to_owned(),
        text: parsed.body_text(0).expect("a text").into_owned(),
        calendar: calendar.map(|part| String::from_utf8_lossy(part.contents()).into_owned()),
        raw: raw.to_vec(),
    }
}

fn reqwest_client() -> reqwest::Client {
    // the daemon installs the same provider at its start; whoever is second finds it there
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// An Azure legacy webhook for one subscription; `change` edits its `properties`.
pub struct Azure {
    pub tracking_id: &'static str,
    pub subscription: &'static str,
    pub stage: &'static str,
    pub title: &'static str,
    pub text: String,
    pub at: &'static str,
    pub level: &'static str,
    pub impact: Value,
}

impl Azure {
    /// An incident in its first minutes.
    pub fn active() -> Self {
        Self {
            tracking_id: "VVTQ-J98",
            subscription: PROD,
            stage: "Active",
            title: "Virtual Machines in East US may be unreachable",
            text: "<p>Starting at 08:40 UTC, connections to Virtual Machines in East US may fail.</p>".into(),
            at: "2026-11-24T08:50:00Z",
            level: "Warning",
            impact: serde_json::json!([{ "ServiceName": "Virtual Machines", "ImpactedRegions": [{ "RegionName": "East US" }] }]),
        }
    }

    /// The statement that it is over.
    pub fn mitigated() -> Self {
        Self {
            stage: "Resolved",
            title: "Virtual Machines - East US - Mitigated",
            text: "<p><strong>What happened?</strong></p><p>Connections failed between 08:40 and 09:30 UTC.</p>".into(),
            at: "2026-11-24T09:40:00Z",
            ..Self::active()
        }
    }

    /// The preliminary review.
    pub fn preliminary() -> Self {
        Self {
            stage: "RCA",
            title: "Preliminary Post Incident Review (PIR) - Virtual Machines - East US",
            text: "<p><strong>What happened?</strong></p><p>A switch failed.</p><p><strong>What went wrong and why?</strong></p><p>It was old.</p>".into(),
            at: "2026-11-25T12:00:00Z",
            ..Self::active()
        }
    }

    pub fn json(&self) -> Value {
        let impact = self.impact.to_string();
        let impact = if self.impact.is_string() {
            self.impact.as_str().expect("text").to_owned()
        } else {
            impact
        };
        serde_json::json!({
            "schemaId": "Microsoft.Insights/activityLogs",
            "data": { "status": "Activated", "properties": {}, "context": { "activityLog": {
                "channels": "Admin",
                "eventSource": "ServiceHealth",
                "eventTimestamp": self.at,
                "eventDataId": "6fa98c0f-334a-b066-1934-1a4b3d929856",
                "level": self.level,
                "operationName": "Microsoft.ServiceHealth/incident/action",
                "status": self.stage,
                "subscriptionId": self.subscription,
                "properties": {
                    "title": self.title,
                    "communication": self.text,
                    "incidentType": "Incident",
                    "trackingId": self.tracking_id,
                    "impactStartTime": "2026-11-24T08:40:00Z",
                    "impactedServices": impact,
                    "stage": self.stage,
                    "communicationId": "11000001234567",
                    "version": "0.1.1",
                },
            }}},
        })
    }
}
