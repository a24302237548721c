//! Events as Azure posts them: of the length that is asked for, with a text of their own or one that others have, too.

/// A body begins like this, up to the id of the subscription.
const HEAD: &str = r#"{"schemaId":"Microsoft.Insights/activityLogs","data":{"status":"Activated","properties":{},"context":{"activityLog":{"eventSource":"ServiceHealth","eventTimestamp":"2026-11-24T08:50:00Z","level":"Warning","operationName":"Microsoft.ServiceHealth/incident/action","status":"Active","subscriptionId":""#;

/// From the subscription to the tracking id.
const MIDDLE: &str = r#"","properties":{"title":"Virtual Machines in East US may be unreachable","incidentType":"Incident","impactStartTime":"2026-11-24T08:40:00Z","stage":"Active","impactedServices":"[{\"ImpactedRegions\":[{\"RegionName\":\"East US\"}],\"ServiceName\":\"Virtual Machines\"}]","trackingId":""#;

/// From the tracking id to the text.
const LAST: &str = r#"","communication":""#;

/// After the text.
const TAIL: &str = r#""}}}}}"#;

/// The subscription where any will do.
const SUBSCRIPTION: &str = "11111111-aaaa-4bbb-8ccc-111111111111";

/// A text that is no longer than it needs to be.
const SHORT: &str = "<p>Starting at 08:40 UTC, connections to Virtual Machines in East US may fail.</p>";

/// A paragraph has about so many bytes.
const PARAGRAPH_BYTES: usize = 500;

/// What texts are made of.
const WORDS: [&str; 32] = [
    "customers",
    "connections",
    "failures",
    "latency",
    "requests",
    "storage",
    "virtual",
    "machines",
    "network",
    "the",
    "impact",
    "mitigated",
    "deployment",
    "region",
    "errors",
    "and",
    "engineers",
    "identified",
    "a",
    "subset",
    "of",
    "resources",
    "update",
    "within",
    "minutes",
    "we",
    "are",
    "investigating",
    "cause",
    "rolled",
    "back",
    "configuration",
];

/// A short event that no two posts share.
pub fn event(tracking_id: &str) -> String {
    whole(SUBSCRIPTION, tracking_id, SHORT)
}

/// The same event for one of many subscriptions.
pub fn of_subscription(nth: usize, tracking_id: &str, text: &str) -> String {
    whole(&subscription(nth), tracking_id, text)
}

/// The id of one of many subscriptions.
pub fn subscription(nth: usize) -> String {
    format!("{nth:08x}-aaaa-4bbb-8ccc-111111111111")
}

/// An event of `bytes` bytes. Every other one has a text of its own; the rest share one.
pub fn sized(tracking_id: &str, nth: usize, bytes: usize) -> String {
    let frame = whole(SUBSCRIPTION, tracking_id, "").len();
    whole(SUBSCRIPTION, tracking_id, &half_new(nth, bytes.saturating_sub(frame)))
}

/// A text of so many bytes: every other one is new, the rest are the same.
pub fn half_new(nth: usize, bytes: usize) -> String {
    text(if nth % 2 == 1 { nth } else { 0 }, bytes)
}

/// HTML of so many bytes, made of words in an order of its own.
pub fn text(seed: usize, bytes: usize) -> String {
    let paragraphs = (bytes / PARAGRAPH_BYTES).max(1);
    let mut words = Words(seed as u64 + 1);
    let mut text = String::with_capacity(bytes);
    for nth in 1..=paragraphs {
        let end = bytes * nth / paragraphs;
        text.push_str("<p>");
        words.fill(&mut text, end.saturating_sub("</p>".len()));
        text.push_str("</p>");
    }
    text
}

fn whole(subscription: &str, tracking_id: &str, text: &str) -> String {
    [HEAD, subscription, MIDDLE, tracking_id, LAST, text, TAIL].concat()
}

/// The state of a linear congruential generator: the same words for the same seed.
struct Words(u64);

impl Words {
    /// Adds words until the text has so many bytes; the last word may be cut.
    fn fill(&mut self, text: &mut String, bytes: usize) {
        while text.len() < bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(WORDS[(self.0 >> 59) as usize]);
            text.push(' ');
        }
        text.truncate(bytes);
    }
}
