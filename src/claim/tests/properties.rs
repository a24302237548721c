//! What must hold of every claim, whatever the figures.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

/// Windows in October and November, in seconds from 1 October 2026.
fn windows() -> impl Strategy<Value = Vec<(u32, u32)>> {
    const SECONDS: u32 = 61 * 24 * 60 * 60;
    prop::collection::vec((0..SECONDS, 0..400_000_u32), 0..6)
}

fn incidents(windows: &[(u32, u32)]) -> String {
    let start: crate::clock::Time = "2026-10-01T00:00:00Z".parse().expect("a moment");
    let moment = |seconds: u32| (start + chrono::Duration::seconds(seconds.into())).to_rfc3339();
    let items: Vec<(String, String)> = windows
        .iter()
        .map(|(from, for_)| (moment(*from), moment(from + for_)))
        .collect();
    match items.is_empty() {
        true => "incidents: []\n".to_owned(),
        false => down(
            &items
                .iter()
                .map(|(from, until)| (from.as_str(), until.as_str()))
                .collect::<Vec<_>>(),
        ),
    }
}

fn kinds() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["exact", "any second", "whole minute", "consecutive 5"][..])
}

/// Month, down minutes and credit of each row.
fn rows(windows: &[(u32, u32)], kind: &str, fee: &str) -> Vec<(String, Decimal, Decimal)> {
    let own = terms(&format!(", down minute: {kind}"));
    let usage = usage(&format!(
        ", fee: \"{fee}\", currency: EUR, billing day: 15, zone: Europe/Berlin"
    ));
    let decimal =
        |text: &Option<String>| Decimal::from_str_exact(text.as_deref().expect("a figure")).expect("a decimal");
    let rows = computed(&usage, &incidents(windows), &own, LATER, true).rows;
    rows.iter()
        .map(|row| (row.month.clone(), decimal(&row.down_minutes), decimal(&row.credit)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_credit_is_never_negative_and_never_more_than_the_fee(
        windows in windows(), kind in kinds(), cents in 0..10_000_000_i64,
    ) {
        let fee = Decimal::new(cents, 2);
        for (_, down, credit) in rows(&windows, kind, &fee.to_string()) {
            prop_assert!(credit >= Decimal::ZERO && credit <= fee && down >= Decimal::ZERO);
        }
    }

    #[test]
    fn more_downtime_never_pays_less(windows in windows(), more in windows(), kind in kinds()) {
        let before = rows(&windows, kind, "1234.56");
        let both = [windows, more].concat();
        let after = rows(&both, kind, "1234.56");
        for (month, down, credit) in before {
            let same = after.iter().find(|(other, ..)| *other == month);
            let (_, more_down, more_credit) = same.expect("the month is still touched");
            prop_assert!(*more_down >= down && *more_credit >= credit);
        }
    }

    #[test]
    fn splitting_an_incident_and_the_order_of_arrival_change_nothing(
        windows in windows(), at in 0..400_000_u32, kind in kinds(),
    ) {
        let mut split: Vec<(u32, u32)> = Vec::new();
        for (from, for_) in &windows {
            let first = at.min(*for_);
            split.extend([(*from, first), (from + first, for_ - first)]);
        }
        split.reverse();
        prop_assert_eq!(rows(&windows, kind, "1234.56"), rows(&split, kind, "1234.56"));
    }
}
