//! Readings of the rules beside each other: what comes into force when they overlap.

use super::*;
use crate::customer::CustomerId;
use crate::daemon::reload::{Looked, Reading, look};

fn text(name: &str) -> String {
    format!(
        "receivers: {{ hook: [{{ webhook: {{ url: \"{{receivers}}/good\" }} }}] }}\nrules: [{{ name: {name}, when: {{}}, notify: hook }}]\n"
    )
}

/// Two customers with one rule each.
async fn place() -> Place {
    let mut place = Place::with(&[("contoso/a.yaml", text("first")), ("fabrikam/a.yaml", text("first"))]).await;
    place.settings.segment_bytes = 8 << 20;
    place
}

/// Starts the daemon, which then reads its rules only when it is told to.
async fn start(place: &Place) -> Handle {
    let mut daemon = place.start().await.expect("starts");
    daemon._watch = None;
    daemon
}

fn write(place: &Place, path: &str, text: &str) {
    let text = text.replace("{receivers}", &format!("http://127.0.0.1:{}", place.receivers.port));
    std::fs::write(place.dir.path().join("rules").join(path), text).expect("a file");
}

fn folder(name: &str) -> Part {
    Part::Folders([name.to_owned()].into())
}

/// The names of a customer's rules in force.
fn in_force(daemon: &Handle, customer: &str) -> Vec<String> {
    let rules = daemon.ledger.rules();
    let customer = CustomerId::new(customer);
    let files = rules.files_of(&customer);
    files
        .flat_map(|file| &file.rules)
        .map(|rule| rule.name.clone())
        .collect()
}

/// Reads a part, but does not bring into force yet what was found.
async fn looked(place: &Place, daemon: &Handle, part: &Part) -> (Reading, Looked) {
    let deciding = crate::daemon::reload::deciding(&place.settings).expect("settings");
    let reading = daemon.rules.begin(part).await.expect("begins");
    let looked = look(&place.settings.rules, &reading, &deciding, true).expect("is read");
    (reading, looked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_folder_keeps_nobody_waiting_and_comes_into_force_by_itself() {
    let place = place().await;
    let daemon = start(&place).await;
    let large = text("second") + &"# a line of many\n".repeat(15_000);
    write(&place, "fabrikam/a.yaml", &large);
    write(
        &place,
        "fabrikam/b.yaml",
        &("rules: []\n".to_owned() + &"# a line of many\n".repeat(15_000)),
    );
    write(&place, "contoso/a.yaml", &text("second"));
    let (reloaded, left_out) = daemon.rules.reload_small(&Part::Whole).await.expect("is read");
    assert_eq!(
        (reloaded.changed, left_out),
        (vec!["contoso/a.yaml".to_owned()], ["fabrikam".to_owned()].into())
    );
    assert_eq!(
        (in_force(&daemon, "contoso"), in_force(&daemon, "fabrikam")),
        (vec!["second".into()], vec!["first".into()])
    );
    // what was not read is neither broken nor gone
    assert!(reloaded.broken.is_empty() && reloaded.rules == 2);
    assert_eq!(
        daemon.reload().await.expect("is read").changed,
        ["fabrikam/a.yaml", "fabrikam/b.yaml"]
    );
    assert_eq!(in_force(&daemon, "fabrikam"), ["second"]);
    let (_, left_out) = daemon.rules.reload_small(&Part::Whole).await.expect("is read");
    assert!(left_out.is_empty(), "what is the same needs no check");
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_takes_long_takes_nothing_back_that_came_into_force_meanwhile() {
    let place = place().await;
    let daemon = start(&place).await;
    write(&place, "contoso/a.yaml", &text("second"));
    let (reading, found) = looked(&place, &daemon, &folder("contoso")).await;
    // meanwhile somebody else's change is in force, and then a newer one of the same file
    write(&place, "fabrikam/a.yaml", &text("second"));
    daemon.rules.reload(&folder("fabrikam")).await.expect("is read");
    assert_eq!(in_force(&daemon, "fabrikam"), ["second"]);
    let (newer, newest) = {
        write(&place, "contoso/a.yaml", &text("third"));
        looked(&place, &daemon, &folder("contoso")).await
    };
    let (older, old) = looked(&place, &daemon, &Part::Whole).await;
    assert!(daemon.rules.finish(reading, found).await.expect("is written").is_some());
    assert_eq!(
        (in_force(&daemon, "contoso"), in_force(&daemon, "fabrikam")),
        (vec!["second".into()], vec!["second".into()])
    );
    let again = daemon.rules.finish(newer, newest).await.expect("is looked at");
    assert!(again.is_none(), "what it was checked beside is not in force any more");
    write(&place, "contoso/a.yaml", &text("fourth"));
    daemon.rules.reload(&folder("contoso")).await.expect("is read");
    let (reloaded, _) = daemon
        .rules
        .finish(older, old)
        .await
        .expect("is looked at")
        .expect("is used");
    assert!(reloaded.changed.is_empty(), "something newer is in force");
    assert_eq!(
        (in_force(&daemon, "contoso"), in_force(&daemon, "fabrikam")),
        (vec!["fourth".into()], vec!["second".into()])
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_read_beside_another_one_keeps_what_is_known_to_be_broken() {
    let place = place().await;
    let daemon = start(&place).await;
    write(&place, "contoso/a.yaml", "rules: [");
    let (reading, found) = looked(&place, &daemon, &folder("contoso")).await;
    write(&place, "fabrikam/a.yaml", "rules: [");
    let reloaded = daemon.rules.reload(&folder("fabrikam")).await.expect("is read");
    assert_eq!(reloaded.broken, ["fabrikam/a.yaml"]);
    let (reloaded, _) = daemon
        .rules
        .finish(reading, found)
        .await
        .expect("is written")
        .expect("is used");
    assert_eq!(reloaded.broken, ["contoso/a.yaml", "fabrikam/a.yaml"]);
    assert_eq!(daemon.ledger.view().broken().expect("is known").len(), 2);
    daemon.stop().await.expect("stops");
}

/// Letters that cannot be packed much, so that what is on disk shows what is kept.
fn large(name: &str, seed: u64) -> String {
    format!("{}# {}\n", text(name), noise(seed, 150_000))
}

/// What the journal's files take.
fn journal_bytes(place: &Place) -> u64 {
    let files = files_below(&place.state().join("journal")).into_iter();
    files.map(|file| file.metadata().expect("a file").len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_rules_that_decided_nothing_are_given_back_and_others_stay() {
    let mut place = place().await;
    place.settings.segment_bytes = 1 << 20;
    let daemon = start(&place).await;
    write(&place, "contoso/a.yaml", &large("decides", 1));
    daemon.rules.reload(&folder("contoso")).await.expect("is read");
    daemon.hear(vec![update(1, begin())]).await;
    daemon.settled().await;
    for seed in 2..30 {
        write(&place, "contoso/a.yaml", &large(&format!("version {seed}"), seed));
        daemon.rules.reload(&folder("contoso")).await.expect("is read");
    }
    let before = journal_bytes(&place);
    // behind the older of two checkpoints nothing is thinned out
    for _ in 0..3 {
        daemon.hear(vec![update(2, begin())]).await;
        daemon.settled().await;
        daemon.store_renewed().await;
        for seed in 30..36 {
            write(&place, "contoso/a.yaml", &large(&format!("version {seed}"), seed));
            daemon.rules.reload(&folder("contoso")).await.expect("is read");
        }
    }
    daemon.store_renewed().await;
    let after = journal_bytes(&place);
    assert!(
        before > 4 << 20 && after < before / 2 + (1 << 20),
        "{before} bytes, then {after}"
    );
    daemon.stop().await.expect("stops");
    // what is in force is there, from the journal alone, and so is what once decided
    for dir in ["store", "checkpoints"] {
        std::fs::remove_dir_all(place.state().join(dir)).expect("removed");
    }
    let daemon = start(&place).await;
    assert_eq!(in_force(&daemon, "contoso"), ["version 35"]);
    let past = daemon.ledger.past(daemon.ledger.view(), None);
    let event = daemon
        .ledger
        .view()
        .events(None, 10)
        .expect("reads")
        .pop()
        .expect("an event");
    let rules = past.rules_of(event.at).expect("reads").expect("they are kept");
    let names: Vec<_> = rules
        .files_of(&CustomerId::new("contoso"))
        .flat_map(|file| &file.rules)
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(names, ["decides"]);
    daemon.stop().await.expect("stops");
}

/// The versions of a file whose texts are given back, and how many versions there are.
fn given_back(daemon: &Handle, path: &str) -> (Vec<u64>, usize) {
    let view = daemon.ledger.view();
    let mut versions = std::collections::BTreeMap::new();
    for seq in 0..200 {
        for line in view.rule_files_at(seq, path).expect("reads") {
            versions.insert(line.seq, line.given_back);
        }
    }
    let back = versions
        .iter()
        .filter(|(_, back)| **back)
        .map(|(seq, _)| *seq)
        .collect();
    (back, versions.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_decided_an_earlier_event_anew_is_not_given_back() {
    let place = place().await;
    let daemon = start(&place).await;
    daemon.hear(vec![update(1, begin())]).await;
    daemon.settled().await;
    write(&place, "contoso/a.yaml", &text("second"));
    daemon.rules.reload(&folder("contoso")).await.expect("is read");
    // no event comes, but something is decided: as when an event that was set aside is decided again
    let command = crate::record::Command::Retry {
        at: crate::journal::Position { seq: 1, nth: 0 },
    };
    let retry = crate::record::Input::Commanded {
        by: "operator".to_owned(),
        command,
    };
    daemon.ledger.record(vec![retry], None).await.expect("is recorded");
    daemon.settled().await;
    for name in ["third", "fourth"] {
        write(&place, "contoso/a.yaml", &text(name));
        daemon.rules.reload(&folder("contoso")).await.expect("is read");
    }
    let (back, versions) = given_back(&daemon, "contoso/a.yaml");
    assert_eq!(
        (back.len(), versions),
        (1, 4),
        "only the third decided nothing: {back:?}"
    );
    daemon.stop().await.expect("stops");
}
