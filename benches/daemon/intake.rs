//! Durable intake: events in, each answered when it is on disk, beside a server that only answers.

use std::path::Path;

use serde_json::{Value, json};

use super::load::{self, Intake};
use super::process::{self, Process};
use super::receiver::Receiver;
use super::{events, say};

/// Measures with few and with many connections.
pub async fn all(dir: &Path) {
    for connections in load::CONNECTIONS {
        let receiver = Receiver::start().await;
        let bare = Intake::measure(receiver.bare(), connections, event).await.value();
        let durable = durable(&dir.join(format!("intake-{connections}")), connections).await;
        say(&json!({
            "measure": "durable intake", "connections": connections, "events": durable, "bare_client_loop": bare,
        }));
    }
}

/// What the daemon takes in.
pub async fn durable(dir: &Path, connections: usize) -> Value {
    let receiver = Receiver::start().await;
    receiver.write_rules(&process::rules(dir), 0);
    let daemon = Process::daemon(dir).await;
    let cpu = daemon.cpu();
    let taken = Intake::measure(daemon.events(), connections, event).await;
    let mut value = taken.value_with(&daemon, cpu);
    value["rss_mib"] = json!(daemon.rss_mib());
    drop(daemon);
    let _ = std::fs::remove_dir_all(dir);
    value
}

fn event(connection: usize, nth: usize) -> String {
    events::sized(&format!("B{connection}-{nth}"), nth, load::EVENT_BYTES)
}
