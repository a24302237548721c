//! Single keys of a condition: whether the event has one of the values, and else what it has instead.

use crate::event::{Event, fold};
use crate::rule::pattern::Text;
use crate::rule::steps::{Steps, TooCostly};
use crate::rule::why::{WhyNot, either, of_event};
use crate::rule::{Condition, Pattern};

/// What it takes to compare the name of one property, in steps.
const NAME_STEPS: u64 = 20;

pub(super) fn one_of<T: Copy + PartialEq + std::fmt::Display>(
    key: &'static str,
    wants: &Option<Vec<T>>,
    is: Option<T>,
) -> Result<(), WhyNot> {
    let Some(wants) = wants else { return Ok(()) };
    if is.is_some_and(|is| wants.contains(&is)) {
        return Ok(());
    }
    let is: Vec<_> = is.iter().map(T::to_string).collect();
    Err(WhyNot::Differs {
        key: key.to_owned(),
        wants: either(wants),
        is: of_event(&is),
    })
}

pub(super) fn any_of(
    key: &str,
    patterns: Option<&[Pattern]>,
    is: Option<&Text<'_>>,
    steps: &Steps,
) -> Result<(), WhyNot> {
    let Some(patterns) = patterns else { return Ok(()) };
    if let Some(text) = is {
        for pattern in patterns {
            if pattern.matches(text, steps)? {
                return Ok(());
            }
        }
    }
    let is: Vec<_> = is.into_iter().map(Text::as_str).collect();
    let wants = either(patterns.iter().map(|pattern| &pattern.source));
    Err(WhyNot::Differs {
        key: key.to_owned(),
        wants,
        is: of_event(&is),
    })
}

pub(super) fn subtype(condition: &Condition, event: &Event, steps: &Steps) -> Result<(), WhyNot> {
    let Some(wants) = &condition.subtypes else {
        return Ok(());
    };
    steps.take(wants.len() as u64)?;
    if event.subtype.as_ref().is_some_and(|is| wants.contains(&fold(is))) {
        return Ok(());
    }
    let is: Vec<_> = event.subtype.iter().collect();
    Err(WhyNot::Differs {
        key: "subtype".to_owned(),
        wants: either(wants),
        is: of_event(&is),
    })
}

/// A custom property, its key compared without case, spaces, hyphens and underscores if it is not there exactly.
pub(super) fn property<'e>(event: &'e Event, key: &str, steps: &Steps) -> Result<Option<Text<'e>>, TooCostly> {
    let value = match event.properties.get(key) {
        Some(value) => Some(value),
        None => {
            steps.take(event.properties.len() as u64 * NAME_STEPS)?;
            let key = fold(key);
            let mut alike = event.properties.iter().filter(|(name, _)| fold(name) == key);
            alike.next().map(|(_, value)| value)
        }
    };
    // it is made ready for each rule anew
    steps.take(value.map_or(0, String::len) as u64)?;
    Ok(value.map(|value| Text::of(value)))
}
