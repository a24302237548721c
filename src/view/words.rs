//! Words and shapes that pages and answers share: moments, durations, kinds.

use crate::clock::Time;
use crate::event::{Kind, Provider};

/// A moment, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, to the second.
    pub iso: String,
    /// `24 Nov 2026, 14:10 UTC`
    pub text: String,
}

impl Moment {
    /// This moment.
    pub fn of(at: Time) -> Self {
        Self {
            iso: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            text: at.format("%-d %b %Y, %H:%M UTC").to_string(),
        }
    }
}

/// `1 h 36 min`
pub fn lasted(long: chrono::TimeDelta) -> String {
    match (long.num_days(), long.num_hours() % 24, long.num_minutes() % 60) {
        (0, 0, minutes) => format!("{} min", minutes.max(1)),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `3 subscriptions`, `1 account`
pub fn accounts(provider: Provider, count: usize) -> String {
    let noun = if provider == Provider::Azure {
        "subscription"
    } else {
        "account"
    };
    counted(count, noun)
}

/// `1 attempt`, `2 attempts`
pub fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// `Preliminary review`
pub fn kind(kind: Kind) -> String {
    capitalised(&kind.word().replace('-', " "))
}

/// The provider as people call it.
pub fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Azure => "Azure",
        Provider::Aws => "AWS",
        Provider::Google => "Google Cloud",
        Provider::Statuspage => "Statuspage",
        Provider::Own => "Own teams",
        Provider::Bellwether => "Bellwether",
    }
}

/// With a capital letter first.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What a receiver or a mail server said, without mail addresses: those are nobody else's to read.
pub fn without_addresses(text: &str) -> String {
    let is_in_address = |c: char| c.is_alphanumeric() || "@.!#$%&'*+/=?^_`{|}~-".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let begin = rest[..at]
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_in_address(*c))
            .last();
        let begin = begin.map_or(at, |(begin, _)| begin);
        let end = rest[at..]
            .find(|c| !is_in_address(c))
            .map_or(rest.len(), |length| at + length);
        shown.push_str(&rest[..begin]);
        shown.push_str("(address)");
        rest = &rest[end..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_servers_answer_is_shown_without_the_address() {
        let said = "550 5.1.1 <ada.l+x@contoso.example>: no such user (ada.l+x@contoso.example)";
        assert_eq!(
            without_addresses(said),
            "550 5.1.1 <(address)>: no such user ((address))"
        );
        assert_eq!(without_addresses("no answer within 30 s"), "no answer within 30 s");
        assert_eq!(without_addresses("@"), "(address)");
    }

    #[test]
    fn durations_are_said_in_two_units_at_most() {
        assert_eq!(lasted(chrono::TimeDelta::minutes(96)), "1 h 36 min");
        assert_eq!(lasted(chrono::TimeDelta::seconds(5)), "1 min");
        assert_eq!(lasted(chrono::TimeDelta::hours(50)), "2 d 2 h");
    }

    #[test]
    fn kinds_are_written_as_words() {
        assert_eq!(kind(Kind::PreliminaryReview), "Preliminary review");
    }
}
