//! How long `bellwether replay` takes, and what memory: an archive of many incidents, decided again by many rules.
//!
//! Each incident has an update, its end and a review, for one of fifty customers' subscriptions; each customer has a file
//! of rules, of which about one in a hundred matches. The archive says that nobody was told, so that everything differs:
//! that is the dearest case, because what differs is written down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{events, process, say};

/// How many customers there are.
const CUSTOMERS: usize = 50;

/// How often it is looked at what memory is taken.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What an incident's events are: stage, kind, the text's bytes.
const EVENTS: [(&str, &str, usize); 3] = [
    ("Active", "update", 600),
    ("Resolved", "mitigation", 1_200),
    ("RCA", "final-review", 6_000),
];

/// Makes both, replays, and says how it went.
pub fn run(dir: &Path, incidents: usize, rules: usize) {
    let (archive, folder) = (dir.join("archive.jsonl"), dir.join("rules"));
    write_archive(&archive, incidents);
    write_rules(&folder, rules);
    let bytes = std::fs::metadata(&archive).expect("a file").len();
    let began = Instant::now();
    let mut child = Command::new(process::binary())
        .args(["replay", "--format", "json", "--rules"])
        .arg(&folder)
        .arg("--archive")
        .arg(&archive)
        .stdout(Stdio::from(File::create(dir.join("answer.json")).expect("a file")))
        .spawn()
        .expect("the program");
    let id = child.id().to_string();
    let mut rss = 0;
    let status = loop {
        rss = rss.max(process::rss_most_mib(&id));
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    assert!(status.success(), "{status}");
    let answer: Value = serde_json::from_reader(File::open(dir.join("answer.json")).expect("a file")).expect("JSON");
    say(&json!({
        "measure": "replay", "incidents": incidents, "rules": rules, "archive_mib": bytes >> 20,
        "seconds": began.elapsed().as_secs_f64(), "rss_most_mib": rss, "events": answer["totals"]["events"],
        "added": answer["added"].as_array().map_or(0, Vec::len),
    }));
}

fn write_archive(path: &Path, incidents: usize) {
    let mut out = Archive {
        file: BufWriter::new(File::create(path).expect("a file")),
        hash: Sha256::new(),
        lines: 0,
        counts: json!({}),
    };
    out.line(&json!({
        "type": "header", "format": "bellwether-archive", "version": 1, "made_by": "the benchmark",
        "made": "2026-11-24T09:00:00Z", "through": 1, "customer": null, "since": null, "holds": ["incident", "event"],
        "kept": { "events_seconds": null, "reviews_seconds": null, "deliveries_seconds": null },
    }));
    for nth in 0..incidents {
        let id = format!("R{nth:05}");
        let at = |hour: usize| format!("2026-{:02}-{:02}T{hour:02}:00:00Z", 1 + nth % 10, 1 + nth % 28);
        out.line(&json!({
            "type": "incident", "provider": "azure", "tracking_id": id, "event_type": "Service issue", "status": "Mitigated",
            "status_since": at(3), "title": "Trouble", "kind": "final-review", "level": "Warning", "impact_start": at(1),
            "impact_end": at(2), "updated": at(3), "first_heard": at(1), "test": false,
        }));
        for (hour, (stage, kind, bytes)) in (1..).zip(EVENTS) {
            let text = events::text(nth * 3 + hour, bytes);
            out.line(&json!({
                "type": "event", "id": format!("{}.0", nth * 3 + hour), "heard": at(hour), "provider": "azure",
                "tracking_id": id, "decided": true, "event": {
                    "provider": "azure", "tracking_id": id, "event_type": "Service issue", "stage": stage, "kind": kind,
                    "level": "Warning", "title": format!("Trouble {} - {stage}", nth % 97), "html": format!("<p>{text}</p>"),
                    "text": text, "accounts": [events::subscription(nth % CUSTOMERS)], "published": at(hour),
                    "impact": [{ "service": format!("Service {}", nth % 40), "region": format!("Region {}", nth % 30) }],
                    "impact_start": at(1), "arrival": "live", "form": "azure-activity-log-webhook",
                },
            }));
        }
    }
    out.end();
}

struct Archive {
    file: BufWriter<File>,
    hash: Sha256,
    lines: u64,
    counts: Value,
}

impl Archive {
    fn line(&mut self, line: &Value) {
        let text = line.to_string() + "\n";
        self.hash.update(&text);
        self.lines += 1;
        let count = &mut self.counts[line["type"].as_str().expect("a kind")];
        *count = json!(count.as_u64().unwrap_or(0) + 1);
        self.file.write_all(text.as_bytes()).expect("writes");
    }

    fn end(mut self) {
        let digest = self
            .hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let trailer = json!({ "type": "trailer", "lines": self.lines, "counts": self.counts, "sha256": digest });
        self.file
            .write_all((trailer.to_string() + "\n").as_bytes())
            .expect("writes");
        self.file.flush().expect("writes");
    }
}

fn write_rules(folder: &Path, rules: usize) {
    let each = rules.div_ceil(CUSTOMERS);
    for customer in 0..CUSTOMERS {
        let of = folder.join(format!("customer-{customer:02}"));
        std::fs::create_dir_all(&of).expect("a folder");
        let mut text = String::from(
            "receivers: { ops: [{ email: ops@contoso.example }], leads: [{ email: l@contoso.example }] }\nrules:\n",
        );
        for nth in 0..each {
            let (service, region) = (nth % 40, nth * 7 % 30);
            let receiver = if nth % 3 == 0 { "leads" } else { "ops" };
            text += &format!(
                "  - {{ name: Rule {nth}, when: {{ impact: [{{ service: Service {service}, region: Region {region} }}] }}, notify: {receiver} }}\n"
            );
        }
        std::fs::write(of.join("rules.yaml"), text).expect("a file");
    }
}
