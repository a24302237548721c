//! Amounts of several currencies, added up.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// Sums by currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<String, Decimal>);

impl Amounts {
    /// Adds an amount as it is shown; whether there was one.
    pub fn add(&mut self, amount: Option<&str>, currency: Option<&str>) -> bool {
        let amount = amount.and_then(|text| Decimal::from_str_exact(text).ok());
        let (Some(amount), Some(currency)) = (amount, currency) else {
            return false;
        };
        let sum = self.0.entry(currency.to_owned()).or_default();
        // more than a decimal holds is no sum of money
        *sum = sum.saturating_add(amount);
        true
    }

    /// Each sum with its currency: `110.00 EUR`.
    pub fn parts(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(currency, sum)| format!("{sum} {currency}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_added_up_apart_and_what_is_no_amount_is_left_out() {
        let mut sums = Amounts::default();
        assert!(sums.add(Some("100.00"), Some("EUR")) && sums.add(Some("10.50"), Some("EUR")));
        assert!(sums.add(Some("20"), Some("JPY")));
        assert!(!sums.add(None, Some("EUR")) && !sums.add(Some("1"), None) && !sums.add(Some("?"), Some("EUR")));
        assert_eq!(sums.parts(), ["110.50 EUR", "20 JPY"]);
    }
}
