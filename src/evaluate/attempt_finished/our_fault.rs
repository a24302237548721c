//! The mail relay refuses us: the operator is told, once for each fault, and again only if it is still so when a
//! delivery's life is over.

use std::collections::{BTreeMap, HashSet};

use super::super::own::own;
use super::Lane;
use crate::channel::{Fault, Outcome};
use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR};
use crate::delivery::{Attempt, LIFE};
use crate::event::{Event, Kind, Stage};
use crate::record::Change;

/// What is told to the operator of attempts that ended together: at most one event for each fault.
pub(super) fn raised(ended: &[(Attempt, Lane)], now: Time) -> Vec<Change> {
    let mut news: BTreeMap<Fault, (&Attempt, &str)> = BTreeMap::new();
    for (attempt, lane) in ended {
        if let Outcome::OurFault { fault, why } = &attempt.outcome
            && lane.delivery.is_some()
            && !lane.is_fault_told
        {
            news.entry(*fault).or_insert((attempt, why));
        }
    }
    let raised = news.into_iter().map(|(fault, (attempt, why))| Change::Raised {
        event: Box::new(told_of(fault, attempt, why, now)),
    });
    raised.collect()
}

/// The tracking id of what is told of a fault on a day: whoever was told has an incident of that name.
pub(super) fn tracking_id(fault: Fault, day: Time) -> String {
    let word = match fault {
        Fault::Hello => "hello",
        Fault::Host => "host",
        Fault::Relaying => "relaying",
        Fault::SignIn => "sign-in",
        Fault::Sender => "sender",
        Fault::Account => "account",
        Fault::Policy => "policy",
        Fault::Protocol => "protocol",
        Fault::Security => "security",
    };
    format!("mail-refused:{word}:{}", day.format("%Y%m%d"))
}

/// Whether the report of the fault that an attempt found was raised and waits to be decided: by its id.
pub fn is_fault_raised(attempt: &Attempt, raised: &HashSet<String>) -> bool {
    let Outcome::OurFault { fault, .. } = attempt.outcome else {
        return false;
    };
    let days = (0..=LIFE.num_days()).map(|days| attempt.ended - chrono::Duration::days(days));
    days.map(|day| tracking_id(fault, day)).any(|id| raised.contains(&id))
}

fn told_of(fault: Fault, attempt: &Attempt, why: &str, now: Time) -> Event {
    let (what, mend) = words(fault);
    let why = without_mailboxes(why);
    let title = format!("The mail relay refuses us: {what}");
    let text = format!(
        "{why}\n{mend}\nMail that is refused for this waits, is tried again, and is given up when it is {} days old; \
         afterwards `bellwether redeliver` sends it. More of the same is not told until then. \
         `bellwether deliveries --state scheduled` shows what waits.",
        LIFE.num_days()
    );
    own(
        Kind::MailRefused,
        Stage::Active,
        &CustomerId::new(OPERATOR),
        &tracking_id(fault, attempt.ended),
        title,
        &text,
        now,
    )
}

/// The relay's words without the mailbox that they were said of: two mailboxes meet the same trouble.
fn without_mailboxes(why: &str) -> String {
    let words = why.split(' ').map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// What is refused, and what the operator can do about it.
fn words(fault: Fault) -> (&'static str, &'static str) {
    match fault {
        Fault::Hello => (
            "the name that we say hello with",
            "Give this machine a name that its DNS knows, or write `smtp: { hello: bellwether.contoso.example }` in the settings.",
        ),
        Fault::Host => (
            "this machine",
            "Ask whoever runs the relay to let this machine's address in; it may lack a name in the DNS (PTR), or stand on a blocklist.",
        ),
        Fault::Relaying => (
            "it does not send to others for us",
            "Ask whoever runs the relay to relay for this machine's address, or sign in: `smtp: { user, password }` in the settings.",
        ),
        Fault::SignIn => (
            "the user or the password",
            "Look at `user` and `password` of `smtp` in the settings; a password that was mended in its file needs a restart.",
        ),
        Fault::Sender => (
            "the address that mail comes from",
            "Look at `from` of `smtp` in the settings: the relay's account must be allowed to send as it, and its domain must vouch for the relay (SPF, DKIM, DMARC).",
        ),
        Fault::Account => (
            "our account is suspended or sends more than it may",
            "Ask whoever runs the relay about the account's limits.",
        ),
        Fault::Policy => (
            "by a policy that it does not explain",
            "Ask whoever runs the relay, with its own words above.",
        ),
        Fault::Protocol => (
            "a command of ours",
            "Look whether `url` of `smtp` in the settings names the right host and port, and tell the authors.",
        ),
        Fault::Security => (
            "its way is not safe",
            "Look at `url` of `smtp` in the settings; a certificate of your own authority is trusted with `trust:`.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::IncidentId;

    fn ended(fault: Option<Fault>, is_fault_told: bool) -> (Attempt, Lane) {
        let at: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
        let outcome = match fault {
            Some(fault) => Outcome::OurFault {
                fault,
                why: "said 504 <ada@contoso.example>: no".to_owned(),
            },
            None => Outcome::Retry {
                why: "503".to_owned(),
                after_seconds: None,
            },
        };
        let attempt = Attempt {
            delivery: "dlv_1".to_owned(),
            number: 1,
            started: at,
            ended: at,
            outcome,
            digest: String::new(),
        };
        let (mut delivery, mut standing) = super::super::tests::one();
        delivery.id.clone_from(&attempt.delivery);
        standing.delivery.clone_from(&attempt.delivery);
        let lane = Lane {
            delivery: Some((delivery, standing)),
            behind: Vec::new(),
            carried: Vec::new(),
            hold: None,
            is_fault_told,
            health: super::super::Health::default(),
        };
        (attempt, lane)
    }

    fn ids(changes: &[Change]) -> Vec<String> {
        let event = |change: &Change| match change {
            Change::Raised { event } => Some(IncidentId::of(event).tracking_id),
            _ => None,
        };
        changes.iter().filter_map(event).collect()
    }

    #[test]
    fn each_fault_is_told_once_however_many_mails_meet_it() {
        let all = [
            ended(Some(Fault::Hello), false),
            ended(Some(Fault::Hello), false),
            ended(None, false),
            ended(Some(Fault::Sender), false),
        ];
        let now = all[0].0.ended;
        assert_eq!(
            ids(&raised(&all, now)),
            ["mail-refused:hello:20261124", "mail-refused:sender:20261124"]
        );
        assert_eq!(ids(&raised(&[ended(Some(Fault::Hello), true)], now)), [""; 0]);
    }

    #[test]
    fn what_is_told_names_the_relay_s_words_and_what_to_type() {
        let (attempt, lane) = ended(Some(Fault::Hello), false);
        let now = attempt.ended;
        let changes = raised(&[(attempt, lane)], now);
        let [Change::Raised { event }] = &changes[..] else {
            panic!("{changes:?}")
        };
        assert!(!event.text.contains("ada@"), "{}", event.text);
        assert!(
            event.text.contains("said 504 … no") && event.text.contains("smtp: { hello: "),
            "{}",
            event.text
        );
        assert_eq!(event.kind, Kind::MailRefused);
    }
}
