//! What an incident adds up to at an event of it, for those whose rules ask for that.

use crate::channel::words::next_update;
use crate::clock::Time;
use crate::event::{Event, Measure};
use crate::incident::correction::{Corrected, Correction};
use crate::incident::reviews::{About, Said, Terms, progress};
use crate::journal::Position;
use crate::rule::RuleSet;

mod facts;

/// At which event what an incident adds up to is asked.
pub struct Measuring<'a> {
    /// The event.
    pub event: &'a Event,
    /// Where it stands: what came later is not known yet.
    pub at: Position,
    /// The rules that may ask.
    pub rules: &'a RuleSet,
    /// How large an incident must be.
    pub terms: &'a Terms,
    /// When it is decided.
    pub now: Time,
}

/// What an event adds up to of which nothing else is known.
pub fn alone(event: &Event, terms: &Terms, now: Time) -> Measure {
    added_up(event, &[said(event)], &[], terms, now)
}

fn said(event: &Event) -> Said {
    Said {
        next_update: next_update(event),
        ..Said::of(event.kind, event.stage, event.published).with(event, &event.accounts)
    }
}

fn added_up(event: &Event, said: &[Said], corrections: &[Correction], terms: &Terms, now: Time) -> Measure {
    let about = About {
        event_type: event.event_type,
        is_test: event.test,
        corrected: Corrected::by(corrections),
        terms,
    };
    let progress = progress(&about, said, now);
    Measure {
        size: progress.size_so_far,
        lasted: progress.lasted,
    }
}
