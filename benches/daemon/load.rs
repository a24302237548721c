//! Posts from many connections at once, each one after the other.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::process::{Cpu, Process};
use super::{client, percentiles};

/// So many connections bring events at once.
pub const CONNECTIONS: [usize; 2] = [32, 256];

/// So long is an event.
pub const EVENT_BYTES: usize = 1_000;

/// How long an intake measurement lasts.
const LASTS: Duration = Duration::from_secs(5);

/// When a server that was too busy is asked again.
const COME_AGAIN: Duration = Duration::from_millis(200);

/// What one intake measurement found.
pub struct Intake {
    per_second: f64,
    took: Vec<Duration>,
}

impl Intake {
    /// Posts for a while, each body made of the connection's number and how many it posted before.
    pub async fn measure(
        url: String,
        connections: usize,
        body: impl Fn(usize, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let began = Instant::now();
        let body = Arc::new(body);
        let posts = from_each(connections, move |connection, client| {
            let (url, body) = (url.clone(), body.clone());
            async move {
                let mut took = Vec::new();
                while began.elapsed() < LASTS {
                    let body = body(connection, took.len());
                    let sent = Instant::now();
                    let status = post(&client, &url, body).await;
                    assert!(status.is_success(), "{status}");
                    took.push(sent.elapsed());
                }
                took
            }
        });
        let took: Vec<Duration> = posts.await.into_iter().flatten().collect();
        let per_second = (took.len() as f64 / began.elapsed().as_secs_f64()).round();
        Self { per_second, took }
    }

    pub fn value(self) -> Value {
        json!({ "per_second": self.per_second, "us": percentiles(self.took) })
    }

    /// The same, with the processor time that each took since `before`.
    pub fn value_with(self, process: &Process, before: Cpu) -> Value {
        let (all, ledger) = process.cpu().each(before, self.took.len());
        let mut value = self.value();
        value["cpu_us_per_event"] = json!(all);
        value["ledger_cpu_us_per_event"] = json!(ledger);
        value
    }
}

/// Posts so many bodies; says how long that took. Who is too busy is asked again.
pub async fn post_all(
    url: String,
    connections: usize,
    bodies: usize,
    body: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Duration {
    let began = Instant::now();
    let body = Arc::new(body);
    let posts = from_each(connections, move |connection, client| {
        let (url, body) = (url.clone(), body.clone());
        async move {
            for nth in (connection..bodies).step_by(connections) {
                while post(&client, &url, body(nth)).await == StatusCode::SERVICE_UNAVAILABLE {
                    tokio::time::sleep(COME_AGAIN).await;
                }
            }
        }
    });
    posts.await;
    began.elapsed()
}

/// Does the same on so many connections at once, each told its number.
pub async fn from_each<T, F>(connections: usize, work: impl Fn(usize, Client) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let client = client();
    let tasks: Vec<_> = (0..connections)
        .map(|nth| tokio::spawn(work(nth, client.clone())))
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("a connection"));
    }
    done
}

async fn post(client: &Client, url: &str, body: String) -> StatusCode {
    let request = client.post(url).header("content-type", "application/json").body(body);
    let status = request.send().await.expect("an answer").status();
    let is_known = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
    assert!(is_known, "{status}");
    status
}
