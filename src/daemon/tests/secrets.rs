//! No secret is anywhere in clear: not in the journal's records, in the store's values or in checkpoints, as they are
//! when unpacked; not in logs at their most talkative; not in pages, answers or errors.

use std::io::Write;

use super::*;
use crate::store::checkpoint;

/// What must be nowhere: it stands in a URL's path and query, in a secret's file, and in a token.
const CANARY: &str = "hunter2canary";

const RULES: &str = "receivers:\n  plain: [{ webhook: { url: \"{receivers}/slow/hunter2canary?sig=hunter2canary\" } }]\n  \
    named: [{ webhook: { url: { secret: hook }, signing: { secret: signing } } }]\n  never: [{ webhook: { url: \"{receivers}/never/hunter2canary\" } }]\n\
    rules:\n  - { name: All, when: {}, notify: [plain, named, never] }\n";

/// A file with a mistake on the line of the secret.
const BROKEN: &str =
    "receivers:\n  bad: [{ webhook: { url: \"https://hooks.contoso.example/hunter2canary\", colour: red } }]\n";

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn assert_silent(what: &str, bytes: &[u8]) {
    let found = memchr::memmem::find(bytes, CANARY.as_bytes());
    let around = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned());
    assert_eq!(around, None, "{what} holds the secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_clear_in_anything_that_is_kept_logged_or_answered() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // each test has a process of its own
    tracing::subscriber::set_global_default(subscriber).expect("the first one");
    let place = Place::with(&[
        ("contoso/rules.yaml", RULES.to_owned()),
        ("contoso/broken.yaml", BROKEN.to_owned()),
        ("contoso/secrets/hook", "{receivers}/good/hunter2canary".to_owned()),
        (
            "contoso/secrets/signing",
            "whsec_aHVudGVyMmNhbmFyeWh1bnRlcjJjYW5hcnk=hunter2canary".to_owned(),
        ),
    ])
    .await;
    let daemon = place.start().await.expect("starts");
    for nth in 1..30 {
        daemon.hear(vec![update(nth, begin())]).await;
    }
    place.pass(&daemon, 10).await;
    place.pass(&daemon, 600).await;
    daemon.store_renewed().await;
    ask_everything(&daemon).await;
    let records = daemon.ledger.journal().tail(1);
    for record in records {
        let (seq, bytes) = record.expect("reads");
        assert_silent(&format!("record {seq}"), &bytes);
    }
    for item in daemon.ledger.view().items() {
        let item = serde_json::to_vec(&item.expect("reads")).expect("JSON");
        assert_silent("the store", &item);
    }
    let checkpoints = checkpoint::list(place.state()).expect("a folder");
    assert!(!checkpoints.is_empty());
    for path in checkpoints {
        let each = checkpoint::each(&path, |_, item| {
            assert_silent("a checkpoint", &serde_json::to_vec(&item).expect("JSON"));
            Ok(())
        });
        each.expect("is whole");
    }
    daemon.stop().await.expect("stops");
    for file in files_below(place.state()) {
        assert_silent(&file.display().to_string(), &std::fs::read(&file).expect("a file"));
    }
    let logged = log.0.lock().expect("a lock").clone();
    assert!(logged.len() > 10_000, "it is talkative: {}", logged.len());
    assert_silent("the log", &logged);
}

/// Every door, with answers and with errors.
async fn ask_everything(daemon: &Handle) {
    let client = reqwest::Client::new();
    let deliveries = daemon.ledger.view();
    let id = deliveries
        .listed(crate::delivery::StateWord::Dead, None, 1)
        .expect("reads")
        .remove(0)
        .1;
    let paths = [
        "/",
        "/incidents/DMG0001",
        "/v1/incidents",
        "/v1/incidents/DMG0001",
        "/v1/deliveries",
        "/v1/events",
        "/v1/rules",
        "/v1/set-aside",
        "/metrics",
        "/readyz?verbose",
        "/readyz",
        "/healthz",
        "/v1/deliveries?state=hunter2canary",
        "/v1/events/hunter2canary",
        "/v1/incidents?token=hunter2canary",
        "/hunter2canary?token=hunter2canary",
        "/v1/deliveries?hunter2=hunter2canary",
        "/v1/set-aside/1.0/retry",
    ];
    let own = format!("/v1/deliveries/{id}");
    for path in paths.into_iter().chain([own.as_str()]) {
        let url = format!("http://{}{path}", daemon.addr);
        let answer = client.get(&url).send().await.expect("an answer");
        assert_silent(path, answer.text().await.expect("text").as_bytes());
        let posted = client
            .post(&url)
            .body("{\"hunter2\": ")
            .bearer_auth(CANARY)
            .send()
            .await
            .expect("an answer");
        assert_silent(path, posted.text().await.expect("text").as_bytes());
    }
}
