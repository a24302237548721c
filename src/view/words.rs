//! Words and shapes that pages and answers share: moments, durations, kinds.

use chrono_tz::Tz;

use crate::clock::Time;
use crate::event::Provider;
pub use crate::problem::without_paths;

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

    /// This moment, also as clocks in the reader's zone show it: `24 Oct 2026, 22:30 UTC (25 Oct, 00:30 CEST)`.
    pub fn in_zone(at: Time, zone: Option<Tz>) -> Self {
        let mut moment = Self::of(at);
        if let Some(zone) = zone.filter(|zone| *zone != Tz::UTC) {
            let local = at.with_timezone(&zone);
            let form = match local.date_naive() == at.date_naive() {
                true => "%H:%M %Z",
                false => "%-d %b, %H:%M %Z",
            };
            moment.text = format!("{} ({})", moment.text, local.format(form));
        }
        moment
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

/// A text of our own about a customer's files, with their paths as the customer knows them: below its own folder.
pub fn in_own_folder(text: &str, customer: &str) -> String {
    let folder = format!("{customer}/");
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&folder) {
        let before = rest[..at].chars().next_back();
        shown.push_str(&rest[..at]);
        if !before.is_none_or(|c| !c.is_alphanumeric() && !"/._-@".contains(c)) {
            shown.push_str(&folder);
        }
        rest = &rest[at + folder.len()..];
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
    fn paths_of_this_machine_are_cut_to_their_last_part_and_nothing_else_is() {
        for (said, shown) in [
            (
                "reading the secret /etc/bellwether/credentials/contoso-teams: No such file or directory",
                "reading the secret …/contoso-teams: No such file or directory",
            ),
            (
                "writing the mail `/var/lib/bellwether/mail/1.eml`.",
                "writing the mail `…/1.eml`.",
            ),
            ("(/srv/rules/contoso/secrets/x)", "(…/x)"),
            ("/a/b /c/d/", "…/b …/d/"),
            (
                "503 after 2/3 of text/html and/or more",
                "503 after 2/3 of text/html and/or more",
            ),
            ("see https://hooks.example/a/b", "see https://hooks.example/a/b"),
            (
                "contoso/secrets/contoso-teams is empty",
                "contoso/secrets/contoso-teams is empty",
            ),
            ("/", "/"),
            ("//", "//"),
            ("404 for /hook", "404 for /hook"),
        ] {
            assert_eq!(without_paths(said), shown);
        }
    }

    #[test]
    fn a_customers_files_are_named_as_it_knows_them() {
        for (said, shown) in [
            (
                "The rule file contoso/production.yaml has errors",
                "The rule file production.yaml has errors",
            ),
            ("rules:contoso/a.yaml", "rules:a.yaml"),
            ("<pre>  --> contoso/a.yaml:3:5", "<pre>  --> a.yaml:3:5"),
            ("contoso/", ""),
            (
                "https://x.example/contoso/a not-contoso/b",
                "https://x.example/contoso/a not-contoso/b",
            ),
        ] {
            assert_eq!(in_own_folder(said, "contoso"), shown);
        }
    }

    #[test]
    fn a_moment_is_shown_in_the_readers_zone_too_over_changes_of_day_and_summer_time() {
        let shown = |at: &str, zone| Moment::in_zone(at.parse().expect("a time"), Some(zone)).text;
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            shown("2026-10-24T22:30:00Z", berlin),
            "24 Oct 2026, 22:30 UTC (25 Oct, 00:30 CEST)"
        );
        assert_eq!(
            shown("2026-11-07T22:30:00Z", berlin),
            "7 Nov 2026, 22:30 UTC (23:30 CET)"
        );
        assert_eq!(shown("2026-11-07T22:30:00Z", Tz::UTC), "7 Nov 2026, 22:30 UTC");
    }

    #[test]
    fn durations_are_said_in_two_units_at_most() {
        assert_eq!(lasted(chrono::TimeDelta::minutes(96)), "1 h 36 min");
        assert_eq!(lasted(chrono::TimeDelta::seconds(5)), "1 min");
        assert_eq!(lasted(chrono::TimeDelta::hours(50)), "2 d 2 h");
    }
}
