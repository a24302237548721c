//! What an answer over HTTP means: a table for each channel.
//!
//! A generic webhook is known by its status alone: what its body says is the receiver's own. Slack and Teams have a
//! contract about the body, too, and both are known to answer 200 and to say in the body that they took nothing.

use serde_json::{Map, Value};

use super::short;
use crate::channel::Outcome;
use crate::channel::text::line;
use crate::clock::Time;
use crate::notification::Channel;

/// The longest wish of a receiver that is honoured.
pub const RETRY_AFTER_MAX_SECONDS: u64 = 24 * 60 * 60;

/// What came back from one HTTP attempt. No secret in it: the sender removed the URL's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpReply {
    /// The receiver answered.
    Answered {
        /// The status code.
        status: u16,
        /// `Retry-After`, as it came.
        retry_after: Option<String>,
        /// The beginning of the body, at most 64 KiB.
        body: String,
    },
    /// No answer: the name, the connection, TLS or the time failed. Whether the receiver got it is unknown.
    Failed { why: String },
    /// Not sent: the URL leads to an address that must not be called.
    Blocked { why: String },
}

/// What an HTTP attempt of `channel` came to.
pub fn of_http(channel: Channel, reply: &HttpReply, now: Time) -> Outcome {
    let (status, wish, body) = match reply {
        HttpReply::Answered {
            status,
            retry_after,
            body,
        } => (*status, retry_after.as_deref(), body.as_str()),
        HttpReply::Failed { why } | HttpReply::Blocked { why } => {
            return Outcome::Retry {
                why: short(why),
                after_seconds: None,
            };
        }
    };
    let why = said(status, body);
    match meaning(channel, status, body) {
        Meaning::Delivered => Outcome::Delivered,
        Meaning::Retry => Outcome::Retry {
            why,
            after_seconds: wish.and_then(|wish| retry_after(wish, now)),
        },
        Meaning::Refused => Outcome::Refused { why },
        Meaning::Gone => Outcome::Gone { why },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Delivered,
    Retry,
    Refused,
    Gone,
}

fn meaning(channel: Channel, status: u16, body: &str) -> Meaning {
    match channel {
        Channel::Slack => of_slack(status, body),
        Channel::Teams => of_teams(status, body),
        Channel::Webhook | Channel::Email => of_webhook(status),
    }
}

/// Standard Webhooks: 2xx is the only success, 410 ends it. A redirect is not followed. 401, 403 and 404 are tried
/// again: a person who mistyped a token or has not deployed yet mends them. What says that the document itself is not
/// understood is refused: its bytes never change.
fn of_webhook(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Delivered,
        410 => Meaning::Gone,
        400 | 405 | 406 | 411 | 413 | 414 | 415 | 422 | 431 | 451 => Meaning::Refused,
        _ => Meaning::Retry,
    }
}

/// Words of Slack that say that there is nobody to tell any more.
const SLACK_GONE: [&str; 8] = [
    "no_service",
    "no_service_id",
    "no_active_hooks",
    "no_team",
    "team_disabled",
    "channel_is_archived",
    "is_archived",
    "channel_not_found",
];

/// Words of Slack that say that this message will never be taken.
const SLACK_REFUSED: [&str; 12] = [
    "invalid_payload",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "invalid_arguments",
    "invalid_json",
    "msg_too_long",
    "msg_blocks_too_long",
    "no_text",
    "too_many_attachments",
    "user_not_found",
    "invalid_form_data",
];

/// Words of Slack after which a person or time mends it: who may post, whose token it is, too much at once.
const SLACK_RETRY: [&str; 20] = [
    "action_prohibited",
    "posting_to_general_channel_denied",
    "restricted_action",
    "invalid_token",
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "missing_scope",
    "not_in_channel",
    "org_login_required",
    "ratelimited",
    "rate_limited",
    "rollup_error",
    "internal_error",
    "fatal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// Slack's incoming webhooks say what is wrong in one word in the body, or, as its other interfaces and services that
/// speak like it do, in `{"ok": false, "error": "word"}`; these come with a 200.
fn of_slack(status: u16, body: &str) -> Meaning {
    let trouble = match object(body) {
        Some(object) => slack_trouble(&object),
        None => Some(body.trim().to_ascii_lowercase()),
    };
    let word = trouble.as_deref().unwrap_or_default();
    let by_status = match status {
        200..=299 if is_page(body) => Meaning::Retry,
        200..=299 => Meaning::Delivered,
        410 => Meaning::Gone,
        400 | 413 => Meaning::Refused,
        _ => Meaning::Retry,
    };
    if SLACK_GONE.contains(&word) {
        Meaning::Gone
    } else if SLACK_RETRY.contains(&word) {
        Meaning::Retry
    } else if SLACK_REFUSED.contains(&word) {
        Meaning::Refused
    } else if object(body).is_some() && trouble.is_some() && by_status == Meaning::Delivered {
        Meaning::Retry
    } else {
        by_status
    }
}

/// The word for what went wrong in an object; empty if it only says that something did.
fn slack_trouble(object: &Map<String, Value>) -> Option<String> {
    let says_no = ["ok", "success"]
        .iter()
        .any(|key| object.get(*key) == Some(&Value::Bool(false)));
    let result = object.get("result").and_then(Value::as_str);
    let says_error = object.get("error").is_some_and(is_said) && object.get("ok") != Some(&Value::Bool(true));
    let word = ["error", "code"].iter().find_map(|key| object.get(*key)?.as_str());
    (says_no || says_error || result.is_some_and(|result| result.eq_ignore_ascii_case("error")))
        .then(|| word.unwrap_or_default().to_ascii_lowercase())
}

/// Words of connectors that say with a 2xx that this message will never be taken.
const TEAMS_REFUSED: [&str; 3] = [
    "bad payload received by generic incoming webhook",
    "summary or text is required",
    "text is required",
];

/// Words of theirs after which a person or time mends it.
const TEAMS_FAILED: [&str; 6] = [
    "message delivery failed",
    "error contacting",
    "httprequestexception",
    "connector configuration not found",
    "too many requests",
    "rate limit",
];

/// Teams Workflows: 202. A workflow that was deleted or turned off answers 400 or 404 with its own codes; one that is
/// turned off can be turned on again. Connectors answered 200 whatever became of a message, and said in the body which
/// status Teams itself had answered; a workflow that answers by an action of its own may say as much.
fn of_teams(status: u16, body: &str) -> Meaning {
    match status {
        200..=299 => of_teams_taken(body),
        410 => Meaning::Gone,
        404 if body.contains("WorkflowNotFound") => Meaning::Gone,
        400 if is_turned_off(body) => Meaning::Retry,
        400 | 413 | 415 | 422 => Meaning::Refused,
        _ => Meaning::Retry,
    }
}

fn is_turned_off(body: &str) -> bool {
    [
        "WorkflowTriggerIsNotEnabled",
        "WorkflowDisabled",
        "FlowDisabled",
        "FlowSuspended",
    ]
    .iter()
    .any(|code| body.contains(code))
}

/// What a 2xx of Teams says in its body.
fn of_teams_taken(body: &str) -> Meaning {
    if let Some(inner) = inner_status(body) {
        return of_teams_inner(inner, body);
    }
    let lower = body.to_ascii_lowercase();
    if TEAMS_REFUSED.contains(&lower.trim().trim_end_matches('.')) {
        return Meaning::Refused;
    }
    if TEAMS_FAILED.iter().any(|words| lower.contains(words)) || is_page(body) {
        return Meaning::Retry;
    }
    match object(body) {
        Some(object) => of_teams_object(&object, body),
        None => Meaning::Delivered,
    }
}

/// Whether an object says by itself that it stands for a failure: `{"success": false}`, `{"status": "Failed"}`.
fn says_that_it_failed(object: &Map<String, Value>) -> bool {
    let says_no = ["ok", "success", "succeeded"]
        .iter()
        .any(|key| object.get(*key) == Some(&Value::Bool(false)));
    let words = ["status", "result", "state"]
        .iter()
        .filter_map(|key| object.get(*key)?.as_str());
    says_no
        || words
            .map(str::to_ascii_lowercase)
            .any(|word| ["failed", "failure", "error"].contains(&word.as_str()))
}

/// A status that the body names, by the table of statuses.
fn of_teams_inner(status: u16, body: &str) -> Meaning {
    match status {
        0..=399 => Meaning::Delivered,
        _ => of_teams(status, body),
    }
}

fn of_teams_object(object: &Map<String, Value>, body: &str) -> Meaning {
    let status = ["statusCode", "status", "code"]
        .iter()
        .find_map(|key| number(object.get(*key)?));
    if let Some(status) = status.filter(|status| (400..=599).contains(status)) {
        return of_teams_inner(status, body);
    }
    let Some(error) = object.get("error").filter(|error| is_said(error)) else {
        return match says_that_it_failed(object) {
            true => Meaning::Retry,
            false => Meaning::Delivered,
        };
    };
    let code = error
        .get("code")
        .or(Some(error))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let refuses = [
        "TriggerInputSchemaMismatch",
        "InvalidRequestContent",
        "RequestEntityTooLarge",
        "BadRequest",
    ];
    match code {
        "WorkflowNotFound" => Meaning::Gone,
        code if refuses.contains(&code) => Meaning::Refused,
        _ => Meaning::Retry,
    }
}

/// The status in `… returned HTTP error 429 with ContextId …`.
fn inner_status(body: &str) -> Option<u16> {
    let lower = body.to_ascii_lowercase();
    let (_, behind) = lower.split_once("http error ")?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).take(4).collect();
    (digits.len() == 3).then(|| digits.parse().ok()).flatten()
}

fn number(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok()
}

/// Whether an `error` says anything: `null`, `false` and an empty text do not.
fn is_said(error: &Value) -> bool {
    !matches!(error, Value::Null | Value::Bool(false)) && error.as_str() != Some("")
}

fn object(body: &str) -> Option<Map<String, Value>> {
    let body = body.trim();
    body.starts_with('{').then(|| serde_json::from_str(body).ok()).flatten()
}

/// Whether a page for people came, such as the sign-in of something that stands before the receiver.
fn is_page(body: &str) -> bool {
    let body = body.trim_start().trim_start_matches('\u{feff}');
    let begins = |with: &str| {
        body.get(..with.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    begins("<!doctype html") || begins("<html")
}

/// Seconds, or a date; at most a day; nothing for a past date or for what is neither.
fn retry_after(wish: &str, now: Time) -> Option<u64> {
    let wish = wish.trim();
    let seconds = match wish.bytes().all(|b| b.is_ascii_digit()) && !wish.is_empty() {
        true => wish.parse().unwrap_or(u64::MAX),
        false => {
            let at = chrono::DateTime::parse_from_rfc2822(wish).ok()?;
            u64::try_from((at.to_utc() - now).num_seconds()).ok()?
        }
    };
    (seconds > 0).then_some(seconds.min(RETRY_AFTER_MAX_SECONDS))
}

fn said(status: u16, body: &str) -> String {
    let hint = match status {
        200..=299 if is_page(body) => {
            " with a page for people, so it took nothing (does a sign-in or a proxy stand before it?)"
        }
        200..=299 => " and says in its body that it took nothing",
        300..=399 => " (redirects are not followed: name the final address)",
        401 | 403 => " (is the URL's secret still the right one?)",
        407 => " (the proxy wants a user and a password: `proxy: { user, password }` in the settings)",
        _ => "",
    };
    let body = line(body, 700);
    short(&if body.is_empty() {
        format!("answered {status}{hint}")
    } else {
        format!("answered {status}{hint}: {body}")
    })
}

#[cfg(test)]
mod tests;
