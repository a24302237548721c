//! Providers whose clocks are wrong: a wild time silences nothing that comes after it.

use super::*;
use crate::incident::IncidentId;

const RULES: &str = "receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\n\
    rules:\n  - { name: All, when: {}, notify: good }\n";

fn says(text: &str, published: Time) -> Event {
    Event {
        tracking_id: "LIAR".to_owned(),
        title: text.to_owned(),
        text: text.to_owned(),
        ..update(1, published)
    }
}

fn titles(place: &Place) -> Vec<String> {
    let got = place.receivers.take().into_iter();
    got.map(|got| {
        let body: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
        body["title"].as_str().expect("text").to_owned()
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_an_event_that_is_dated_far_ahead_is_told() {
    let place = Place::with(&[("rules.yaml", RULES.to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    let ahead = [
        begin() + chrono::Duration::days(2),
        "2099-01-01T00:00:00Z".parse().expect("a time"),
    ];
    for wild in ahead
        .into_iter()
        .chain(["9998-12-31T00:00:00Z".parse().expect("a time")])
    {
        let said = format!("said to be of {wild}");
        daemon.hear(vec![says(&said, wild)]).await;
        place.pass(&daemon, 60).await;
        assert_eq!(titles(&place), [said.as_str()]);
        let later = format!("later than {wild}");
        daemon.hear(vec![says(&later, place.clock_now())]).await;
        place.pass(&daemon, 60).await;
        assert_eq!(
            titles(&place),
            [later.as_str()],
            "it is no older news than what was dated far ahead"
        );
        // the same again, also after other news, is the same
        daemon.hear(vec![says(&said, wild)]).await;
        place.pass(&daemon, 60).await;
        assert_eq!(titles(&place), Vec::<String>::new());
    }
    let entries = daemon
        .ledger
        .view()
        .entries(&IncidentId::of(&says("", begin())))
        .expect("reads");
    let first = &entries[0];
    assert_eq!(
        (first.published, first.published_said),
        (begin(), Some(ahead[0])),
        "its own word is kept beside"
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_less_than_a_day_ahead_is_taken_at_its_word() {
    let place = Place::with(&[("rules.yaml", RULES.to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    let day = begin() + chrono::Duration::days(1);
    daemon.hear(vec![says("to the second a day ahead", day)]).await;
    daemon
        .hear(vec![says("a second more", day + chrono::Duration::seconds(1))])
        .await;
    daemon.settled().await;
    let entries = daemon
        .ledger
        .view()
        .entries(&IncidentId::of(&says("", begin())))
        .expect("reads");
    let published: Vec<Time> = entries.iter().map(|entry| entry.published).collect();
    assert_eq!(published, [begin(), day]);
    daemon.stop().await.expect("stops");
}
