//! A peer: the HTTP client that the daemon uses, in a loop that posts what the daemon posts and keeps nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::json;

use super::process::{self, Process};
use super::receiver::{Connections, Receiver};
use super::{events, fanout, load, say};

/// How long the loop runs.
const LASTS: Duration = Duration::from_secs(5);

/// How many receivers the daemon tells when it is watched.
const FAN_OUT: usize = 100;

/// How many events it tells then.
const EVENTS: usize = 50;

/// What the daemon sends, and from how many connections at most.
pub struct Sent {
    body: Bytes,
    connections: Connections,
}

/// Measures with short and with long events.
pub async fn all(dir: &Path) {
    for bytes in fanout::BODIES {
        let sent = Sent::watch(&dir.join(format!("watched-{bytes}")), bytes).await;
        let per_second = sent.post().await;
        say(&json!({
            "measure": "the bare client's loop", "event_bytes": bytes, "webhook_bytes": sent.body.len(),
            "connections": sent.connections.most, "per_second": per_second,
        }));
    }
}

impl Sent {
    /// Watches the daemon for a while.
    pub async fn watch(dir: &Path, bytes: usize) -> Self {
        let receiver = Receiver::start().await;
        receiver.keep(1);
        receiver.write_rules(&process::rules(dir), FAN_OUT);
        let daemon = Process::daemon(dir).await;
        load::post_all(daemon.events(), 32, EVENTS, move |nth| {
            events::sized(&format!("D-{nth}"), nth, bytes)
        })
        .await;
        fanout::until(&receiver, EVENTS * FAN_OUT, Instant::now()).await;
        let kept = receiver.take_kept();
        Self {
            body: kept.first().expect("a message").body.clone(),
            connections: receiver.connections(),
        }
    }

    /// Posts the same bytes for a while; says how many times a second.
    pub async fn post(&self) -> f64 {
        let receiver = Receiver::start().await;
        let began = Instant::now();
        let posts = load::from_each(self.connections.most, |connection, client| {
            let (url, body) = (receiver.url(&(connection % FAN_OUT).to_string()), self.body.clone());
            async move {
                while began.elapsed() < LASTS {
                    let request = client.post(&url).header("content-type", "application/json");
                    let answer = request.body(body.clone()).send().await.expect("an answer");
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            }
        });
        posts.await;
        (receiver.count() as f64 / began.elapsed().as_secs_f64()).round()
    }
}
