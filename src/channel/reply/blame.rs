//! Whom a mail server's answer blames: the mailbox, the message, us, or the relay itself.
//!
//! Three things say it, the surest first: some enhanced status codes (RFC 3463, and those that Exchange and Gmail have
//! made beside it), the words, and where both say nothing the code and the step that it answers (RFC 5321). Servers use
//! `5.7.1` for everything, so there the words decide. What nobody can tell waits: three days of trying cost little, and a
//! mail that was given up costs the alert.
//!
//! The text is somebody else's: addresses in it are left out before words are looked for, or a mailbox's name could say
//! whom to blame.

use std::ops::RangeInclusive;

use super::SmtpStep;
use crate::channel::Fault;

/// Whom an answer blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// There is no such mailbox, and there will be none.
    MailboxGone,
    /// The mailbox is full, or does not take mail from everybody: its owner may mend it.
    MailboxWaits,
    /// The message: its bytes are refused again each time.
    Message,
    /// Us: the operator must mend it.
    Us(Fault),
    /// The relay, or something behind it; or it cannot be told.
    Relay,
}

use Blame::{MailboxGone, MailboxWaits, Message, Relay, Us};

/// Enhanced status codes that say it whatever the words: subject, detail, blame.
const SURE: [(u16, RangeInclusive<u16>, Blame); 34] = [
    (1, 1..=3, MailboxGone), // bad mailbox, bad system, bad syntax
    (1, 6..=6, MailboxGone), // moved, no forwarding address
    (1, 7..=8, Us(Fault::Sender)),
    (1, 10..=10, MailboxGone), // null MX (RFC 7505); Exchange: recipient not found
    (2, 1..=1, MailboxGone),   // disabled
    (2, 2..=2, MailboxWaits),  // full
    (2, 3..=3, Message),       // longer than the mailbox takes
    (3, 4..=4, Message),       // larger than the system takes
    (6, 0..=99, Message),
    (7, 2..=2, MailboxWaits), // may not expand the mailing list
    (7, 3..=3, Us(Fault::SignIn)),
    (7, 8..=8, Us(Fault::SignIn)),
    (7, 12..=12, MailboxWaits), // Exchange: takes mail from its own organisation only
    (7, 13..=14, Us(Fault::Account)),
    (7, 20..=24, Us(Fault::Sender)), // DKIM, SPF (RFC 7372)
    (7, 25..=25, Us(Fault::Host)),   // reverse DNS (RFC 7372)
    (7, 26..=27, Us(Fault::Sender)),
    (7, 28..=28, Us(Fault::Account)), // mail flood
    (7, 54..=54, Us(Fault::Relaying)),
    (7, 57..=57, Us(Fault::SignIn)),
    (7, 60..=60, Us(Fault::Sender)),   // SendAsDenied
    (7, 64..=64, Us(Fault::Relaying)), // TenantAttribution
    (7, 124..=136, MailboxWaits),      // Exchange: restricted recipients and groups
    (7, 501..=503, Us(Fault::Account)),
    (7, 506..=506, Us(Fault::Hello)),
    (7, 507..=508, Us(Fault::Host)),
    (7, 509..=509, Us(Fault::Sender)), // DMARC
    (7, 511..=511, Us(Fault::Sender)),
    (7, 512..=512, Message), // no From (RFC 5322)
    (7, 513..=513, Us(Fault::Host)),
    (7, 515..=515, Us(Fault::Sender)),
    (7, 606..=649, Us(Fault::Host)), // Exchange Online: banned address
    (7, 708..=708, Us(Fault::Host)),
    (7, 700..=750, Us(Fault::Account)), // Exchange Online: limits of the tenant
];

/// Words of what passes by itself whatever the code: greylisting, and a mailbox that gets too much just now.
const PASSING: [&str; 8] = [
    "too many recipients",
    "greylist",
    "graylist",
    "grey-list",
    "grey list",
    "at a rate that",
    "too quickly",
    "receiving mail too",
];

/// Words that say it, the more special first: each is looked for in the text in small letters, without addresses.
const WORDS: [(&[&str], Blame); 17] = [
    (
        &[
            "helo command rejected",
            "ehlo command rejected",
            "need fully-qualified hostname",
            "invalid helo",
            "invalid ehlo",
            "bad helo",
            "bad ehlo",
            "helo name",
            "ehlo name",
            "helo/ehlo",
            "helo argument",
            "ehlo argument",
            "helo host",
            "ehlo host",
            "syntactically invalid helo",
            "syntactically invalid ehlo",
            "invalid domain name",
            "helo first",
            "say helo",
            "helo required",
            "forged helo",
            "your helo",
            "your ehlo",
        ],
        Us(Fault::Hello),
    ),
    (
        &[
            "dmarc",
            "dkim",
            "sender policy framework",
            "spf ",
            "spf:",
            "spf-",
            "openspf",
            "spoof",
            "alignment",
            "senderid",
            "sender id",
        ],
        Us(Fault::Sender),
    ),
    (
        &[
            "relay access denied",
            "relaying denied",
            "relay denied",
            "relay not permitted",
            "relaying not permitted",
            "unable to relay",
            "relaying not allowed",
            "relay not allowed",
            "relaying disallowed",
            "relaying prohibited",
            "not permitted to relay",
            "not allowed to relay",
            "do not relay",
            "does not relay",
            "cannot relay",
            "can't relay",
            "credentials for relay",
            "open relay",
            "rcpthosts",
            "relaying is",
            "relay is not",
            "local user only",
        ],
        Us(Fault::Relaying),
    ),
    (
        &[
            "sender address rejected",
            "sender rejected",
            "sender denied",
            "sender verify failed",
            "sender verification",
            "sender address",
            "sender domain",
            "sender identity",
            "sender is unauthenticated",
            "sender not authorized",
            "sender not authorised",
            "sender is not",
            "sender address must",
            "unauthenticated sender",
            "unauthenticated email",
            "bad outbound sender",
            "send as this sender",
            "sendasdenied",
            "not owned by user",
            "from address",
            "envelope sender",
            "envelope-from",
            "return-path",
            "email address is not verified",
            "not allowed to send",
            "not authorized to send",
            "not authorised to send",
            "permission to send",
            "permissions to send",
            "mail from domain",
            "sender signature",
            "blocked sender",
            "callback",
            "fake sender",
        ],
        Us(Fault::Sender),
    ),
    (
        &[
            "over quota",
            "overquota",
            "mailbox full",
            "mailbox is full",
            "mailbox quota",
            "mailbox size limit",
            "out of storage",
            "storage quota",
            "exceeded storage",
            "insufficient storage",
            "over its quota",
            "quota exceeded for user",
            "exceeded its quota",
        ],
        MailboxWaits,
    ),
    (
        &[
            "surbl",
            "uribl",
            "blacklisted url",
            "blocked url",
            "url in message",
            "url in the message",
        ],
        Message,
    ),
    (
        &[
            "client host",
            "blocked using",
            "blacklist",
            "black list",
            "blocklist",
            "block list",
            "blackhole",
            "black hole",
            "dnsbl",
            "rbl",
            "spamhaus",
            "spamcop",
            "barracuda",
            "sorbs",
            "your ip",
            "sending ip",
            "source ip",
            "banned ip",
            "ip address",
            "the ip you're using",
            "reverse dns",
            "reverse hostname",
            "reverse lookup",
            "rdns",
            "ptr record",
            "no ptr",
            "reputation",
            "your host",
            "your network",
            "your server",
            "your mail server",
            "host rejected",
            "connecting host",
            "connections from",
            "connection refused",
            "not accepted from this",
            "no smtp service here",
            "sending domain",
            "listed at",
            "listed in",
            "listed by",
            "is listed",
            "invalid ip",
        ],
        Us(Fault::Host),
    ),
    (
        &[
            "authentication required",
            "authentication is required",
            "authentication needed",
            "authentication failed",
            "authentication credentials",
            "authentication unsuccessful",
            "authentication rejected",
            "authentication mechanism",
            "not authenticated",
            "must authenticate",
            "must be authenticated",
            "please authenticate",
            "authenticate first",
            "smtp auth",
            "auth required",
            "username and password",
            "bad username or password",
            "invalid login",
            "must issue a starttls",
            "starttls command first",
            "starttls is required",
            "encryption required",
            "log in with your web browser",
            "login denied",
            "basic authentication",
            "auth first",
        ],
        Us(Fault::SignIn),
    ),
    (
        &[
            "sending limit",
            "sending quota",
            "send limit",
            "daily user",
            "daily limit",
            "daily message",
            "daily smtp relay",
            "hourly limit",
            "monthly limit",
            "message limit",
            "sending rate",
            "credits exceeded",
            "account suspended",
            "account is suspended",
            "account disabled by",
            "sending paused",
            "sending suspended",
            "sending for this account",
            "too many messages",
            "messages per",
            "recipients per",
            "message submission rate",
            "outgoing messages",
            "outboundspam",
        ],
        Us(Fault::Account),
    ),
    (
        &[
            "too large",
            "too big",
            "too long",
            "size exceed",
            "exceeds size",
            "size limit",
            "maximum size",
            "maximum message size",
            "exceeded the maximum",
            "exceeds the maximum",
            "exceeds maximum",
            "fixed maximum",
            "message size",
        ],
        Message,
    ),
    (
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "no such mailbox",
            "no such recipient",
            "no such address",
            "no such person",
            "no such account",
            "no such domain",
            "no mailbox",
            "does not exist",
            "doesn't exist",
            "doesn't have",
            "mailbox unavailable",
            "mailbox not found",
            "mailbox disabled",
            "mailbox is disabled",
            "mailbox is inactive",
            "account is disabled",
            "account disabled",
            "unknown recipient",
            "recipient unknown",
            "unknown address",
            "unknown or illegal alias",
            "invalid recipient",
            "invalid mailbox",
            "invalid address",
            "recipient not found",
            "recipnotfound",
            "recipient address rejected",
            "recipient address is invalid",
            "unrouteable address",
            "unroutable address",
            "undeliverable address",
            "user not found",
            "not a valid mailbox",
            "not a known user",
            "not our customer",
            "not known here",
            "not local",
            "does not accept mail",
            "user doesn't",
            "address rejected",
            "domain not found",
            "no longer accepts",
            "no longer available",
            "has been disabled",
            "no valid recipients",
        ],
        MailboxGone,
    ),
    (
        &[
            "mailing list",
            "group only",
            "restricted to",
            "allowed senders",
            "allowed-senders",
        ],
        MailboxWaits,
    ),
    (
        &[
            "local policy",
            "organization policy",
            "policy reasons",
            "security policy",
            "administrative prohibition",
            "administratively prohibited",
        ],
        Us(Fault::Policy),
    ),
    (
        &[
            "spam",
            "unsolicited",
            "virus",
            "malware",
            "phish",
            "malicious",
            "content",
            "attachment",
            "header",
            "rfc 5322",
            "rfc 2822",
            "rfc5322",
            "email policy",
            "message rejected",
            "message refused",
            "mail rejected",
            "bare linefeed",
            "bare lf",
            "duplicate",
        ],
        Message,
    ),
    (
        &[
            "try again",
            "temporar",
            "unavailable",
            "too many connections",
            "too many hops",
            "loop",
            "timeout",
            "timed out",
            "internal error",
            "local error",
            "server error",
            "system error",
            "resources",
            "system storage",
            "no answer",
            "rate limit",
            "ratelimit",
            "limit exceeded",
            "queue",
        ],
        Relay,
    ),
    (
        &[
            "banned",
            "access denied",
            "not authorized",
            "not authorised",
            "policy",
            "blocked",
        ],
        Us(Fault::Policy),
    ),
    (
        &[
            "unrecognized command",
            "command not recognized",
            "bad sequence",
            "syntax error",
            "unrecognized parameter",
        ],
        Us(Fault::Protocol),
    ),
];

/// Whom an answer of `code` and `text` to a step blames.
pub(super) fn of(step: SmtpStep, code: u16, text: &str) -> Blame {
    let enhanced = enhanced(text);
    let words = words(text);
    let blame = match code {
        500..=599 => permanent(step, code, enhanced, &words),
        // a server that closes, or is too busy, says so to everybody
        421 => Relay,
        _ => transient(enhanced, &words),
    };
    match (step, blame) {
        // before a recipient is named nothing can be wrong with one, and before the message is sent nothing with that
        (SmtpStep::Connect | SmtpStep::Sender, MailboxWaits) => Relay,
        (SmtpStep::Connect, MailboxGone | Message) => Us(Fault::Host),
        (SmtpStep::Sender, MailboxGone) => Us(Fault::Sender),
        (_, blame) => blame,
    }
}

fn permanent(step: SmtpStep, code: u16, enhanced: Option<(u16, u16)>, words: &str) -> Blame {
    if matches!(code, 530 | 534 | 535 | 538) {
        return match by_words(words) {
            Some(Us(fault)) => Us(fault),
            _ => Us(Fault::SignIn),
        };
    }
    passing(words)
        .or_else(|| sure(enhanced))
        .or_else(|| by_words(words))
        .or_else(|| likely(enhanced))
        .unwrap_or_else(|| by_step(step, code))
}

/// What is said for the time being is tried again whoever is to blame; who is known to be us is told so.
fn transient(enhanced: Option<(u16, u16)>, words: &str) -> Blame {
    match (passing(words).or_else(|| by_words(words)), sure(enhanced)) {
        (Some(Us(fault)), _) | (None, Some(Us(fault))) => Us(fault),
        (Some(MailboxWaits), _) | (None, Some(MailboxWaits)) => MailboxWaits,
        _ => Relay,
    }
}

fn passing(words: &str) -> Option<Blame> {
    PASSING.iter().any(|known| words.contains(known)).then_some(Relay)
}

fn sure(enhanced: Option<(u16, u16)>) -> Option<Blame> {
    let (subject, detail) = enhanced?;
    let found = SURE
        .iter()
        .find(|(of, details, _)| *of == subject && details.contains(&detail));
    found.map(|(.., blame)| *blame)
}

fn by_words(words: &str) -> Option<Blame> {
    let found = WORDS
        .iter()
        .find(|(known, _)| known.iter().any(|known| words.contains(known)));
    found.map(|(_, blame)| *blame)
}

/// What a code means by its subject where neither its detail nor the words say it (RFC 3463 §3).
fn likely(enhanced: Option<(u16, u16)>) -> Option<Blame> {
    match enhanced?.0 {
        1 => Some(MailboxGone),
        2 => Some(MailboxWaits),
        3 | 4 => Some(Relay),
        5 => Some(Us(Fault::Protocol)),
        7 => Some(Us(Fault::Policy)),
        _ => None,
    }
}

/// What a code means where nothing else is said: RFC 5321 §4.2.3, RFC 7504 (521, 556).
fn by_step(step: SmtpStep, code: u16) -> Blame {
    match (step, code) {
        (SmtpStep::Connect, _) => Us(Fault::Host),
        (SmtpStep::Sender, 552) => Message, // the size that we say it has
        (SmtpStep::Sender, _) => Us(Fault::Sender),
        (SmtpStep::Recipient, 521 | 550 | 551 | 553 | 556) => MailboxGone,
        (_, 500..=505 | 555) if step != SmtpStep::Dot => Us(Fault::Protocol),
        // RFC 5321 §4.5.3.1.10: 552 at RCPT is a 452; and a full mailbox is emptied
        (_, 552) => MailboxWaits,
        (SmtpStep::Recipient | SmtpStep::Data, _) => Relay,
        (SmtpStep::Dot, _) => Message,
    }
}

/// Subject and detail of the enhanced status code (RFC 3463) at the beginning of the text. Some put a sign before it
/// (`#5.1.0`).
fn enhanced(text: &str) -> Option<(u16, u16)> {
    let word = text
        .split_whitespace()
        .next()?
        .trim_matches(['#', '(', ')', ':', ';', ',']);
    let numbers: Vec<u16> = word
        .split('.')
        .map(|number| (1..=3).contains(&number.len()).then(|| number.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [4 | 5, subject, detail] => Some((subject, detail)),
        _ => None,
    }
}

/// The text in small letters, without addresses: neither what stands between angle brackets nor words with an `@`.
fn words(text: &str) -> String {
    let mut outside = String::with_capacity(text.len());
    let mut open = 0_usize;
    for c in text.chars() {
        match c {
            '<' => open += 1,
            '>' => open = open.saturating_sub(1),
            _ if open == 0 => outside.extend(c.to_lowercase()),
            _ => {}
        }
    }
    let words: Vec<&str> = outside.split_whitespace().filter(|word| !word.contains('@')).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
