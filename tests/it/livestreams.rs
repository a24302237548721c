//! Invitations to the sessions of one retrospective, as its communications follow each other: who gets a mail again,
//! and which entry of the calendar it changes.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Mail, World};

const RULES: &str = "
receivers:
  leads: { to: [{ email: ada@contoso.example }], zone: Europe/Berlin }
rules:
  - { name: Livestreams, when: { event type: Service issue }, invite: leads, settle: 0s }
";

const SAMPLE: &str = include_str!("../fixtures/samples/synthetic/azure-legacy-incident-rca-retrospective-invite.json");

/// A communication of the retrospective: published at this minute, with these sessions of December 2026.
fn communication(minute: u32, sessions: &[&str], link: &str, words: &str) -> String {
    let mut body: serde_json::Value = serde_json::from_str(SAMPLE).expect("JSON");
    let log = &mut body["data"]["context"]["activityLog"];
    let time = format!("2026-11-24T09:{minute:02}:00Z");
    (log["eventTimestamp"], log["submissionTimestamp"]) = (time.clone().into(), time.into());
    let items: String = sessions
        .iter()
        .map(|one| format!("<li>{one} December 2026</li>"))
        .collect();
    let html = format!(
        "<p>You are invited to an Azure Incident Retrospective livestream.</p><p>{words}</p><ul>{items}</ul>\
         <p>Register for either session: <a href=\"{link}\">{link}</a></p>"
    );
    let properties = &mut log["properties"];
    properties["communicationId"] = format!("110000{minute}").into();
    (properties["communication"], properties["defaultLanguageContent"]) = (html.clone().into(), html.into());
    body.to_string()
}

/// The mails that a communication led to: `start UID-letter`, the letters in the order in which UIDs came.
struct Calendar {
    world: World,
    seen: BTreeSet<String>,
    letters: BTreeMap<String, char>,
}

impl Calendar {
    async fn new() -> Self {
        Self {
            world: World::with(&[("contoso/rules.yaml", RULES)]).await,
            seen: BTreeSet::new(),
            letters: BTreeMap::new(),
        }
    }

    async fn hear(&mut self, body: String) -> Vec<String> {
        let (status, answer) = self.world.post("/v1/events", body).await;
        assert_eq!(status, 202, "{answer}");
        self.world.pass(1).await;
        let mut mails: Vec<Mail> = self.world.mails();
        mails.retain(|mail| self.seen.insert(mail.id.clone()));
        let calendars = mails.iter().filter_map(|mail| mail.calendar.as_deref());
        let mut calendars: Vec<String> = calendars.map(|one| one.replace('\r', "").replace("\n ", "")).collect();
        calendars.sort_by_key(|one| one.lines().find(|line| line.starts_with("DTSTART")).map(str::to_owned));
        let mut told: Vec<String> = calendars.iter().map(|calendar| self.line(calendar)).collect();
        told.sort();
        told
    }

    fn line(&mut self, calendar: &str) -> String {
        let value = |key: &str| {
            let line = calendar.lines().find(|line| line.starts_with(key)).expect("a line");
            line[key.len()..].trim().to_owned()
        };
        let next = char::from(b'a' + u8::try_from(self.letters.len()).expect("few"));
        let letter = *self.letters.entry(value("UID:")).or_insert(next);
        format!("{} {letter}", &value("DTSTART:202612")[..5])
    }
}

const LINK: &str = "https://aka.ms/AIR/0NTJ-VV8/RSVP";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_keeps_its_entry_in_the_calendar_and_only_changes_are_mailed() {
    let mut calendar = Calendar::new().await;
    let two = ["15:00 UTC on 10", "20:00 UTC on 11"];
    let first = calendar.hear(communication(1, &two, LINK, "Join us.")).await;
    assert_eq!(first, ["10T15 a", "11T20 b"]);
    let reworded = calendar.hear(communication(2, &two, LINK, "Please join us.")).await;
    assert_eq!(reworded, [""; 0], "reworded");
    let three = ["09:00 UTC on 9", two[0], two[1]];
    let inserted = calendar.hear(communication(3, &three, LINK, "One more.")).await;
    assert_eq!(inserted, ["09T09 c"], "one inserted before the others");
    let turned = [two[1], two[0], three[0]];
    let turned = calendar.hear(communication(4, &turned, LINK, "Another order.")).await;
    assert_eq!(turned, [""; 0], "in another order");
    let moved = ["09:00 UTC on 9", "17:00 UTC on 10", two[1]];
    let moved = calendar.hear(communication(5, &moved, LINK, "Moved.")).await;
    assert_eq!(moved, ["10T17 a"], "one moved");
    let back = calendar.hear(communication(6, &three, LINK, "Moved back.")).await;
    assert_eq!(back, ["10T15 a"], "moved back");
    let removed = calendar.hear(communication(7, &two, LINK, "One less.")).await;
    assert_eq!(removed, [""; 0], "one removed");
    let elsewhere = calendar
        .hear(communication(8, &two, "https://aka.ms/AIR/other", "Elsewhere."))
        .await;
    assert_eq!(elsewhere, ["10T15 a", "11T20 b"], "another link");
    let again = calendar
        .hear(communication(9, &two, "https://aka.ms/AIR/other", "As before."))
        .await;
    assert_eq!(again, [""; 0], "reworded after that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_remembered_outlives_a_restart() {
    let mut calendar = Calendar::new().await;
    let two = ["15:00 UTC on 10", "20:00 UTC on 11"];
    let three = ["09:00 UTC on 9", two[0], two[1]];
    calendar.hear(communication(1, &two, LINK, "Join us.")).await;
    assert_eq!(
        calendar.hear(communication(2, &three, LINK, "One more.")).await,
        ["09T09 c"]
    );
    calendar.world.stop().await;
    calendar.world.start().await;
    let all_moved = ["10:00 UTC on 9", "16:00 UTC on 10", "21:00 UTC on 11"];
    assert_eq!(
        calendar
            .hear(communication(3, &all_moved, LINK, "An hour later."))
            .await,
        ["09T10 c", "10T16 a", "11T21 b"]
    );
}

/// The rules that `tests/fixtures/state-3.tar.zst` was written under, by the version before sessions had numbers of their
/// own (journal format 3, store schema 5): it had sent the invitations to two sessions, and gathered an update.
const FORMER_RULES: &str = "
receivers:
  leads: { to: [{ email: ada@contoso.example }], zone: Europe/Berlin }
rules:
  - { name: Livestreams, when: { event type: Service issue }, invite: leads, settle: 0s }
  - { name: Updates, when: { kind: update }, notify: leads, settle: 1h }
";

/// How many days and seconds after the beginning of time by hand it was stopped.
const STOPPED_AFTER: i64 = 4 * 86_400 + 18 * 3_600 + 11 * 60;

/// The UIDs of all invitations that were sent.
fn uids(world: &World) -> BTreeMap<String, usize> {
    let mut uids = BTreeMap::new();
    for calendar in world.mails().iter().filter_map(|mail| mail.calendar.as_deref()) {
        let uid = calendar.lines().find(|line| line.starts_with("UID:")).expect("a UID");
        *uids.entry(uid.to_owned()).or_default() += 1;
    }
    uids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invitations_that_the_version_before_sent_keep_their_uids_and_what_it_gathered_is_told() {
    for without in [&[][..], &["store", "store.boot", "store.clean"][..]] {
        let mut world = World::with(&[("contoso/rules.yaml", FORMER_RULES)]).await;
        world.stop().await;
        std::fs::remove_dir_all(world.state()).expect("is removed");
        let packed = std::fs::File::open("tests/fixtures/state-3.tar.zst").expect("a fixture");
        let unpacked = zstd::Decoder::new(packed).expect("is packed");
        tar::Archive::new(unpacked).unpack(world.state()).expect("unpacks");
        for name in without {
            let path = world.state().join(name);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.expect("is removed");
        }
        world.clock.advance(chrono::Duration::seconds(STOPPED_AFTER));
        world.start().await;
        world.pass(1).await;
        let before = uids(&world);
        assert_eq!(
            (before.len(), before.values().sum::<usize>()),
            (2, 2),
            "nothing is sent again"
        );
        // a session is put before the others: they keep their entries, and only the new one is mailed
        let sessions = ["09:00 UTC on 10", "15:00 UTC on 10", "01:00 UTC on 11"];
        let body = communication(2, &sessions, "https://aka.ms/AIR/RSVP", "Three times.");
        assert_eq!(world.post("/v1/events", body).await.0, 202);
        world.pass(1).await;
        let after = uids(&world);
        assert_eq!((after.len(), after.values().sum::<usize>()), (3, 3));
        assert!(before.keys().all(|uid| after.contains_key(uid)));
        let messages = |world: &World| world.mails().iter().filter(|mail| mail.calendar.is_none()).count();
        assert_eq!(messages(&world), 0);
        world.pass(3_600).await;
        assert_eq!(messages(&world), 1, "what gathered is told");
    }
}
