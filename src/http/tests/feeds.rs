//! Feeds: what is in them, who opens them, and what a reader is answered that has them already.

use atom_syndication::Feed;
use axum::http::{StatusCode, header};
use serde_json::Value;

use super::{A, B, LOCAL, REMOTE, Settings, Two, alert, settings_of_two, two_customers};
use crate::customer::CustomerId;

async fn opened() -> Two {
    let settings = Settings {
        public_url: Some("https://health.example/base".parse().expect("a URL")),
        ..settings_of_two()
    };
    Two::open(settings).await
}

impl Two {
    async fn hear(&self, body: String) {
        let answer = self
            .place
            .with_token(LOCAL, "POST", "/v1/events", "may-post", body)
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        self.place.ledger.idle().await;
    }
}

/// A maintenance as Azure announces it.
fn maintenance(stage: &str, start: &str, end: &str, at: &str) -> String {
    let mut body: Value =
        serde_json::from_str(&alert("MAINT-1", A, "Maintenance of SQL", "<p>We patch.</p>")).expect("JSON");
    let log = &mut body["data"]["context"]["activityLog"];
    log["eventTimestamp"] = at.into();
    log["operationName"] = "Microsoft.ServiceHealth/maintenance/action".into();
    let properties = &mut log["properties"];
    properties["incidentType"] = "Maintenance".into();
    properties["stage"] = stage.into();
    properties["communication"] = format!("<p>We patch: {stage}.</p>").into();
    properties["defaultLanguageContent"] = format!("<p>We patch: {stage}.</p>").into();
    properties["impactStartTime"] = start.into();
    properties["impactMitigationTime"] = end.into();
    body.to_string()
}

#[tokio::test]
async fn a_customers_health_history_is_a_feed_with_an_entry_for_each_communication() {
    let two = opened().await;
    two.hear(alert(
        "CONTOSO-1",
        A,
        "Trouble at contoso",
        "<p>Better <b onclick='x()'>now</b>.</p><script>x()</script>",
    ))
    .await;
    let name = two.place.links.feed(&CustomerId::new("contoso"), 0);
    let path = format!("/feeds/{name}.atom");
    let answer = two.place.browse(REMOTE, &path, &[]).await;
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "application/atom+xml; charset=utf-8"
    );
    let feed: Feed = answer.text.parse().expect("Atom");
    assert_eq!(feed.entries().len(), 2, "{}", answer.text);
    assert_eq!(
        feed.links()[0].href(),
        format!("https://health.example/base/feeds/{name}.atom")
    );
    let entry = &feed.entries()[0];
    assert!(
        entry.links()[0]
            .href()
            .starts_with("https://health.example/base/incidents/CONTOSO-1?provider=azure&link=")
    );
    let html = entry.content().and_then(|content| content.value()).expect("content");
    assert!(
        !answer.text.contains("onclick") && !answer.text.contains("script"),
        "{html}"
    );
    let ids: Vec<String> = feed.entries().iter().map(|entry| entry.id().to_owned()).collect();
    assert_ne!(ids[0], ids[1]);
    // the link of an entry opens its incident
    let link = entry.links()[0]
        .href()
        .trim_start_matches("https://health.example/base")
        .to_owned();
    assert_eq!(two.place.browse(REMOTE, &link, &[]).await.status, StatusCode::OK);
    let json = two
        .place
        .browse(REMOTE, &format!("/feeds/{name}.json"), &[])
        .await
        .json();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(json["items"][0]["id"], ids[0].as_str());
}

#[tokio::test]
async fn a_feed_is_filtered_as_the_page_is_and_a_wrong_filter_is_answered_the_same() {
    let two = opened().await;
    two.hear(alert(
        "CONTOSO-1",
        A,
        "Trouble at contoso",
        "<p>Gateways are better.</p>",
    ))
    .await;
    let name = two.place.links.feed(&CustomerId::new("contoso"), 0);
    let ask = |path: String| {
        let place = &two.place;
        async move {
            place
                .with_token(LOCAL, "GET", &path, "contoso-reads", String::new())
                .await
        }
    };
    for (query, count) in [
        ("type=Service+issue", 2),
        ("type=incident", 2),
        ("type=Billing", 0),
        ("kind=update", 2),
        ("kind=final+review", 0),
        (&*format!("account={}", A.to_uppercase()), 2),
        (&*format!("account={B}"), 0),
        ("service=no+such", 0),
        ("state=investigating", 2),
        ("state=closed,mitigated", 0),
        ("q=gateways", 2),
        ("q=contoso-1", 2),
        ("q=elsewhere", 0),
        ("since=2017-10-18", 2),
        ("since=2017-10-19", 0),
        ("until=2017-10-17", 0),
    ] {
        let answer = ask(format!("/feeds/{name}.json?{query}")).await;
        assert_eq!(answer.json()["items"].as_array().map(Vec::len), Some(count), "{query}");
        let listed = ask(format!("/v1/incidents?{query}")).await.json();
        let mut listed = listed["incidents"].as_array().expect("a list").iter();
        let is_listed = listed.any(|one| one["tracking_id"] == "CONTOSO-1");
        assert_eq!(is_listed, count > 0, "the list agrees: {query}");
    }
    for query in [
        "type=x".to_owned(),
        "state=done".to_owned(),
        "kind=memo".to_owned(),
        "since=yesterday".to_owned(),
        "q=-".to_owned(),
        format!("q={}", "x".repeat(60_000)),
        format!("region={}", "x,".repeat(51)),
        "since=2026-11-02&until=2026-11-01".to_owned(),
    ] {
        let shown: String = query.chars().take(40).collect();
        let listed = ask(format!("/v1/incidents?{query}")).await;
        for ending in ["json", "atom", "ics"] {
            let answer = ask(format!("/feeds/{name}.{ending}?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
            assert_eq!(answer.text, listed.text, "{shown}");
        }
    }
    let answer = ask(format!("/feeds/{name}.json?colour=red")).await;
    assert!(
        answer.status == StatusCode::BAD_REQUEST && answer.text.contains("known here: q, type, state"),
        "{}",
        answer.text
    );
    let whole = ask(format!("/feeds/{name}.atom")).await;
    let filtered = ask(format!("/feeds/{name}.atom?state=investigating")).await;
    assert!(
        !whole.header(header::LAST_MODIFIED).is_empty() && filtered.header(header::LAST_MODIFIED).is_empty(),
        "what a filter lets through changes by the clock, too"
    );
}

#[tokio::test]
async fn who_has_a_feed_already_is_told_so_until_something_new_is_heard() {
    let two = opened().await;
    let path = format!("/feeds/{}.atom", two.place.links.feed(&CustomerId::new("contoso"), 0));
    let first = two.place.browse(REMOTE, &path, &[]).await;
    let (etag, modified) = (
        first.header(header::ETAG).to_owned(),
        first.header(header::LAST_MODIFIED).to_owned(),
    );
    let ask = |name: &'static str, value: String| {
        let (place, path) = (&two.place, &path);
        async move { place.browse(REMOTE, path, &[(name, &value)]).await }
    };
    for (name, value, expected) in [
        ("if-none-match", etag.clone(), 304),
        ("if-none-match", format!("\"x\", W/{etag}"), 304),
        ("if-none-match", "\"x\"".to_owned(), 200),
        ("if-modified-since", modified.clone(), 304),
        ("if-modified-since", "Tue, 01 Jan 2019 00:00:00 GMT".to_owned(), 200),
        ("if-modified-since", "yesterday".to_owned(), 200),
    ] {
        let answer = ask(name, value.clone()).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}: {value}");
        assert!(expected == 200 || answer.text.is_empty() && answer.header(header::ETAG) == etag);
    }
    two.place.clock.advance(chrono::Duration::minutes(5));
    two.hear(alert("CONTOSO-1", A, "Trouble at contoso", "<p>More.</p>"))
        .await;
    assert_eq!(ask("if-none-match", etag).await.status, StatusCode::OK);
    assert_eq!(ask("if-modified-since", modified).await.status, StatusCode::OK);
}

#[tokio::test]
async fn planned_maintenance_is_a_calendar_whose_entries_move_and_are_struck_out() {
    let two = opened().await;
    let path = format!("/feeds/{}.ics", two.place.links.feed(&CustomerId::new("contoso"), 0));
    let lines = || async {
        let answer = two.place.browse(REMOTE, &path, &[]).await;
        assert!(
            answer.header(header::CONTENT_TYPE).starts_with("text/calendar"),
            "{}",
            answer.text
        );
        let unfolded = answer.text.replace("\r\n ", "");
        unfolded.split("\r\n").map(str::to_owned).collect::<Vec<String>>()
    };
    let line = |lines: &[String], key: &str| {
        lines
            .iter()
            .find(|line| line.starts_with(key))
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(line(&lines().await, "BEGIN:VEVENT"), "", "an issue is no maintenance");
    two.hear(maintenance(
        "Planned",
        "2026-12-01T22:00:00Z",
        "2026-12-02T02:00:00Z",
        "2026-11-24T08:00:00Z",
    ))
    .await;
    let planned = lines().await;
    assert_eq!(line(&planned, "DTSTART"), "DTSTART:20261201T220000Z", "{planned:#?}");
    assert_eq!(line(&planned, "SEQUENCE"), "SEQUENCE:0");
    two.hear(maintenance(
        "Rescheduled",
        "2026-12-03T22:00:00Z",
        "2026-12-04T02:00:00Z",
        "2026-11-24T08:10:00Z",
    ))
    .await;
    let moved = lines().await;
    assert_eq!(
        (line(&moved, "DTSTART"), line(&moved, "SEQUENCE")),
        ("DTSTART:20261203T220000Z".into(), "SEQUENCE:1".into())
    );
    two.hear(maintenance(
        "Canceled",
        "2026-12-03T22:00:00Z",
        "2026-12-04T02:00:00Z",
        "2026-11-24T08:20:00Z",
    ))
    .await;
    let canceled = lines().await;
    assert_eq!(
        (line(&canceled, "STATUS"), line(&canceled, "SEQUENCE")),
        ("STATUS:CANCELLED".into(), "SEQUENCE:2".into())
    );
    let uids = [&planned, &moved, &canceled].map(|lines| line(lines, "UID:"));
    assert!(
        uids[0] == uids[1] && uids[1] == uids[2] && !uids[0].is_empty(),
        "{uids:?}"
    );
}

#[tokio::test]
async fn addresses_are_listed_for_who_may_read_and_taken_back_by_another_generation() {
    let two = opened().await;
    let place = &two.place;
    let listed = |token: &'static str| async move {
        place
            .with_token(LOCAL, "GET", "/v1/feeds", token, String::new())
            .await
            .json()["feeds"]
            .clone()
    };
    assert_eq!(listed("may-read").await.as_array().map(Vec::len), Some(2));
    let own = listed("contoso-reads").await;
    assert_eq!(own.as_array().map(Vec::len), Some(1), "{own}");
    let atom = own[0]["atom"].as_str().expect("an address");
    let path = atom
        .strip_prefix("https://health.example/base")
        .expect("absolute")
        .to_owned();
    assert_eq!(place.browse(REMOTE, &path, &[]).await.status, StatusCode::OK);
    let page = place.browse(LOCAL, "/feeds?token=contoso-reads", &[]).await;
    assert!(
        page.text.contains(path.trim_start_matches('/')) && !page.text.contains("fabrikam"),
        "{}",
        page.text
    );
    for altered in [
        path.replace("contoso", "fabrikam"),
        path.replace(".atom", ".xml"),
        path.replace("~", "~A"),
    ] {
        assert_eq!(
            place.browse(REMOTE, &altered, &[]).await.status,
            StatusCode::NOT_FOUND,
            "{altered}"
        );
    }
    let mut customers = two_customers();
    let known = customers.by_name.as_mut().expect("customers");
    known
        .get_mut(&CustomerId::new("contoso"))
        .expect("contoso")
        .feed_generation = 1;
    place.rules(&[("contoso/rules.yaml", "rules: []\n")], customers).await;
    assert_eq!(place.browse(REMOTE, &path, &[]).await.status, StatusCode::NOT_FOUND);
    let again = listed("contoso-reads").await[0]["atom"].clone();
    assert!(again.is_string() && again != own[0]["atom"], "{again}");
}
