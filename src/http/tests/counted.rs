//! What is counted, as Prometheus reads it.

use super::*;
use crate::clock::Time;

impl Place {
    /// The metrics, as whoever accepts this is answered.
    async fn metrics(&self, accept: Option<&str>) -> Answer {
        let mut request = Request::get("/metrics");
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        self.ask(LOCAL, request.body(Body::empty()).expect("a request")).await
    }
}

#[tokio::test]
async fn metrics_are_plain_text_unless_openmetrics_is_asked_for() {
    let place = Place::open(Settings::default());
    for accept in [None, Some("*/*"), Some("text/plain;version=0.0.4")] {
        let answer = place.metrics(accept).await;
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert!(!answer.text.contains("# EOF"), "{accept:?}");
    }
    let answer = place
        .metrics(Some("application/openmetrics-text;version=1.0.0,*/*;q=0.1"))
        .await;
    assert!(
        answer
            .header(header::CONTENT_TYPE)
            .starts_with("application/openmetrics-text")
    );
    assert!(answer.text.ends_with("# EOF\n"));
}

/// What `promtool check metrics` looks at, as far as it matters to whoever reads the text: each family is announced once,
/// by help and type, before its samples; counters end in `_total`, and nothing else does; no sample is there twice.
fn check_prometheus_text(text: &str) -> BTreeMap<String, f64> {
    let (mut types, mut helps, mut samples) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    assert!(text.ends_with('\n'), "the last line has an end");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, what) = help.split_once(' ').expect("a name and a text");
            assert!(helps.insert(name.to_owned()) && !what.trim().is_empty(), "{line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(helps.contains(name), "help comes first: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "once: {line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
        let name = sample.split('{').next().expect("a name");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()),
            "{line}"
        );
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let family = family.filter(|family| types.get(*family).is_some_and(|kind| kind == "histogram"));
        assert!(
            types.contains_key(family.unwrap_or(name)),
            "a sample of no family: {line}"
        );
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(sample.to_owned(), value).is_none(), "once: {line}");
    }
    samples
}

#[tokio::test]
async fn what_is_dead_what_waits_and_how_long_it_took_is_counted_in_text_that_prometheus_reads() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    let before = check_prometheus_text(&place.metrics(None).await.text);
    for reason in ["expired", "refused", "receiver-gone", "superseded"] {
        assert_eq!(
            before[&format!("bellwether_dead_deliveries_total{{reason=\"{reason}\"}}")],
            0.0
        );
    }
    assert_eq!(before["bellwether_oldest_waiting_seconds"], 0.0);
    place.told(alert("X-1", A, "Title \"quoted\"", "Text")).await;
    place.clock.advance(chrono::Duration::seconds(30));
    let waiting = check_prometheus_text(&place.metrics(None).await.text);
    assert_eq!(waiting["bellwether_oldest_waiting_seconds"], 30.0);
    place.refuse_delivery("no such mailbox").await;
    let heard: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
    for milliseconds in [400, 10_500, 90_000_000] {
        place
            .ledger
            .figures()
            .put_on_the_wire(heard, heard + chrono::Duration::milliseconds(milliseconds));
    }
    let after = check_prometheus_text(&place.metrics(None).await.text);
    for (sample, value) in [
        ("bellwether_dead_deliveries_total{reason=\"refused\"}", 1.0),
        ("bellwether_dead_deliveries_total{reason=\"expired\"}", 0.0),
        ("bellwether_oldest_waiting_seconds", 0.0),
        ("bellwether_endpoints_failing", 1.0),
        ("bellwether_event_to_wire_seconds_bucket{le=\"0.5\"}", 1.0),
        ("bellwether_event_to_wire_seconds_bucket{le=\"11.0\"}", 2.0),
        ("bellwether_event_to_wire_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("bellwether_event_to_wire_seconds_count", 3.0),
        ("bellwether_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(after.get(sample), Some(&value), "{sample}: {after:#?}");
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(after.get(name).is_some_and(|value| *value > 0.0), "{name}: {after:#?}");
    }
}
