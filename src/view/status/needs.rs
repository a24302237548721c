//! What of a status needs a person, and what that person should do.

use super::{Fails, Figures, Need, Status};
use crate::clock::Time;
use crate::view::words::lasted;

/// How many things of one kind are named; then they are counted.
const NEEDS_MOST: usize = 20;

/// What somebody should look at.
pub(super) fn needs(status: &Status, figures: &Figures) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |what: String, hint: &str| {
        needs.push(Need {
            what,
            hint: hint.to_owned(),
        });
    };
    if figures.is_failed {
        let hint = "look into the daemon's log (`journalctl -u bellwether`); it starts again by itself";
        need("writing to disk has failed: no event is taken".to_owned(), hint);
    }
    if status.disk.is_some() && figures.is_short_of_space {
        let free = figures.free_bytes.unwrap_or_default() >> 20;
        let hint = "make room on the disk of the state directory";
        need(format!("the disk is full ({free} MiB free): no event is taken"), hint);
    }
    if status.rules.rules == 0 {
        let hint =
            "put rule files into the rules folder; `bellwether check RULES` shows what is wrong with those there";
        need("no rule is in force: nobody is told of anything".to_owned(), hint);
    }
    let broken = status.rules.customers.iter().flat_map(|one| &one.broken);
    for path in broken.take(NEEDS_MOST) {
        let what = format!("the rule file {path} is broken; its last good version is in force");
        need(what, "`bellwether check RULES` shows every mistake with its place");
    }
    for customer in status.customers_without_folder.iter().take(NEEDS_MOST) {
        let what = format!("the rules folder of {customer} is gone; its last rules stay in force");
        need(
            what,
            &format!("put it back, or `bellwether rules forget {customer}` ends them"),
        );
    }
    for customer in status.customers_without_rules.iter().take(NEEDS_MOST) {
        let what = format!("{customer} is in the settings and has no rules: it is told of nothing");
        need(what, "put a rule file into its folder, or take it out of the settings");
    }
    for customer in status.customers_switched_off.iter().take(NEEDS_MOST) {
        let what = format!("every rule of {customer} is switched off: they tell of nothing");
        need(what, "take `enabled: false` out of those that should tell of something");
    }
    for bad in status.secrets_that_cannot_be_used.iter().take(NEEDS_MOST) {
        let what = format!("a secret of {} cannot be used: {}", bad.customer, bad.why);
        need(what, "mend the file; what waits for it is tried at once");
    }
    let failing: Vec<&Fails> = status.failing.iter().filter(|one| one.needs_a_person).collect();
    for fails in failing.iter().take(NEEDS_MOST) {
        need(fails.what(figures.now), &fails.hint());
    }
    if failing.len() > NEEDS_MOST {
        let what = format!("{} more receivers fail", failing.len() - NEEDS_MOST);
        need(what, "`bellwether status --format json` lists all of them");
    }
    if let Some(set_aside) = &status.set_aside {
        if set_aside.awaiting_rules > 0 {
            let what = match set_aside.awaiting_rules {
                1 => "an event waits for rules".to_owned(),
                some => format!("{some} events wait for rules"),
            };
            need(what, "they are decided by themselves as soon as there are rules");
        }
        let others = set_aside.count - set_aside.awaiting_rules;
        if others > 0 {
            let hint = "`bellwether set-aside list` shows it; `bellwether set-aside retry ID` has it decided again";
            need(format!("{others} could not be decided and are set aside"), hint);
        }
    }
    if let Some(kept) = status.refused_bodies_kept.filter(|kept| *kept > 0) {
        let (bodies, are) = match kept {
            1 => ("body", "is"),
            _ => ("bodies", "are"),
        };
        let what = format!("{kept} posted {bodies} could not be read and {are} kept: nobody was told of that");
        let hint = "`bellwether intake refused list` shows them; `bellwether intake refused retry ID` tries one again";
        need(what, hint);
    }
    if let Some(until) = status.nothing_expires_until.filter(|_| status.disk.is_some()) {
        let what = format!(
            "the machine's clock jumped: until {} nothing expires",
            until.format("%H:%M UTC")
        );
        need(what, "see whether the machine's clock is right");
    }
    needs
}

impl Fails {
    fn what(&self, now: Time) -> String {
        format!(
            "{}/{} ({}) has failed for {}: {}",
            self.customer,
            self.receiver,
            self.channel,
            lasted(now - self.since),
            self.why
        )
    }

    fn hint(&self) -> String {
        let test = format!(
            "`bellwether send-test {} {}` tries it now",
            self.customer, self.receiver
        );
        match self.refused {
            true => format!(
                "{test}; `bellwether redeliver {}` sends again what it refused",
                self.delivery
            ),
            false => test,
        }
    }
}
