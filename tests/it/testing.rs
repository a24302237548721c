//! Sending tests and asking how the daemon is: the real daemon, the real command line, real receivers.

use assert_cmd::Command;
use serde_json::Value;

use crate::world::{Azure, World};

const RULES: &str = "receivers:\n  oncall: [{ webhook: '{hooks}/oncall' }]\n  team: [{ teams: '{hooks}/teams' }]\n  \
                     chat: [{ slack: '{hooks}/slack' }]\n  ada: [{ email: ada@contoso.example }]\n\
                     rules: [{ name: All, when: {}, notify: oncall }]\n";

/// What a command says to a daemon that goes on meanwhile: exit code, what it printed, what it complained of.
async fn typed(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command
        .env_clear()
        .env("BELLWETHER_SERVER", world.url(""))
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("runs"));
    let output = output.await.expect("ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().expect("a code"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_arrives_marked_in_every_medium_and_tells_nobody_of_an_incident() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    for (receiver, path) in [("oncall", "oncall"), ("team", "teams"), ("chat", "slack")] {
        let (code, out, err) = typed(&world, &["send-test", "contoso", receiver]).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(
            out.starts_with(&format!("contoso/{receiver} (")) && out.contains("delivered after"),
            "{out}"
        );
        let got = world.hooks.got(path);
        assert_eq!(got.len(), 1);
        let body = got[0].body.to_string();
        assert!(body.contains("TEST: nothing has happened"), "{body}");
    }
    let body = &world.hooks.got("oncall")[0].body;
    assert_eq!((&body["test"], &body["provider"]), (&true.into(), &"bellwether".into()));
    assert!(
        body["subject"]
            .as_str()
            .is_some_and(|subject| subject.starts_with("[Test] ")),
        "{body}"
    );
    let (code, out, err) = typed(&world, &["send-test", "contoso", "ada", "--as", "review"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let mail = world.mails().pop().expect("a mail");
    assert!(
        mail.subject.starts_with("[Test] ") && mail.text.contains("Nothing has happened"),
        "{mail:?}"
    );
    for list in ["/v1/events", "/v1/incidents"] {
        let answer = world.get(list).await;
        let all = answer
            .as_object()
            .expect("an object")
            .values()
            .find_map(Value::as_array);
        assert_eq!(all.map(Vec::len), Some(0), "{list}: {answer}");
    }
    assert!(!world.page("/").await.1.contains("TEST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_invitation_is_an_invitation_that_says_that_it_is_a_test() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    let (code, out, err) = typed(&world, &["send-test", "contoso", "ada", "--as", "invitation"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let mail = world.mails().pop().expect("a mail");
    let calendar = mail.calendar.expect("an invitation").replace("\r\n ", "");
    for line in [
        "METHOD:REQUEST",
        "SUMMARY:TEST: nothing has happened",
        "DTSTART:20261125T090000Z",
        "DTEND:20261125T091500Z",
    ] {
        assert!(calendar.contains(line), "{line}:\n{calendar}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_fails_is_said_to_fail_and_is_over_after_ten_minutes() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    world.hooks.answer("oncall", &[400]);
    let (code, out, _) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert!(
        code == 1 && out.contains("contoso/oncall (webhook): dead: refused"),
        "{out}"
    );
    world.hooks.answer("oncall", &[503; 30]);
    let (code, out, _) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert!(code == 1 && out.contains("failed, and is tried again: "), "{out}");
    let hint = out.split('`').nth(1).expect("a command").to_owned();
    let (code, listed, _) = typed(&world, &hint.split(' ').skip(1).collect::<Vec<_>>()).await;
    assert!(code == 0 && listed.contains("contoso/oncall"), "{listed}");
    for _ in 0..15 {
        world.pass(60).await;
    }
    assert!(world.deliveries("scheduled").await.is_empty());
    assert_eq!(world.deliveries("dead").await.len(), 2);
    world.pass(4 * 24 * 3_600).await;
    assert!(world.hooks.got("oncall").len() < 10, "nothing comes days later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_waits_behind_nothing_that_waits_for_a_receiver_that_failed() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    world.hooks.answer("oncall", &[503]);
    world.hear(&Azure::active().json()).await;
    world.pass(11).await;
    assert_eq!(world.deliveries("scheduled").await.len(), 1, "it is tried again later");
    let (code, out, err) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(
        world.deliveries("scheduled").await.len(),
        1,
        "the other one keeps its time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_forgotten_with_its_retention_and_stays_forgotten() {
    let settings = "retention: { deliveries: 1 day, events: 1 day, reviews: 1 day }\n";
    let mut world = World::with_settings(settings, &[("contoso/a.yaml", RULES)]).await;
    let (code, out, err) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(world.deliveries("delivered").await.len(), 1);
    world.pass(3 * 24 * 3_600).await;
    assert!(world.deliveries("delivered").await.is_empty());
    world.stop().await;
    world.start().await;
    assert!(world.deliveries("delivered").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_was_asked_for_before_a_restart_is_sent_after_it() {
    let mut world = World::with(&[("contoso/a.yaml", RULES)]).await;
    world.hooks.answer("oncall", &[503]);
    let (code, ..) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert_eq!(code, 1);
    world.stop().await;
    world.start().await;
    world.pass(10).await;
    let got = world.hooks.got("oncall");
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].bytes, got[1].bytes, "the same content and id at each attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_one_screen_and_its_exit_code_says_whether_it_needs_a_person() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    let (code, out, err) = typed(&world, &["status"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("rules     1 rule in 1 file of 1 customer, none broken\n"),
        "{out}"
    );
    assert!(
        out.ends_with("\nnothing needs a person\n") && out.lines().all(|line| line.chars().count() <= 100),
        "{out}"
    );
    world.hooks.answer("oncall", &[400]);
    world.hear(&Azure::active().json()).await;
    world.pass(11).await;
    let (code, out, _) = typed(&world, &["status"]).await;
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("\nheard     azure as azure-activity-log-webhook: "),
        "{out}"
    );
    assert!(
        out.contains("\nneeds a person: contoso/oncall (webhook) has failed for 1 min: "),
        "{out}"
    );
    assert!(
        out.contains("\n  hint: `bellwether send-test contoso oncall` tries it now; `bellwether redeliver dlv_"),
        "{out}"
    );
    for json in [&["status", "--json"][..], &["status", "--format", "json"]] {
        let (code, out, _) = typed(&world, json).await;
        let status: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &status["failing"][0]["refused"]), (1, &true.into()), "{out}");
    }
    let (code, out, _) = typed(&world, &["send-test", "contoso", "oncall"]).await;
    assert_eq!(code, 0, "it works again: {out}");
    assert_eq!(typed(&world, &["status"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_told_once_of_a_receiver_that_fails_and_once_that_it_is_back() {
    let settings = "contact: ops@contoso.example\n";
    let world = World::with_settings(settings, &[("contoso/a.yaml", RULES)]).await;
    world.hooks.answer("oncall", &[503; 12]);
    world.hear(&Azure::active().json()).await;
    for _ in 0..(10 * 60) {
        world.pass(60).await;
        if world.hooks.got("oncall").len() == 12 {
            break;
        }
    }
    let subjects = |world: &World| -> Vec<String> {
        let mut subjects: Vec<String> = world.mails().into_iter().map(|mail| mail.subject).collect();
        subjects.sort();
        subjects
    };
    let expected = "[Receiver fails] The receiver `oncall` does not take what it is told";
    assert_eq!(subjects(&world), [expected]);
    assert!(
        world.mails()[0].text.contains("contoso") && world.mails()[0].text.contains("503"),
        "{:?}",
        world.mails()[0]
    );
    for _ in 0..90 {
        world.pass(60).await;
    }
    assert!(world.deliveries("scheduled").await.is_empty(), "it is back");
    let back = "[Receiver works again] The receiver `oncall` takes what it is told again";
    assert_eq!(subjects(&world), [expected, back]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_in_the_histogram_with_the_time_it_gathered() {
    let world = World::with(&[("contoso/a.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(11).await;
    typed(&world, &["send-test", "contoso", "oncall"]).await;
    let metrics = reqwest::get(world.url("/metrics"))
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    for line in [
        "bellwether_event_to_wire_seconds_count 1",
        "bellwether_event_to_wire_seconds_bucket{le=\"5.0\"} 0",
        "bellwether_event_to_wire_seconds_bucket{le=\"15.0\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
}
