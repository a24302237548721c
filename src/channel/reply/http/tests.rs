//! Every line of the tables, in the receivers' own words.

use super::*;

fn answered(status: u16, retry_after: Option<&str>, body: &str) -> HttpReply {
    HttpReply::Answered {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: body.into(),
    }
}

fn now() -> Time {
    "2026-10-21T07:28:00Z".parse().expect("a time")
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Retry { .. } => "retry",
        Outcome::OurFault { .. } => "our fault",
        Outcome::Refused { .. } => "refused",
        Outcome::Gone { .. } => "gone",
    }
}

#[track_caller]
fn table(channel: Channel, lines: &[(u16, &str, &str)]) {
    for (status, body, expected) in lines {
        let outcome = of_http(channel, &answered(*status, None, body), now());
        assert_eq!(word(&outcome), *expected, "{status} {body}: {outcome:?}");
    }
}

#[test]
fn a_webhook_is_delivered_by_2xx_only_and_ended_by_410() {
    let of = |status| word(&of_http(Channel::Webhook, &answered(status, None, ""), now()));
    for (statuses, expected) in [
        (&[200, 201, 202, 204, 299][..], "delivered"),
        (&[410], "gone"),
        (&[400, 405, 413, 415, 422], "refused"),
        (
            &[
                301, 302, 307, 401, 403, 404, 407, 408, 409, 425, 429, 500, 501, 502, 503, 504, 599,
            ],
            "retry",
        ),
    ] {
        for status in statuses {
            assert_eq!(of(*status), expected, "{status}");
        }
    }
}

#[test]
fn a_generic_webhook_is_known_by_its_status_whatever_its_body_says() {
    table(
        Channel::Webhook,
        &[
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "delivered"),
            (200, r#"{"error":"none"}"#, "delivered"),
            (200, "HTTP error 429", "delivered"),
            (
                202,
                r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#,
                "delivered",
            ),
            (
                400,
                r#"{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is missing"]}"#,
                "refused",
            ),
            (
                429,
                r#"{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly."}"#,
                "retry",
            ),
        ],
    );
}

#[test]
fn slack_says_in_a_word_of_its_body_what_is_wrong() {
    table(
        Channel::Slack,
        &[
            (200, "ok", "delivered"),
            (200, "", "delivered"),
            (204, "", "delivered"),
            (200, r#"{"ok":true}"#, "delivered"),
            (
                200,
                r#"{"ok":true,"error":null,"warning":"missing_charset"}"#,
                "delivered",
            ),
            (200, r#"{"success":true}"#, "delivered"),
            (200, r#"{"result":"success","msg":""}"#, "delivered"),
            (400, "invalid_payload", "refused"),
            (400, "invalid_blocks", "refused"),
            (400, "no_text", "refused"),
            (400, "too_many_attachments", "refused"),
            (400, "user_not_found", "refused"),
            (400, "invalid_token", "retry"),
            (403, "action_prohibited", "retry"),
            (403, "posting_to_general_channel_denied", "retry"),
            (403, "invalid_token", "retry"),
            (404, "no_service", "gone"),
            (404, "no_team", "gone"),
            (404, "channel_not_found", "gone"),
            (410, "channel_is_archived", "gone"),
            (403, "no_active_hooks", "gone"),
            (429, "", "retry"),
            (429, "rate_limited", "retry"),
            (500, "rollup_error", "retry"),
            (503, "", "retry"),
        ],
    );
}

#[test]
fn a_200_of_slack_or_of_what_speaks_like_it_can_be_none() {
    table(
        Channel::Slack,
        &[
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "retry"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "retry"),
            (200, r#"{"ok":false,"error":"a_word_of_next_year"}"#, "retry"),
            (200, "{\n  \"ok\": false\n}", "retry"),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, "gone"),
            (200, r#"{"ok":false,"error":"is_archived"}"#, "gone"),
            (200, r#"{"ok":false,"error":"msg_too_long"}"#, "refused"),
            (200, r#"{"ok":false,"error":"invalid_blocks"}"#, "refused"),
            (
                200,
                r#"{"success":false,"error":"Invalid integration id or token provided"}"#,
                "retry",
            ),
            (
                200,
                r#"{"result":"error","code":"BAD_REQUEST","msg":"Malformed payload"}"#,
                "retry",
            ),
            (200, r#"{"error":"not_authed"}"#, "retry"),
            (200, "invalid_payload", "refused"),
            (200, "no_service", "gone"),
            (200, "channel_is_archived\n", "gone"),
            (200, "action_prohibited", "retry"),
            (200, "<!DOCTYPE html><html><title>Sign in</title></html>", "retry"),
        ],
    );
}

const CONNECTOR: &str = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error";

#[test]
fn a_200_of_teams_says_in_its_body_which_status_teams_answered() {
    for (inner, expected) in [
        ("429", "retry"),
        ("500", "retry"),
        ("503", "retry"),
        ("403", "retry"),
        ("404", "retry"),
        ("400", "refused"),
        ("413", "refused"),
        ("410", "gone"),
    ] {
        let body =
            format!("{CONNECTOR} {inner} with ContextId tcid=0,server=msgapi-production-cse-azsc7-2-35,cv=a.0..");
        table(Channel::Teams, &[(200, &body, expected)]);
        table(Channel::Teams, &[(202, &body.to_uppercase(), expected)]);
    }
}

#[test]
fn other_answers_of_teams_are_read_too() {
    table(
        Channel::Teams,
        &[
            (202, "", "delivered"),
            (200, "1", "delivered"),
            (200, r#"{"status":"Accepted"}"#, "delivered"),
            (200, r#"{"statusCode":200,"error":null}"#, "delivered"),
            (
                200,
                "Webhook message delivery failed with error: Error contacting Microsoft Teams endpoint",
                "retry",
            ),
            (
                200,
                "System.Net.Http.HttpRequestException: Error while copying content to a stream.",
                "retry",
            ),
            (
                200,
                r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 9 seconds."}"#,
                "retry",
            ),
            (200, r#"{"status":"413"}"#, "refused"),
            (200, r#"{"success":false}"#, "retry"),
            (200, r#"{"success":true,"status":"ok"}"#, "delivered"),
            (200, r#"{"status":"Failed"}"#, "retry"),
            (200, "Bad payload received by generic incoming webhook.", "refused"),
            (200, "Summary or Text is required.", "refused"),
            (200, "Connector configuration not found", "retry"),
            (200, "Too many requests", "retry"),
            (
                200,
                r#"{"error":{"code":"TooManyRequests","message":"later"}}"#,
                "retry",
            ),
            (
                200,
                r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"no"}}"#,
                "refused",
            ),
            (202, r#"{"error":{"code":"WorkflowNotFound","message":"gone"}}"#, "gone"),
            (200, "<html><body>Sign in to your account</body></html>", "retry"),
            (404, r#"{"error":{"code":"WorkflowNotFound"}}"#, "gone"),
            (
                400,
                r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"off"}}"#,
                "retry",
            ),
            (400, r#"{"error":{"code":"TriggerInputSchemaMismatch"}}"#, "refused"),
            (401, r#"{"error":{"code":"DirectApiAuthorizationRequired"}}"#, "retry"),
            (413, r#"{"error":{"code":"RequestEntityTooLarge"}}"#, "refused"),
            (429, r#"{"error":{"code":"WorkflowRunActionThrottled"}}"#, "retry"),
            (502, r#"{"error":{"code":"NoResponse"}}"#, "retry"),
        ],
    );
}

#[test]
fn a_success_that_is_none_says_so() {
    let outcome = of_http(
        Channel::Teams,
        &answered(200, Some("9"), &format!("{CONNECTOR} 429.")),
        now(),
    );
    let Outcome::Retry { why, after_seconds } = outcome else {
        panic!("a 429 is tried again")
    };
    assert_eq!(after_seconds, Some(9));
    assert!(
        why.starts_with("answered 200 and says in its body that it took nothing: "),
        "{why}"
    );
    assert!(why.contains("HTTP error 429"), "{why}");
}

#[test]
fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
    for (wish, expected) in [
        ("120", Some(120)),
        ("1000000000", Some(86_400)),
        ("99999999999999999999999", Some(86_400)),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2026 07:30:00 GMT", Some(120)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Thu, 21 Oct 2100 07:28:00 GMT", Some(86_400)),
    ] {
        assert_eq!(retry_after(wish, now()), expected, "{wish:?}");
    }
}

#[test]
fn no_answer_and_a_blocked_address_are_tried_again() {
    for reply in [
        HttpReply::Failed { why: "reset".into() },
        HttpReply::Blocked { why: "private".into() },
    ] {
        assert_eq!(word(&of_http(Channel::Webhook, &reply, now())), "retry");
    }
}

#[test]
fn why_is_one_short_line_whatever_the_receiver_said() {
    let Outcome::Retry { why, .. } = of_http(
        Channel::Webhook,
        &answered(500, None, &"é\r\nx\u{1b}[31m".repeat(900)),
        now(),
    ) else {
        panic!("a 500 is tried again")
    };
    assert!(why.len() <= 1024 && !why.contains(['\r', '\n', '\u{1b}']), "{why}");
}
