//! Time zones as people name them: abbreviations, offsets, cities, the names of Windows.

/// What people type for the zone of a place. Abbreviations are of the place that most people mean by them.
const COMMON: &[(&str, &str)] = &[
    ("CET", "Europe/Berlin"),
    ("CEST", "Europe/Berlin"),
    ("MEZ", "Europe/Berlin"),
    ("MESZ", "Europe/Berlin"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Romance Standard Time", "Europe/Paris"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("EET", "Europe/Helsinki"),
    ("EEST", "Europe/Helsinki"),
    ("WET", "Europe/Lisbon"),
    ("WEST", "Europe/Lisbon"),
    ("BST", "Europe/London"),
    ("GMT Standard Time", "Europe/London"),
    ("MSK", "Europe/Moscow"),
    ("EST", "America/New_York"),
    ("EDT", "America/New_York"),
    ("ET", "America/New_York"),
    ("Eastern Standard Time", "America/New_York"),
    ("Eastern Time", "America/New_York"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("CT", "America/Chicago"),
    ("Central Standard Time", "America/Chicago"),
    ("MST", "America/Denver"),
    ("MDT", "America/Denver"),
    ("Mountain Standard Time", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("PT", "America/Los_Angeles"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("Pacific Time", "America/Los_Angeles"),
    ("BRT", "America/Sao_Paulo"),
    ("IST", "Asia/Kolkata"),
    ("India Standard Time", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("SGT", "Asia/Singapore"),
    ("HKT", "Asia/Hong_Kong"),
    ("AEST", "Australia/Sydney"),
    ("AEDT", "Australia/Sydney"),
    ("NZST", "Pacific/Auckland"),
    ("NZDT", "Pacific/Auckland"),
];

/// The hint for a name that no zone has.
pub(super) fn meant(name: &str) -> String {
    let name = name.trim();
    let by_place = "a zone is named by a place, which knows its summer time";
    let common = COMMON.iter().find(|(typed, _)| typed.eq_ignore_ascii_case(name));
    if let Some((_, zone)) = common {
        return format!("{by_place}: `{zone}`");
    }
    let is_offset = |rest: &str| rest.starts_with(['+', '-', '±']) && rest.chars().any(|c| c.is_ascii_digit());
    let upper = name.to_uppercase();
    let rest = ["UTC", "GMT"]
        .iter()
        .find_map(|prefix| upper.strip_prefix(prefix))
        .unwrap_or(&upper);
    if is_offset(rest.trim()) {
        return format!("{by_place}: a name such as `Europe/Berlin`");
    }
    let zones = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = name.replace(' ', "_").to_lowercase();
    let by_city =
        zones().find(|zone| zone.to_lowercase().rsplit('/').next() == Some(city.as_str()) && zone.contains('/'));
    if let Some(zone) = by_city {
        return format!("did you mean `{zone}`?");
    }
    // between abbreviations a letter is a whole other place
    let alike = crate::problem::meant::meant(name, zones().filter(|zone| zone.contains('/')));
    alike.unwrap_or_else(|| "a name such as `Europe/Berlin`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_guessed_by_place() {
        for (typed, zone) in [
            ("CEST", "`Europe/Berlin`"),
            ("cest", "`Europe/Berlin`"),
            ("PDT", "`America/Los_Angeles`"),
            ("W. Europe Standard Time", "`Europe/Berlin`"),
            ("Berlin", "`Europe/Berlin`"),
            ("New York", "`America/New_York`"),
            ("Europe/Berln", "`Europe/Berlin`"),
            ("UTC+2", "`Europe/Berlin`"),
            ("+02:00", "`Europe/Berlin`"),
            ("xyzzy", "`Europe/Berlin`"),
        ] {
            assert!(meant(typed).contains(zone), "{typed}: {}", meant(typed));
        }
    }

    #[test]
    fn every_zone_that_is_proposed_is_one() {
        for (_, zone) in COMMON {
            assert!(zone.parse::<chrono_tz::Tz>().is_ok(), "{zone}");
        }
    }
}
