//! How long providers took: from the start of impact to the first notice, and from the mitigation to the preliminary and to
//! the final review. By provider and service, of what the viewer heard.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::Duration;

use crate::clock::Time;
use crate::event::{EventType, Provider};
use crate::incident::reviews::{Took, impact_on};
use crate::view::story::{Sources, Story, spoken};

/// How many incidents are looked at, the newest: each takes the reading of its texts.
pub const INCIDENTS_MOST: usize = 500;

/// How long a provider took for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// The provider.
    pub provider: Provider,
    /// The service.
    pub service: String,
    /// How many incidents of it were looked at.
    pub incidents: usize,
    /// To the first notice.
    pub first_notice: Option<Summary>,
    /// To the preliminary review.
    pub preliminary: Option<Summary>,
    /// To the final review.
    pub finally: Option<Summary>,
}

/// Some lengths of time, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Half of them are not longer.
    pub median: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Summary {
    /// `None` of nothing.
    fn of(mut lengths: Vec<Duration>) -> Option<Self> {
        lengths.sort_unstable();
        Some(Self {
            count: lengths.len(),
            median: *lengths.get(lengths.len().saturating_sub(1) / 2)?,
            longest: *lengths.last()?,
        })
    }
}

/// How long providers took for incidents with news since then, and whether there were more than are looked at.
///
/// # Errors
/// When store or journal cannot be read.
pub fn times(from: &Sources<'_>, since: Time, now: Time) -> Result<(Vec<Times>, bool)> {
    let mut taken: BTreeMap<(Provider, String), Vec<Took>> = BTreeMap::new();
    let mut looked_at = 0;
    let mut is_cut = false;
    for known in from.visibility.candidates(None) {
        let known = known?;
        if known.updated < since {
            break;
        }
        let is_asked = known.event_type == EventType::ServiceIssue && !known.test;
        if !is_asked || known.id.provider == Provider::Bellwether {
            continue;
        }
        if looked_at == INCIDENTS_MOST {
            is_cut = true;
            break;
        }
        looked_at += 1;
        if let Some(story) = spoken(from, known)? {
            let took = story.progress(from.past.terms(), now).took;
            for service in services(&story) {
                taken
                    .entry((story.incident.id.provider, service))
                    .or_default()
                    .push(took);
            }
        }
    }
    let times = taken.into_iter().map(|((provider, service), took)| {
        let summary = |which: fn(&Took) -> Option<Duration>| Summary::of(took.iter().filter_map(which).collect());
        Times {
            provider,
            service,
            incidents: took.len(),
            first_notice: summary(|took| took.first_notice),
            preliminary: summary(|took| took.preliminary),
            finally: summary(|took| took.finally),
        }
    });
    Ok((times.collect(), is_cut))
}

/// The services that the communications of an incident name, for the viewer's accounts.
fn services(story: &Story) -> std::collections::BTreeSet<String> {
    let told = story.chapters.iter().filter_map(|chapter| {
        let event = chapter.event.as_deref()?;
        Some(impact_on(event, &chapter.accounts))
    });
    told.flatten().map(|(service, _)| service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_them_and_of_nothing_there_is_none() {
        let hours = |all: &[i64]| Summary::of(all.iter().map(|one| Duration::hours(*one)).collect());
        assert_eq!(hours(&[]), None);
        for (all, median, longest) in [
            (&[3][..], 3, 3),
            (&[5, 1], 1, 5),
            (&[9, 1, 4], 4, 9),
            (&[8, 2, 4, 6], 4, 8),
        ] {
            let summary = hours(all).expect("some");
            let expected = (all.len(), Duration::hours(median), Duration::hours(longest));
            assert_eq!((summary.count, summary.median, summary.longest), expected);
        }
    }
}
