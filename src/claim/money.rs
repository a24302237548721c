//! Amounts of money, exactly: decimals, never floats.
//!
//! A credit is the fee times the step, rounded half up to the currency's minor unit (ISO 4217), and never more than the
//! fee itself.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// The most digits before the decimal point of an amount that is read. With the limits below, every product of an
/// amount and a percentage fits into a decimal without rounding.
const WHOLE_DIGITS_MOST: usize = 12;

/// The most digits behind the decimal point of an amount that is read.
const FRACTION_DIGITS_MOST: u32 = 10;

/// The most digits behind the decimal point of a percentage that is read.
const PERCENT_DIGITS_MOST: u32 = 5;

/// One currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of a code of three letters, in any case.
    pub fn read(text: &str) -> Option<Self> {
        iso_currency::Currency::from_code(&text.trim().to_uppercase()).map(Self)
    }

    /// Its code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many digits its minor unit has: EUR 2, JPY 0, KWD 3. What has no minor unit (gold) counts as whole.
    pub fn digits(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// An amount with at least the digits of the minor unit; further digits stay.
    pub fn shown(self, amount: Decimal) -> String {
        let mut amount = amount.normalize();
        if amount.scale() < self.digits() {
            amount.rescale(self.digits());
        }
        amount.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// What a step gives back of a fee: fee x percent / 100, half up to the minor unit, then at most the fee.
pub fn credit(fee: Decimal, percent: Decimal, currency: Currency) -> Decimal {
    let exact = fee * percent * Decimal::new(1, 2);
    let rounded = exact.round_dp_with_strategy(currency.digits(), RoundingStrategy::MidpointAwayFromZero);
    rounded.min(fee)
}

/// An amount for people: half up to the minor unit of the currency of this code; as it is, if there is no such currency.
pub fn rounded(amount: Decimal, code: &str) -> String {
    match Currency::read(code) {
        Some(currency) => {
            let rounded = amount.round_dp_with_strategy(currency.digits(), RoundingStrategy::MidpointAwayFromZero);
            currency.shown(rounded)
        }
        None => amount.to_string(),
    }
}

/// A plain decimal number: digits, and perhaps a point and digits.
fn plain(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.trim_start_matches('0').len() > WHOLE_DIGITS_MOST {
        return None;
    }
    let amount = Decimal::from_str_exact(text).ok()?.normalize();
    (amount.scale() <= FRACTION_DIGITS_MOST).then_some(amount)
}

/// Reads an amount, and the currency that stands beside it (`123.45`, `123.45 EUR`, `EUR 123.45`).
///
/// # Errors
/// In words that say what to type.
pub fn read_amount(text: &str) -> Result<(Decimal, Option<Currency>), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (number, currency) = match words[..] {
        [number] => (number, None),
        [one, other] if one.starts_with(|c: char| c.is_ascii_digit() || c == '-') => (one, Some(other)),
        [one, other] => (other, Some(one)),
        _ => return Err(no_amount(text)),
    };
    let currency = match currency {
        None => None,
        Some(code) => {
            Some(Currency::read(code).ok_or_else(|| format!("`{code}` is no currency: three letters, such as EUR"))?)
        }
    };
    if number.starts_with('-') {
        return Err(
            "an amount is not negative: a fee is what was charged less what was refunded, and 0 where more was refunded"
                .to_owned(),
        );
    }
    match plain(number) {
        Some(amount) => Ok((amount, currency)),
        None => Err(no_amount(text)),
    }
}

fn no_amount(text: &str) -> String {
    let is_long = text.bytes().filter(u8::is_ascii_digit).count() > FRACTION_DIGITS_MOST as usize;
    match (text.contains(','), is_long) {
        (true, _) => format!(
            "`{text}` is no amount: write it without separators of thousands, and with a point before the cents (1234.50)"
        ),
        (false, true) => format!(
            "`{text}` is no amount: at most {WHOLE_DIGITS_MOST} digits before the point and {FRACTION_DIGITS_MOST} behind it"
        ),
        (false, false) => format!("`{text}` is no amount, such as 1234.50"),
    }
}

/// Reads a percentage above 0 and up to 100 (`99.9`, `99.9 %`, `<99.9`).
///
/// # Errors
/// In words that say what to type.
pub fn read_percent(text: &str) -> Result<Decimal, String> {
    let number = text.trim().trim_start_matches('<').trim_end_matches('%').trim();
    let percent = plain(number).filter(|percent| percent.scale() <= PERCENT_DIGITS_MOST);
    let percent = percent.filter(|percent| *percent > Decimal::ZERO && *percent <= Decimal::ONE_HUNDRED);
    percent.ok_or_else(|| format!("`{text}` is no percentage above 0 and up to 100, such as 99.9"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect(text)
    }

    fn credited(fee: &str, percent: &str, code: &str) -> String {
        let currency = Currency::read(code).expect(code);
        currency.shown(credit(decimal(fee), decimal(percent), currency))
    }

    #[test]
    fn a_credit_is_rounded_half_up_to_the_minor_unit_of_its_currency() {
        assert_eq!(credited("1000", "10", "EUR"), "100.00");
        assert_eq!(credited("123.45", "10", "EUR"), "12.35", "12.345: half up");
        assert_eq!(credited("123.44", "10", "eur"), "12.34", "12.344");
        assert_eq!(credited("12345", "10", "JPY"), "1235", "1234.5: half up, no minor unit");
        assert_eq!(credited("1.005", "10", "KWD"), "0.101", "0.1005: half up, three digits");
        assert_eq!(credited("0.04", "10", "EUR"), "0.00", "0.004");
        assert_eq!(credited("0.05", "10", "EUR"), "0.01", "0.005: half up");
    }

    #[test]
    fn a_credit_is_at_most_the_fee() {
        assert_eq!(
            credited("10.005", "100", "EUR"),
            "10.005",
            "10.01 would be more than was paid"
        );
        assert_eq!(
            credited("999999999999.9999999999", "100", "KWD"),
            "999999999999.9999999999"
        );
    }

    #[test]
    fn amounts_are_read_exactly_as_written() {
        let eur = Currency::read("EUR");
        assert_eq!(read_amount("123.45"), Ok((decimal("123.45"), None)));
        assert_eq!(read_amount("123.45 EUR"), Ok((decimal("123.45"), eur)));
        assert_eq!(read_amount("eur 123.45"), Ok((decimal("123.45"), eur)));
        assert_eq!(read_amount("0.0000000001"), Ok((decimal("0.0000000001"), None)));
        assert_eq!(read_amount("999999999999"), Ok((decimal("999999999999"), None)));
        for (wrong, said) in [
            ("1,000.00", "without separators"),
            ("1e3", "is no amount, such as"),
            ("-5", "not negative"),
            ("1.", "is no amount, such as"),
            (".5", "is no amount, such as"),
            ("1000000000000", "at most 12 digits"),
            ("0.00000000001", "at most 12 digits"),
            ("5 EURO", "no currency"),
            ("5 EUR net", "is no amount"),
            ("", "is no amount"),
        ] {
            let error = read_amount(wrong).expect_err(wrong);
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn percentages_are_above_nothing_and_at_most_all() {
        for right in ["99.9", "99.9 %", "<99.9", "< 99.9%"] {
            assert_eq!(read_percent(right), Ok(decimal("99.9")), "{right}");
        }
        assert_eq!(read_percent("100"), Ok(decimal("100")));
        for wrong in ["0", "100.1", "-1", "ten", "99.999999", "NaN"] {
            assert!(read_percent(wrong).is_err(), "{wrong}");
        }
    }
}
