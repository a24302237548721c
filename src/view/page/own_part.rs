//! Whether it is over for those who read an incident's page, in sentences.

use std::collections::BTreeMap;

use super::Frame;
use crate::clock::Time;
use crate::view::story::OwnPart;
use crate::view::story::own_part::{Place, Standing};

/// How many places a sentence names.
const NAMED_MOST: usize = 20;

/// What is to be said, and what it rests on.
pub fn sentences(own_part: &OwnPart, frame: &Frame) -> Vec<String> {
    match own_part {
        OwnPart::Over(at) => vec![format!(
            "Over: so it was said on {}. No region was named.",
            frame.moment(*at).text
        )],
        OwnPart::Unknown => vec![
            "This cannot be told: no communication to you names a region, and none says that it is over for all of you."
                .to_owned(),
        ],
        OwnPart::Places(places) => {
            let mut groups: BTreeMap<(Standing, Time), Vec<&Place>> = BTreeMap::new();
            for place in places {
                groups.entry((place.is, place.said)).or_default().push(place);
            }
            let sentences = groups
                .into_iter()
                .map(|((is, at), places)| sentence(is, at, &places, frame));
            sentences.collect()
        }
    }
}

fn sentence(is: Standing, at: Time, places: &[&Place], frame: &Frame) -> String {
    let (names, at) = (names(places), frame.moment(at).text);
    match is {
        Standing::Named => format!("Not over: {names}. Named in what was said last of it, on {at}."),
        Standing::NoLongerNamed => format!("Over: {names}. No longer named in what was said on {at}."),
        Standing::SaidToBeOver => format!("Over: {names}. So it was said on {at}."),
    }
}

/// `Virtual Machines in East US, Storage`
fn names(places: &[&Place]) -> String {
    let named = places.iter().take(NAMED_MOST).map(|place| {
        let service = crate::event::service_name(&place.service);
        match &place.region {
            Some(region) => format!("{service} in {region}"),
            None => service.to_owned(),
        }
    });
    let named = named.collect::<Vec<String>>().join(", ");
    match places.len().saturating_sub(NAMED_MOST) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
