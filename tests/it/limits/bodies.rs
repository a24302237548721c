//! Bodies that make much of little: each a few hundred kilobytes that a careless reader turns into gigabytes or minutes.

/// The largest live body, bytes.
pub const LIVE_BYTES: usize = 1 << 20;

/// Joins what a function makes of the numbers below `count`.
pub fn listed(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).map(make).collect::<Vec<_>>().join(",")
}

/// As many parts as fit into a live body beside `room` bytes of other things.
fn as_many_as_fit(room: usize, make: impl Fn(usize) -> String) -> String {
    let mut all = String::with_capacity(LIVE_BYTES);
    for nth in 0.. {
        let part = make(nth);
        if all.len() + part.len() + 1 + room > LIVE_BYTES {
            break;
        }
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(&part);
    }
    all
}

/// A REST item of this title, with `more` members and these impacted regions.
fn item(title: &str, more: &str, regions: &str) -> String {
    format!(
        r#"{{"name":"X-1","eventType":"ServiceIssue","status":"Active","title":"{title}","lastUpdateTime":"2026-11-24T08:00:00Z"{more},"impact":[{{"impactedService":"VM","impactedRegions":[{regions}]}}]}}"#
    )
}

fn region(name: &str, accounts: &str, updates: &str) -> String {
    format!(r#"{{"impactedRegion":"{name}","impactedSubscriptions":[{accounts}],"updates":[{updates}]}}"#)
}

/// An update with a text and a time of its own.
fn update(nth: usize) -> String {
    let (hour, minute, second) = (nth / 3600 % 24, nth / 60 % 60, nth % 60);
    format!(r#"{{"summary":"u{nth}","updateDateTime":"2026-11-23T{hour:02}:{minute:02}:{second:02}Z"}}"#)
}

fn account(nth: usize) -> String {
    format!("\"s{nth:04}\"")
}

/// A webhook of this stage whose text and title are these.
pub fn webhook(stage: &str, title: &str, text: &str) -> String {
    webhook_with(stage, title, text, "")
}

fn webhook_with(stage: &str, title: &str, text: &str, services: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        r#"{{"schemaId":"Microsoft.Insights/activityLogs","data":{{"context":{{"activityLog":{{"eventSource":"ServiceHealth","eventTimestamp":"2026-11-24T08:00:00Z","subscriptionId":"s0001","properties":{{"trackingId":"X-1","incidentType":"Incident","stage":"{stage}","title":{},"communication":{},"impactedServices":{}}}}}}}}}}}"#,
        quoted(title),
        quoted(text),
        quoted(services)
    )
}

/// Every update of a region is for all its subscriptions.
pub fn subscriptions_by_updates(subscriptions: usize, updates: usize) -> String {
    item(
        "T",
        "",
        &region("East US", &listed(subscriptions, account), &listed(updates, update)),
    )
}

/// Lists with nothing in them, each of which is something to be ignored.
pub fn empty_lists(bytes: usize) -> String {
    format!("[{}]", vec!["[]"; bytes / 3].join(","))
}

/// Lists in lists as deep as is allowed, each with as much in it as fits.
pub fn deep_and_wide() -> String {
    let wide = vec!["0"; LIVE_BYTES / 2 / 32].join(",");
    let begins = format!("[{wide},").repeat(30);
    format!("{begins}[]{}", "]".repeat(30))
}

/// Every link of a paragraph stands in the whole paragraph.
pub fn links_in_one_paragraph(links: usize) -> String {
    let link = |nth| format!("<a href=\"https://e.example/{nth}\">word {nth} of many</a>");
    let text: String = (0..links).map(link).collect();
    webhook("RCA", "Post Incident Review (PIR) – Slow", &format!("<p>{text}</p>"))
}

/// Regions that list the same subscriptions.
pub fn same_subscriptions(regions: usize, subscriptions: usize) -> String {
    let accounts = listed(subscriptions, account);
    let regions = listed(regions, |nth| {
        region(
            &format!("R{nth}"),
            &accounts,
            r#"{"summary":"u","updateDateTime":"2026-11-23T00:00:00Z"}"#,
        )
    });
    item("T", "", &regions)
}

/// One service in many regions, in the JSON inside a webhook's text.
pub fn regions(count: usize) -> String {
    let regions = listed(count, |nth| format!(r#"{{"RegionName":"Region {nth}"}}"#));
    let services = format!(r#"[{{"ServiceName":"VM","ImpactedRegions":[{regions}]}}]"#);
    webhook_with("Active", "T", "text", &services)
}

/// A long name of a service that is repeated for each of its regions.
pub fn long_service_name() -> String {
    let regions = listed(24_000, |nth| format!("\"{nth:x}\""));
    let services = format!(
        r#"[{{"ServiceName":"{}","ImpactedRegions":[{regions}]}}]"#,
        "\u{1F300}".repeat(512)
    );
    webhook_with("Active", "T", "text", &services)
}

/// A title of 200 kB that stands beside every update.
pub fn long_title() -> String {
    let updates = listed(3_000, update);
    item(&"t".repeat(200_000), "", &region("East US", "\"s1\"", &updates))
}

/// An item with very many members, beside very many updates that each look for some of them.
pub fn many_members() -> String {
    let members: String = (0..30_000).map(|nth| format!(",\"m{nth}\":0")).collect();
    let updates = listed(4_500, update);
    item("T", &members, &region("East US", "\"s1\"", &updates))
}

/// One text posted to one region again and again, each time with another tag.
pub fn tags() -> String {
    let updates = as_many_as_fit(1_000, |nth| format!(r#"{{"summary":"u","eventTags":["{nth}"]}}"#));
    item("T", "", &region("East US", "\"s1\"", &updates))
}

/// So many events, each as small as it can be.
pub fn small_events(count: usize) -> String {
    let event =
        |nth| format!(r#"{{"name":"{nth}","eventType":"RCA","lastUpdateTime":"2026-11-23T00:00:00Z","summary":"x"}}"#);
    format!("[{}]", listed(count, event))
}

/// As many entries that are no health events as fit.
pub fn many_ignored() -> String {
    let entries = as_many_as_fit(20, |_| format!(r#"{{"schemaId":"{}"}}"#, "x".repeat(60)));
    format!("[{entries}]")
}

/// Names of regions with entities in them.
pub fn entities() -> String {
    let regions = listed(6_000, |nth| format!(r#"{{"impactedRegion":"&lt{nth}"}}"#));
    item("T", "", &regions)
}

/// Formatting that is opened again in every paragraph, in so many texts.
pub fn reopened_formatting(count: usize) -> String {
    let names = [
        "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u",
    ];
    let formatting: String = names.iter().map(|name| format!("<{name}>").repeat(3)).collect();
    texts(&format!("<p>{formatting}{}", "x<p>x".repeat(9_000)), count)
}

/// The same, where it looks as if each was closed.
pub fn hidden_formatting() -> String {
    let formatting: String = (0..2_000).map(|nth| format!("<b id={nth} title=\"</b>\">")).collect();
    texts(&format!("<p>{formatting}{}", "x<p>x".repeat(2_000)), 1)
}

/// One tag with very many attributes.
pub fn attributes() -> String {
    let attributes: String = (0..37_000).map(|nth| format!(" {nth:x}=")).collect();
    texts(&format!("<p{attributes}>"), 4)
}

/// Elements in elements, where it looks as if each was closed.
pub fn hidden_depth() -> String {
    texts(&"<div title=\"</div>\">".repeat(4_900), 1)
}

/// Invitations whose every few letters are a date or a time.
pub fn dates() -> String {
    let text = "1 May 2027 3:00 UTC by ".repeat(11_000);
    texts_of("Azure Incident Retrospective", &text, 4)
}

/// Texts whose every word begins what is looked for.
pub fn nearly_found() -> String {
    let text = "video recording ".repeat(16_000);
    texts_of("Azure Incident Retrospective", &text, 4)
}

/// Texts that markup makes as long as it can.
pub fn quotes() -> String {
    texts(&"<p>\"&<>".repeat(10_001), 3)
}

fn texts(text: &str, count: usize) -> String {
    texts_of("T", text, count)
}

/// Webhooks in a list, with the same text in different words.
fn texts_of(title: &str, text: &str, count: usize) -> String {
    let entries = listed(count, |nth| webhook("Active", title, &format!("{text}{nth}")));
    format!("[{entries}]")
}

/// A body of three texts of the largest size there is, with as much markup as is read.
pub fn large_texts() -> String {
    texts(&"<p>some words and then some more of them, too</p>".repeat(4_990), 3)
}

/// A back-fill of so many items of 17 kB, each with some updates for some subscriptions.
pub fn back_fill(items: usize) -> String {
    let words = "Some words about what happened and why it will not happen again. ".repeat(50);
    let items = listed(items, |nth| {
        let accounts = listed(40, account);
        let updates = listed(5, |update| {
            format!(r#"{{"summary":"<p>{nth} {update} {words}</p>","updateDateTime":"2026-10-2{update}T00:00:00Z"}}"#)
        });
        item("T", "", &region("East US", &accounts, &updates)).replace("X-1", &format!("X-{nth}"))
    });
    format!("[{items}]")
}
