//! A local receiver that takes everything at once, and counts what came and what of it came for the first time.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

/// The most receivers that a rule file of a benchmark names.
const PATHS: usize = 100;

/// Counts what comes to any path but `/bare`.
pub struct Receiver {
    port: u16,
    tally: Arc<Mutex<Tally>>,
}

/// What came. A message is one event's, told to one path.
#[derive(Default)]
struct Tally {
    count: usize,
    /// By event and path: it came.
    came: Vec<bool>,
    messages: usize,
}

impl Tally {
    fn add(&mut self, message: Option<usize>) {
        self.count += 1;
        let Some(message) = message else { return };
        if self.came.len() <= message {
            self.came.resize(message + 1, false);
        }
        if !std::mem::replace(&mut self.came[message], true) {
            self.messages += 1;
        }
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let tallied = tally.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let tallied = tallied.clone();
                let service = hyper::service::service_fn(move |request| take(request, tallied.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { port, tally }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// How many requests came, the same message's again included.
    pub fn count(&self) -> usize {
        self.tally.lock().expect("no panic").count
    }

    /// How many messages came at least once, of events whose tracking ids end in numbers of their own.
    pub fn messages(&self) -> usize {
        self.tally.lock().expect("no panic").messages
    }

    /// A rule file that tells so many receivers of everything, at once; none: a rule that matches nothing.
    pub fn rules(&self, receivers: usize) -> String {
        if receivers == 0 {
            return format!(
                "receivers: {{ none: [{{ webhook: {{ url: \"{}\" }} }}] }}\nrules:\n  - {{ name: None, when: {{ tracking id: nothing }}, notify: none }}\n",
                self.url("none")
            );
        }
        let each = (0..receivers).map(|nth| format!("    - webhook: {{ url: \"{}\" }}\n", self.url(&format!("{nth}"))));
        let each: String = each.collect();
        format!("receivers:\n  all:\n{each}rules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n")
    }
}

async fn take(request: Request<Incoming>, tally: Arc<Mutex<Tally>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    if path != "bare" {
        let message = body.ok().and_then(|body| message(&path, &body));
        tally.lock().expect("no panic").add(message);
    }
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::ACCEPTED;
    Ok(answer)
}

/// The number of a message: its event's, from the end of the tracking id, and its path's.
fn message(path: &str, body: &[u8]) -> Option<usize> {
    let path: usize = path.parse().ok().filter(|path| *path < PATHS)?;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let (_, event) = body["tracking_id"].as_str()?.rsplit_once('-')?;
    Some(event.parse::<usize>().ok()? * PATHS + path)
}
