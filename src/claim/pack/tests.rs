//! The pack, opened again and read as a billing clerk would.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::archive::{PACK_BYTES_MOST, TooLarge};
use super::layout::{COMMUNICATIONS_MOST, RESOURCES_MOST, TEXT_BYTES_MOST, TEXTS_BYTES_MOST};
use super::*;
use crate::claim::State;

/// `printf 'What went wrong\n' | sha256sum`
const DIGEST: &str = "331d4e3b252235e7ce7225757bd88c30c715c528b89a163d46d84ad0135f0740";

fn time(text: &str) -> Time {
    text.parse().expect(text)
}

fn row() -> Row {
    let text = |text: &str| Some(text.to_owned());
    Row {
        id: "0123456789abcdef0123".to_owned(),
        customer: "contoso".to_owned(),
        provider: "azure".to_owned(),
        service: "Private Endpoint".to_owned(),
        tier: None,
        region: text("East US"),
        subscription: text("11111111-aaaa-4bbb-8ccc-111111111111"),
        resource: text("pe-1"),
        month: "2026-11".to_owned(),
        billing_period: text("2026-11-01 to 2026-11-30 (UTC)"),
        available_minutes: "43200".to_owned(),
        down_minutes: text("45"),
        uptime_percent: text("99.89583"),
        step_percent: text("10"),
        step_below: text("99.99"),
        fee: text("120.05"),
        currency: text("EUR"),
        credit: text("12.01"),
        last_day: text("2027-01-30"),
        state: Some(State::Possible),
        edition: text("2026-01-01"),
        terms_source: text("our agreement"),
        provisional: false,
        verified: true,
        incidents: ["ABCD-123".to_owned()].into(),
        downtimes: Vec::new(),
        open_case_by: None,
        cases: Vec::new(),
        processed_within_seconds: None,
        evidence: [].into(),
        explanation: vec!["ABCD-123: from 2026-11-03 10:00:00Z.".to_owned()],
    }
}

fn said(kind: Kind, title: &str, text: &str) -> Communication {
    Communication {
        published: time("2026-11-03T10:20:00Z"),
        heard: time("2026-11-03T10:20:07Z"),
        kind,
        title: title.to_owned(),
        text: text.to_owned(),
        html: String::new(),
    }
}

fn resource(name: &str, confirmed: bool) -> Resource {
    Resource {
        id: format!("/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/x/{name}"),
        kind: "microsoft.network/privateendpoints".to_owned(),
        name: name.to_owned(),
        account: Some("11111111-aaaa-4bbb-8ccc-111111111111".to_owned()),
        region: Some("eastus".to_owned()),
        confirmed,
    }
}

fn incident(tracking_id: &str) -> Evidence {
    let mut review = said(Kind::FinalReview, "PIR: network", "What went wrong");
    review.html = "<h2>What went wrong</h2>".to_owned();
    Evidence {
        tracking_id: tracking_id.to_owned(),
        title: "Network trouble".to_owned(),
        impact: vec![Impact {
            service: "Private Endpoint".to_owned(),
            region: Some("East US".to_owned()),
        }],
        accounts: vec!["11111111-aaaa-4bbb-8ccc-111111111111".to_owned()],
        resources: vec![resource("pe-1", true), resource("pe-2", false)],
        is_list_whole: true,
        window_since: None,
        windows: vec![Window {
            from: time("2026-11-03T10:00:00Z"),
            until: Some(time("2026-11-03T10:45:00Z")),
            said_by: "by the provider's metadata".to_owned(),
        }],
        communications: vec![said(Kind::Update, "We look into it", "It is <down> & out"), review],
        entered: None,
    }
}

fn azure_asks() -> Vec<String> {
    [
        "tracking id of the incident",
        "services and resources that were impacted",
        "dates and times of the impact",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A pack with nothing wrong with it.
fn pack<'a>(row: &'a Row, asks: &'a [String]) -> Pack<'a> {
    Pack {
        row,
        amount_asked: None,
        amount_paid: None,
        difference: None,
        addressee: Some("Fabrikam Reselling"),
        owner: Some("ops@contoso.example"),
        incidents: vec![incident("ABCD-123")],
        term_evidence: asks,
        provided: &[],
        cases_to_open: Vec::new(),
        made: time("2026-12-05T00:00:00Z"),
        version: "0.1.0",
    }
}

/// The pack as whoever gets it finds it: zipped, and opened again.
fn opened(pack: &Pack<'_>) -> BTreeMap<String, String> {
    let bytes = zip(&files(pack)).expect("a zip");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("the same zip");
    let mut files = BTreeMap::new();
    for nth in 0..archive.len() {
        let mut file = archive.by_index(nth).expect("a file");
        let path = file.name().expect("a name").into_owned();
        assert!(file.enclosed_name().is_some(), "{path} leaves the folder");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        files.insert(path, text);
    }
    files
}

#[track_caller]
fn holds(text: &str, all: &[&str]) {
    for one in all {
        assert!(text.contains(one), "no `{one}` in:\n{text}");
    }
}

#[test]
fn everything_that_a_billing_clerk_needs_is_there() {
    let (row, asks) = (row(), azure_asks());
    let files = opened(&pack(&row, &asks));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SHA256SUMS",
            "claim.html",
            "claim.json",
            "evidence/ABCD-123/0001-20261103T102000Z-update.txt",
            "evidence/ABCD-123/0002-20261103T102000Z-final-review.txt",
            "evidence/ABCD-123/resources.csv",
            "evidence/ABCD-123/timeline.txt",
            "missing.txt",
            "request.txt",
        ]
    );
    insta::assert_snapshot!(files["request.txt"], @r#"
    Request for a service credit

    To:             Fabrikam Reselling
    Issue type:     Billing
    Problem type:   Refund Request
    New request:    https://go.microsoft.com/fwlink/p/?linkid=2202692
    Customer:       contoso
    Subscription:   11111111-aaaa-4bbb-8ccc-111111111111
    Tracking ids:   ABCD-123
    Service:        Private Endpoint
    Region:         East US
    Resource:       pe-1
    Billing month:  2026-11: 2026-11-01 to 2026-11-30 (UTC)
    Amount asked:   12.01 EUR
    To be in by:    2027-01-30
    Our contact:    ops@contoso.example
    Our reference:  0123456789abcdef0123

    What happened

    ABCD-123: Network trouble
    - from 2026-11-03 10:00:00Z until 2026-11-03 10:45:00Z, by the provider's metadata
    - impacted: Private Endpoint in East US
    - accounts: 11111111-aaaa-4bbb-8ccc-111111111111
    - resources: pe-1 (confirmed); pe-2 (potential)

    How the credit is computed

    In the billing month 2026-11 the maximum available minutes are 43200. The downtime is 45 minutes; times that overlap count once.
    Uptime = (43200 - 45) / 43200 x 100 = 99.89583 %, cut off after five decimals.
    For an uptime below 99.99 % the terms (our agreement, edition 2026-01-01) pay 10 % of the monthly fee: 120.05 EUR x 10 / 100 = 12.01 EUR, rounded half up, and at most the fee.
    We ask for a credit of 12.01 EUR.

    Evidence

    - evidence/ABCD-123: 2 communications of the provider, 1 of them a review, 2 impacted resources
    - SHA256SUMS: the SHA-256 of each file of this pack
    "#);
    insta::assert_snapshot!(files["missing.txt"], @r#"
    What is missing from claim 0123456789abcdef0123, and what is not sure

    Everything that the terms ask for is there.

    The terms ask for this, and it is there:
    - tracking id of the incident: request.txt
    - services and resources that were impacted: request.txt
    - dates and times of the impact: request.txt

    request.txt and the folder evidence/ go to the provider; this file, claim.html and claim.json are for you, and say what is not sure.
    "#);
    insta::assert_snapshot!(files["evidence/ABCD-123/timeline.txt"], @r#"
    Timeline of ABCD-123
    Network trouble

    Impact from 2026-11-03 10:00:00Z until 2026-11-03 10:45:00Z, by the provider's metadata

    2026-11-03 10:20:00Z  update
      We look into it
      received 2026-11-03 10:20:07Z, SHA-256 of the text: d1a67ad05891238ad394d219eb83d888bc40c144fff5012e8b5f3ae2006ff1e7
      evidence/ABCD-123/0001-20261103T102000Z-update.txt
    2026-11-03 10:20:00Z  final-review
      PIR: network
      received 2026-11-03 10:20:07Z, SHA-256 of the text: 331d4e3b252235e7ce7225757bd88c30c715c528b89a163d46d84ad0135f0740
      evidence/ABCD-123/0002-20261103T102000Z-final-review.txt
    "#);
    insta::assert_snapshot!(files["evidence/ABCD-123/0001-20261103T102000Z-update.txt"], @r#"
    Title:     We look into it
    Kind:      update
    Published: 2026-11-03 10:20:00Z
    Received:  2026-11-03 10:20:07Z
    SHA-256:   d1a67ad05891238ad394d219eb83d888bc40c144fff5012e8b5f3ae2006ff1e7 (of the text from line 7 on)

    It is <down> & out
    "#);
    insta::assert_snapshot!(files["evidence/ABCD-123/resources.csv"], @r#"
    id,type,name,account,region,impact
    /subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/x/pe-1,microsoft.network/privateendpoints,pe-1,11111111-aaaa-4bbb-8ccc-111111111111,eastus,confirmed
    /subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/x/pe-2,microsoft.network/privateendpoints,pe-2,11111111-aaaa-4bbb-8ccc-111111111111,eastus,potential
    "#);
}

#[test]
fn programs_and_paper_say_the_same() {
    let (row, asks) = (row(), azure_asks());
    let files = opened(&pack(&row, &asks));
    let json: serde_json::Value = serde_json::from_str(&files["claim.json"]).expect("JSON");
    assert_eq!(json["claim"], serde_json::to_value(&row).expect("a row"));
    assert_eq!(json["amount_asked"], "12.01");
    assert_eq!(json["incidents"][0]["communications"][1]["text_sha256"], DIGEST);
    let file = json["incidents"][0]["communications"][1]["file"]
        .as_str()
        .expect("a path");
    holds(&files[file], &["What went wrong", DIGEST]);
    let page = &files["claim.html"];
    holds(
        page,
        &[
            "ABCD-123",
            "Fabrikam Reselling",
            "Refund Request",
            "12.01 EUR",
            "(43200 - 45) / 43200 x 100 = 99.89583 %",
            "<h2>What went wrong</h2>",
            "It is &#60;down&#62; &#38; out",
            "pe-2",
            DIGEST,
        ],
    );
    for outside in ["<script", "<img", "<link", "src=", "url(", "Before this is sent"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_same_claim_is_the_same_bytes_and_its_sums_are_right() {
    use sha2::{Digest as _, Sha256};
    let (row, asks) = (row(), azure_asks());
    let pack = pack(&row, &asks);
    let made = files(&pack);
    assert_eq!(zip(&made).expect("a zip"), zip(&files(&pack)).expect("a zip"));
    let (last, sums) = made.last().expect("files");
    assert_eq!(last, "SHA256SUMS");
    let sums = String::from_utf8(sums.clone()).expect("text");
    assert_eq!(sums.lines().count(), made.len() - 1);
    for (path, content) in &made[..made.len() - 1] {
        let digest = Sha256::digest(content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(sums.contains(&format!("{hex}  {path}\n")), "{path}");
    }
}

#[test]
fn the_digest_of_a_communication_is_that_of_its_text_in_the_pack() {
    use sha2::{Digest as _, Sha256};
    let (row, asks) = (row(), azure_asks());
    let mut pack = pack(&row, &asks);
    let strange = "one\r\ntwo\u{7}\u{202e}three\n\n".to_owned();
    pack.incidents[0].communications[0].text = strange;
    pack.incidents[0].communications[1].text = "x".repeat(TEXT_BYTES_MOST + 1);
    let files = opened(&pack);
    let json: serde_json::Value = serde_json::from_str(&files["claim.json"]).expect("JSON");
    for (nth, first) in [(0, 7), (1, 8)] {
        let said = &json["incidents"][0]["communications"][nth];
        let text = &files[said["file"].as_str().expect("a path")];
        holds(text, &[&format!("(of the text from line {first} on)")]);
        // `tail -n +7 FILE | sha256sum`
        let tail: String = text.split_inclusive('\n').skip(first - 1).collect();
        let hex: String = Sha256::digest(tail).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(said["text_sha256"], hex);
    }
}

#[test]
fn cases_that_nobody_opened_and_what_goes_on_are_said() {
    let (row, asks) = (row(), azure_asks());
    let mut pack = pack(&row, &asks);
    let case = |incident: &str, by: &str| Case {
        incident: incident.to_owned(),
        began: time("2026-11-03T10:00:00Z"),
        by: time(by),
    };
    pack.cases_to_open = vec![
        case("ABCD-123", "2026-11-04T10:00:00Z"),
        case("EFGH-456", "2026-12-05T10:00:00Z"),
    ];
    pack.incidents[0].windows[0].until = None;
    let said = &opened(&pack)["missing.txt"];
    holds(
        said,
        &[
            "a case about ABCD-123, to be opened by 2026-11-04 10:00:00Z, and nobody has said that one was",
            "a case about EFGH-456: it must be opened by 2026-12-05 10:00:00Z",
            "ABCD-123 is still going on",
        ],
    );
}

#[test]
fn a_list_of_resources_that_does_not_bear_a_claim_out_is_said() {
    let (mut row, asks) = (row(), azure_asks());
    let missing = |row: &Row| opened(&pack(row, &asks))["missing.txt"].clone();
    assert!(!missing(&row).contains("The list of resources"));
    row.resource = Some("/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/x/PE-1/".to_owned());
    assert!(!missing(&row).contains("The list of resources"));
    row.resource = Some("pe-2".to_owned());
    holds(
        &missing(&row),
        &["ABCD-123 impacted has pe-2 as potentially impacted only"],
    );
    row.resource = Some("pe-3".to_owned());
    holds(
        &missing(&row),
        &["ABCD-123 impacted, which is in this pack, does not name pe-3."],
    );
    // in another group it is another one
    row.resource = Some("/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/y/pe-1".to_owned());
    holds(&missing(&row), &["does not name /subscriptions"]);
    row.resource = None;
    assert!(!missing(&row).contains("The list of resources"));
    // a list that goes on elsewhere leaves nothing out
    row.resource = Some("pe-3".to_owned());
    let mut cut = pack(&row, &asks);
    cut.incidents[0].is_list_whole = false;
    assert!(!opened(&cut)["missing.txt"].contains("The list of resources"));
}

#[test]
fn figures_that_rest_on_unverified_terms_say_so() {
    let (mut row, asks) = (row(), azure_asks());
    assert!(!opened(&pack(&row, &asks))["missing.txt"].contains("unverified"));
    row.verified = false;
    row.provisional = true;
    let files = opened(&pack(&row, &asks));
    holds(&files["missing.txt"], &["rest on unverified terms", "provisional"]);
    holds(
        &files["claim.html"],
        &["Before this is sent", "rest on unverified terms"],
    );
    holds(&files["claim.json"], &["rest on unverified terms"]);
    assert!(files["request.txt"].starts_with("Request for a service credit"));
    assert!(!files["request.txt"].contains("unverified"), "the provider reads it");
}

#[test]
fn what_the_terms_ask_for_and_nobody_has_is_listed() {
    let mut row = row();
    let logs = "request logs that show the errors".to_owned();
    let asks = vec![
        "dates and times of each incident".to_owned(),
        "resource ids".to_owned(),
        logs.clone(),
    ];
    holds(
        &opened(&pack(&row, &asks))["missing.txt"],
        &[
            "and it is missing:\n- request logs that show the errors\n",
            "- resource ids: request.txt\n",
        ],
    );
    let provided = [Provided {
        asked: logs,
        place: "logs.tar.gz in ticket 4711".to_owned(),
    }];
    let mut with_logs = pack(&row, &asks);
    with_logs.provided = &provided;
    let files = opened(&with_logs);
    holds(
        &files["missing.txt"],
        &[
            "Everything that the terms ask for is there.",
            "- request logs that show the errors: logs.tar.gz in ticket 4711 (by a person's word)\n",
        ],
    );
    row.resource = None;
    let mut bare = pack(&row, &asks);
    bare.incidents[0].resources.clear();
    bare.incidents[0].windows.clear();
    holds(
        &opened(&bare)["missing.txt"],
        &["missing:\n- dates and times of each incident\n- resource ids\n- request logs"],
    );
}

#[test]
fn an_incident_without_evidence_and_a_claim_without_an_amount_are_named() {
    let (mut row, asks) = (row(), azure_asks());
    row.incidents = ["ABCD-123", "WXYZ-9"].map(str::to_owned).into();
    row.credit = None;
    row.down_minutes = None;
    let mut pack = pack(&row, &asks);
    pack.addressee = None;
    pack.incidents[0].communications.clear();
    let files = opened(&pack);
    holds(
        &files["missing.txt"],
        &[
            "There is no evidence of the incident WXYZ-9 in this pack.",
            "No communication of the provider about ABCD-123 is known here.",
            "No amount could be computed",
            "Nobody has said to whom",
        ],
    );
    holds(
        &files["request.txt"],
        &[
            "Please compute it from your measurements.",
            "We ask for the credit that the terms provide for.",
        ],
    );
}

#[test]
fn another_amount_than_the_computed_one_can_be_asked() {
    let (row, asks) = (row(), azure_asks());
    let mut pack = pack(&row, &asks);
    pack.amount_asked = Some("20.00");
    holds(
        &opened(&pack)["request.txt"],
        &[
            "Amount asked:   20.00 EUR",
            "= 12.01 EUR, rounded",
            "We ask for a credit of 20.00 EUR.",
        ],
    );
}

#[test]
fn other_providers_are_asked_in_neutral_words() {
    let (mut row, asks) = (row(), azure_asks());
    row.provider = "aws".to_owned();
    let request = &opened(&pack(&row, &asks))["request.txt"];
    holds(
        request,
        &["Subject:        Service credit under the service level agreement"],
    );
    assert!(!request.contains("Refund Request") && !request.contains("microsoft.com"));
}

#[test]
fn what_strangers_write_stays_where_it_belongs() {
    let (mut row, asks) = (row(), azure_asks());
    row.incidents = ["../../../etc/passwd".to_owned()].into();
    row.service = "a\nAmount asked: 1000000 EUR".to_owned();
    let mut pack = pack(&row, &asks);
    let mut ids = vec!["../../../etc/passwd", "/abs", "..", "nul", "a\u{0}b\n", "A\u{1}B\r"];
    let long = "x".repeat(10_000);
    ids.push(&long);
    pack.incidents = ids.iter().map(|id| incident(id)).collect();
    pack.incidents[0].title = "<script>alert(1)</script>\u{1b}[2J\u{202e}".to_owned();
    pack.incidents[0].resources[0].name = "=HYPERLINK(\"http://evil\")".to_owned();
    pack.incidents[0].communications[0].text = "a\u{1b}[31mb\u{202e}c\r\nd".to_owned();
    let files = opened(&pack);
    let folders: Vec<&str> = files
        .keys()
        .filter_map(|path| path.strip_prefix("evidence/")?.strip_suffix("/timeline.txt"))
        .collect();
    let long = "x".repeat(60);
    assert_eq!(
        folders,
        ["A_B_-2", "_.._.._etc_passwd", "_abs", "_nul", "a_b_", "incident", &long]
    );
    holds(&files["claim.html"], &["&#60;script&#62;"]);
    assert!(!files["claim.html"].contains("<script"));
    let csv = &files["evidence/_.._.._etc_passwd/resources.csv"];
    assert!(csv.contains("'=HYPERLINK"), "{csv}");
    assert!(!files["request.txt"].contains("\nAmount asked: 1000000"));
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".txt")) {
        let is_clean = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(text.chars().all(is_clean), "{path}");
    }
}

#[test]
fn texts_are_bounded_each_and_together() {
    let (row, asks) = (row(), azure_asks());
    let mut pack = pack(&row, &asks);
    let huge = "ä".repeat(5 << 20);
    pack.incidents[0].communications = vec![said(Kind::Update, "10 MiB", &huge)];
    let files = opened(&pack);
    let file = &files["evidence/ABCD-123/0001-20261103T102000Z-update.txt"];
    assert!(file.len() > TEXT_BYTES_MOST && file.len() < TEXT_BYTES_MOST + 1_000);
    holds(file, &["the last 9437184 bytes of the text are left out here"]);
    holds(
        &files["missing.txt"],
        &["0001-20261103T102000Z-update.txt is cut: 9437184 bytes"],
    );
    holds(&files["claim.html"], &["too long to be printed here"]);
    let exact = "x".repeat(TEXT_BYTES_MOST);
    pack.incidents[0].communications = vec![said(Kind::Update, "1 MiB", &exact); 17];
    let files = opened(&pack);
    let missing = &files["missing.txt"];
    assert!(!missing.contains("0016-"), "16 of 1 MiB have room: {missing}");
    holds(missing, &["0017-20261103T102000Z-update.txt is cut: 1048576 bytes"]);
    let bytes: usize = files.values().map(String::len).sum();
    assert!(bytes < TEXTS_BYTES_MOST + (1 << 20), "{bytes}");
}

#[test]
fn communications_and_resources_are_bounded() {
    let (row, asks) = (row(), azure_asks());
    let mut pack = pack(&row, &asks);
    pack.incidents[0].communications = vec![said(Kind::Update, "news", "news"); COMMUNICATIONS_MOST];
    pack.incidents[0].resources = vec![resource("vm", true); RESOURCES_MOST];
    assert!(!opened(&pack)["missing.txt"].contains("no room"));
    pack.incidents.push(incident("WXYZ-9"));
    holds(
        &opened(&pack)["missing.txt"],
        &[
            "There is no room for 2 communications about WXYZ-9.",
            "There is no room for 2 impacted resources of WXYZ-9.",
        ],
    );
    pack.incidents = vec![Evidence::default(); 201];
    holds(
        &opened(&pack)["missing.txt"],
        &["There is no room for the evidence of 1 more incident."],
    );
}

#[test]
fn a_pack_that_is_too_large_is_refused() {
    let file = |bytes: usize| vec![("a".to_owned(), vec![0; bytes])];
    assert!(zip(&file(PACK_BYTES_MOST)).is_ok());
    let error = zip(&file(PACK_BYTES_MOST + 1)).expect_err("too large");
    assert_eq!(error.downcast_ref(), Some(&TooLarge(PACK_BYTES_MOST + 1)));
}
