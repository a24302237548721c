//! What an answer means: each medium's table from what came back to an [`Outcome`].
//!
//! The rule behind the tables: `Delivered` only when the receiver said so; `Retry` whenever time or a person may mend
//! it (three days are long enough for both); `Refused` only when the very same bytes are sure to be refused again;
//! `Gone` when the receiver says it will never be back. Pure.

use super::Outcome;
use super::text::line;
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
        /// The first 1 KiB of the body, controls escaped.
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

/// Slack's incoming webhooks say what is wrong in one word in the body.
fn of_slack(status: u16, body: &str) -> Meaning {
    let word = body.trim();
    match status {
        200..=299 => Meaning::Delivered,
        _ if matches!(word, "no_service" | "no_active_hooks" | "no_team" | "team_disabled") => Meaning::Gone,
        _ if matches!(word, "channel_is_archived" | "channel_not_found") => Meaning::Gone,
        410 => Meaning::Gone,
        400 | 413 => Meaning::Refused,
        _ => Meaning::Retry,
    }
}

/// Teams Workflows: 202. A workflow that was deleted or turned off answers 400 or 404 with its own codes; one that is
/// turned off can be turned on again.
fn of_teams(status: u16, body: &str) -> Meaning {
    match status {
        200..=299 => Meaning::Delivered,
        410 => Meaning::Gone,
        404 if body.contains("WorkflowNotFound") => Meaning::Gone,
        400 if body.contains("WorkflowTriggerIsNotEnabled") => Meaning::Retry,
        400 | 413 | 415 | 422 => Meaning::Refused,
        _ => Meaning::Retry,
    }
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
        300..=399 => " (redirects are not followed: name the final address)",
        401 | 403 => " (is the URL's secret still the right one?)",
        _ => "",
    };
    let body = line(body, 700);
    short(&if body.is_empty() {
        format!("answered {status}{hint}")
    } else {
        format!("answered {status}{hint}: {body}")
    })
}

fn short(why: &str) -> String {
    line(why, 800)
        .chars()
        .scan(0, |octets, c| {
            *octets += c.len_utf8();
            (*octets <= 1024).then_some(c)
        })
        .collect()
}

/// The step of an SMTP conversation at which something went wrong: what it blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    /// Connecting, greeting, TLS, signing in: the host or our settings.
    Connect,
    /// `MAIL FROM`: our settings.
    Sender,
    /// `RCPT TO`: the mailbox.
    Recipient,
    /// `DATA`, before the final dot.
    Data,
    /// The answer to the final dot.
    Dot,
}

/// What went wrong in an SMTP conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpFailure {
    /// The server answered with this code and text.
    Answered { code: u16, text: String },
    /// The connection, TLS or the time failed.
    Failed { why: String },
    /// The server lacks what the message needs (`SMTPUTF8`).
    Lacking { what: &'static str },
}

/// What a failed SMTP attempt came to. A 5xx ends the delivery only where it blames the mailbox or the message; one
/// that blames the host, the sender or the password waits for the operator.
pub fn of_smtp(step: SmtpStep, failure: &SmtpFailure) -> Outcome {
    let again = |why: String| Outcome::Retry {
        why: short(&why),
        after_seconds: None,
    };
    match failure {
        SmtpFailure::Failed { why } if step == SmtpStep::Dot => again(format!(
            "{why} (before the answer to the final dot: it may have arrived)"
        )),
        SmtpFailure::Failed { why } => again(why.clone()),
        SmtpFailure::Lacking { what } => Outcome::Refused {
            why: format!("the mail server does not offer {what}"),
        },
        SmtpFailure::Answered { code, text } => of_code(step, *code, text),
    }
}

fn of_code(step: SmtpStep, code: u16, text: &str) -> Outcome {
    let why = short(&format!("{} {code} {}", blamed(step), line(text, 700)));
    let permanent = (500..=599).contains(&code) && !matches!(code, 530 | 534 | 535 | 538);
    let detail = enhanced(text);
    match step {
        SmtpStep::Recipient | SmtpStep::Data | SmtpStep::Dot if permanent => {
            let no_mailbox = matches!(detail, Some("5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1"));
            let too_big = matches!(detail, Some("5.3.4" | "5.2.3"));
            match code {
                // RFC 5321 §4.5.3.1.10: 552 at RCPT is a 452; and a full mailbox is emptied.
                552 if !too_big => Outcome::Retry {
                    why,
                    after_seconds: None,
                },
                550 | 551 | 553 if no_mailbox => Outcome::Gone { why },
                550 if step == SmtpStep::Recipient && detail.is_none() => Outcome::Gone { why },
                _ => Outcome::Refused { why },
            }
        }
        _ => Outcome::Retry {
            why,
            after_seconds: None,
        },
    }
}

fn blamed(step: SmtpStep) -> &'static str {
    match step {
        SmtpStep::Connect => "the mail server (connecting) said",
        SmtpStep::Sender => "the mail server (to our sender address) said",
        SmtpStep::Recipient => "the mail server (to this recipient) said",
        SmtpStep::Data | SmtpStep::Dot => "the mail server (to the message) said",
    }
}

/// The enhanced status code (RFC 3463) at the beginning of the text.
fn enhanced(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let numbers = word.split('.').collect::<Vec<_>>();
    let sound = numbers.len() == 3
        && numbers
            .iter()
            .all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
    sound.then_some(word)
}

#[cfg(test)]
mod tests {
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
            Outcome::Refused { .. } => "refused",
            Outcome::Gone { .. } => "gone",
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
                    301, 302, 307, 401, 403, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 599,
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
    fn slack_and_teams_say_in_the_body_that_they_are_gone() {
        let of = |channel, status, body| word(&of_http(channel, &answered(status, None, body), now()));
        assert_eq!(of(Channel::Slack, 200, "ok"), "delivered");
        assert_eq!(of(Channel::Slack, 404, "no_service"), "gone");
        assert_eq!(of(Channel::Slack, 410, "channel_is_archived"), "gone");
        assert_eq!(of(Channel::Slack, 403, "action_prohibited"), "retry");
        assert_eq!(of(Channel::Slack, 400, "invalid_blocks"), "refused");
        assert_eq!(of(Channel::Slack, 429, ""), "retry");
        assert_eq!(of(Channel::Teams, 202, ""), "delivered");
        assert_eq!(
            of(Channel::Teams, 404, "{\"error\":{\"code\":\"WorkflowNotFound\"}}"),
            "gone"
        );
        assert_eq!(of(Channel::Teams, 401, "DirectApiAuthorizationRequired"), "retry");
        assert_eq!(of(Channel::Teams, 413, ""), "refused");
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

    #[test]
    fn a_5xx_ends_a_mail_only_where_it_blames_mailbox_or_message() {
        let of = |step, code, text: &str| {
            word(&of_smtp(
                step,
                &SmtpFailure::Answered {
                    code,
                    text: text.into(),
                },
            ))
        };
        assert_eq!(of(SmtpStep::Connect, 554, "no service here"), "retry");
        assert_eq!(of(SmtpStep::Connect, 535, "5.7.8 bad password"), "retry");
        assert_eq!(of(SmtpStep::Sender, 550, "5.7.1 sender refused"), "retry");
        assert_eq!(of(SmtpStep::Recipient, 530, "5.7.0 authenticate first"), "retry");
        assert_eq!(of(SmtpStep::Recipient, 450, "4.2.0 greylisted"), "retry");
        assert_eq!(of(SmtpStep::Recipient, 421, "4.3.2 closing"), "retry");
        assert_eq!(of(SmtpStep::Recipient, 552, "5.2.2 mailbox full"), "retry");
        assert_eq!(of(SmtpStep::Dot, 552, "5.3.4 message too big"), "refused");
        assert_eq!(of(SmtpStep::Recipient, 550, "5.1.1 no such user"), "gone");
        assert_eq!(of(SmtpStep::Recipient, 550, "no such user"), "gone");
        assert_eq!(of(SmtpStep::Recipient, 550, "5.7.1 relaying denied"), "refused");
        assert_eq!(of(SmtpStep::Dot, 554, "5.6.0 content refused"), "refused");
        assert_eq!(
            word(&of_smtp(SmtpStep::Dot, &SmtpFailure::Failed { why: "reset".into() })),
            "retry"
        );
        assert_eq!(
            word(&of_smtp(
                SmtpStep::Recipient,
                &SmtpFailure::Lacking { what: "SMTPUTF8" }
            )),
            "refused"
        );
    }
}
