//! Single keys of a condition: whether the event has one of the values, and else what it has instead.

use crate::event::{Event, fold};
use crate::rule::why::{WhyNot, either, of_event};
use crate::rule::{Condition, Pattern};

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

pub(super) fn any_of(key: &str, patterns: Option<&[Pattern]>, is: Option<&str>) -> Result<(), WhyNot> {
    let Some(patterns) = patterns else { return Ok(()) };
    if is.is_some_and(|is| patterns.iter().any(|pattern| pattern.matches(is))) {
        return Ok(());
    }
    let is: Vec<_> = is.into_iter().collect();
    let wants = either(patterns.iter().map(|pattern| &pattern.source));
    Err(WhyNot::Differs {
        key: key.to_owned(),
        wants,
        is: of_event(&is),
    })
}

pub(super) fn subtype(condition: &Condition, event: &Event) -> Result<(), WhyNot> {
    let Some(wants) = &condition.subtypes else {
        return Ok(());
    };
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
pub(super) fn property<'e>(event: &'e Event, key: &str) -> Option<&'e str> {
    let alike = || {
        event
            .properties
            .iter()
            .find(|(name, _)| fold(name) == fold(key))
            .map(|(_, value)| value)
    };
    event.properties.get(key).or_else(alike).map(String::as_str)
}
