//! A local receiver that takes everything at once, and counts what came and what of it came for the first time.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What is sent to this path is not counted.
const BARE: &str = "bare";

/// What is sent below this path is never answered.
const SILENT: &str = "silent";

/// The most addresses that a receiver in a rule file has; each gets a file, so that all have room.
const ADDRESSES_MOST: usize = 1_000;

/// Where a message's tracking id is, in the daemon's body and in Alertmanager's.
const TRACKING_ID: &[u8] = b"\"tracking_id\":\"";

/// Counts what comes to any path but `/bare` and those below `/silent`.
pub struct Receiver {
    port: u16,
    tally: Arc<Mutex<Tally>>,
    accepting: JoinHandle<()>,
}

/// What came. A message is one event's, told to one path.
#[derive(Default)]
struct Tally {
    count: usize,
    /// By event and path: it came.
    came: Vec<Vec<bool>>,
    messages: usize,
    connections: Connections,
    kept: Vec<Kept>,
    kept_most: usize,
}

/// Connections to a receiver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connections {
    /// All that there were.
    pub made: usize,
    /// The most at once.
    pub most: usize,
    open: usize,
}

/// A request that was kept.
pub struct Kept {
    pub path: usize,
    pub body: Bytes,
    pub at: Instant,
}

impl Tally {
    fn add(&mut self, path: Option<usize>, body: &Bytes) {
        self.count += 1;
        let Some(path) = path else { return };
        if let Some(event) = event_of(body) {
            self.messages += usize::from(!std::mem::replace(self.place(event, path), true));
        }
        if self.kept.len() < self.kept_most {
            let (body, at) = (body.clone(), Instant::now());
            self.kept.push(Kept { path, body, at });
        }
    }

    fn place(&mut self, event: usize, path: usize) -> &mut bool {
        if self.came.len() <= event {
            self.came.resize(event + 1, Vec::new());
        }
        let paths = &mut self.came[event];
        if paths.len() <= path {
            paths.resize(path + 1, false);
        }
        &mut paths[path]
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let tallied = tally.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                tokio::spawn(serve(stream, tallied.clone()));
            }
        });
        Self { port, tally, accepting }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Where it takes everything and counts nothing.
    pub fn bare(&self) -> String {
        self.url(BARE)
    }

    /// How many requests came, the same message's again included.
    pub fn count(&self) -> usize {
        self.tally().count
    }

    /// How many messages came at least once, of events whose tracking ids end in numbers of their own.
    pub fn messages(&self) -> usize {
        self.tally().messages
    }

    /// How many came that had come before.
    pub fn came_again(&self) -> usize {
        let tally = self.tally();
        tally.count - tally.messages
    }

    pub fn connections(&self) -> Connections {
        self.tally().connections
    }

    /// From now on keeps what comes, until it has so many.
    pub fn keep(&self, most: usize) {
        self.tally().kept_most = most;
    }

    /// What was kept since the last time.
    pub fn take_kept(&self) -> Vec<Kept> {
        std::mem::take(&mut self.tally().kept)
    }

    /// Writes rules that tell so many receivers of everything, at once; none: a rule that matches nothing.
    pub fn write_rules(&self, folder: &Path, receivers: usize) {
        let rule = match receivers {
            0 => "{ name: None, when: { tracking id: nothing }, notify: all-0 }",
            _ => "{ name: All, when: {}, notify: ALL, settle: 0s }",
        };
        self.write(folder, "", receivers.max(1), rule);
    }

    /// Writes rules that tell so many receivers of everything, after the time that is usual.
    pub fn write_settling_rules(&self, folder: &Path, receivers: usize) {
        self.write(folder, "", receivers, "{ name: All, when: {}, notify: ALL }");
    }

    /// Writes rules that tell so many receivers of everything, at once, none of which ever answers.
    pub fn write_silent_rules(&self, folder: &Path, receivers: usize) {
        let rule = "{ name: All, when: {}, notify: ALL, settle: 0s }";
        self.write(folder, &format!("{SILENT}/"), receivers, rule);
    }

    fn write(&self, folder: &Path, below: &str, receivers: usize, rule: &str) {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut names = Vec::new();
        for from in (0..receivers).step_by(ADDRESSES_MOST) {
            let name = format!("all-{}", names.len());
            let to = receivers.min(from + ADDRESSES_MOST);
            let urls = (from..to).map(|nth| self.url(&format!("{below}{nth}")));
            let each: String = urls
                .map(|url| format!("    - webhook: {{ url: \"{url}\" }}\n"))
                .collect();
            let text = format!("receivers:\n  {name}:\n{each}");
            std::fs::write(folder.join(format!("{name}.yaml")), text).expect("a file");
            names.push(name);
        }
        let rule = rule.replace("ALL", &format!("[{}]", names.join(", ")));
        std::fs::write(folder.join("rules.yaml"), format!("rules:\n  - {rule}\n")).expect("a file");
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no panic")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, counted.
async fn serve(stream: TcpStream, tally: Arc<Mutex<Tally>>) {
    let count = |by: &dyn Fn(&mut Connections)| by(&mut tally.lock().expect("no panic").connections);
    count(&|all| {
        (all.made, all.open) = (all.made + 1, all.open + 1);
        all.most = all.most.max(all.open);
    });
    let service = hyper::service::service_fn(|request| take(request, tally.clone()));
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
    count(&|all| all.open -= 1);
}

async fn take(request: Request<Incoming>, tally: Arc<Mutex<Tally>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    if path.starts_with(SILENT) {
        return std::future::pending().await;
    }
    if path != BARE {
        let (path, body) = (path.parse().ok(), body.unwrap_or_default());
        tally.lock().expect("no panic").add(path, &body);
    }
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::ACCEPTED;
    Ok(answer)
}

/// The number of the event that a message tells: the end of its tracking id. Looked for, not parsed, so that counting
/// takes little of what is measured beside it.
fn event_of(body: &[u8]) -> Option<usize> {
    let from = memmem::find(body, TRACKING_ID)? + TRACKING_ID.len();
    let to = from + memchr::memchr(b'"', &body[from..])?;
    let (_, event) = std::str::from_utf8(&body[from..to]).ok()?.rsplit_once('-')?;
    event.parse().ok()
}
