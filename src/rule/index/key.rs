//! What rules are found by: accounts, public sources and customers, as 128 bits.
//!
//! A GUID is its own 128 bits, so two of them are never taken for one another. Everything else is hashed with keys
//! that are drawn at start, so that strangers who choose ids cannot choose collisions.

use std::hash::{BuildHasher as _, RandomState};

/// What rules are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u64, pub(super) u64);

/// Makes [`Key`]s, always the same for the same text; another instance makes others.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    halves: [RandomState; 2],
    places: RandomState,
}

/// What a key stands for: equal texts of different sorts are different keys.
#[derive(Hash)]
enum Sort {
    Account,
    Source,
    Own,
}

impl Keys {
    /// An account, as events and rules name it: in lower case.
    pub fn account(&self, id: &str) -> Key {
        guid(id.as_bytes()).unwrap_or_else(|| self.hashed(Sort::Account, id))
    }

    /// A source that knows no accounts; case does not matter.
    pub fn source(&self, name: &str) -> Key {
        self.hashed(Sort::Source, &name.to_ascii_lowercase())
    }

    /// The events that we raise ourselves for a customer.
    pub fn own(&self, customer: &str) -> Key {
        self.hashed(Sort::Own, customer)
    }

    /// Where in a table a key belongs.
    pub(super) fn place(&self, key: Key) -> u64 {
        self.places.hash_one((key.0, key.1))
    }

    fn hashed(&self, sort: Sort, text: &str) -> Key {
        let named = (sort, text);
        Key(self.halves[0].hash_one(&named), self.halves[1].hash_one(&named))
    }
}

/// A GUID's 128 bits; only of one written in lower case and with its hyphens, so that no two texts have the same.
fn guid(text: &[u8]) -> Option<Key> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let halves = [
        eight([0, 1, 2, 3, 4, 5, 6, 7].map(|at| text[at])),
        eight([9, 10, 11, 12, 14, 15, 16, 17].map(|at| text[at])),
        eight([19, 20, 21, 22, 24, 25, 26, 27].map(|at| text[at])),
        eight([28, 29, 30, 31, 32, 33, 34, 35].map(|at| text[at])),
    ];
    let [a, b, c, d] = halves;
    Some(Key(a? << 32 | b?, c? << 32 | d?))
}

/// Eight hexadecimal digits in lower case, all at once: each byte of a word is one digit.
fn eight(digits: [u8; 8]) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_be_bytes(digits);
    let is_letter = (word >> 6) & ONES;
    let values = (word & (0x0f * ONES)) + 9 * is_letter;
    let is_large = ((values + 0x76 * ONES) >> 7) & ONES;
    let written = values + 0x30 * ONES + 0x27 * is_large;
    if written != word || values & (0xf0 * ONES) != 0 {
        return None;
    }
    let bytes = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    Some((pairs | pairs >> 16) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_its_own_bits_and_nothing_else_is_taken_for_one() {
        let text = b"01234567-89ab-cdef-fedc-ba9876543210";
        assert_eq!(guid(text), Some(Key(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)));
        for at in 0..text.len() {
            for other in (0..=255).filter(|other| *other != text[at]) {
                let mut wrong = *text;
                wrong[at] = other;
                let is_digit = matches!(other, b'0'..=b'9' | b'a'..=b'f') && text[at] != b'-';
                assert_eq!(guid(&wrong).is_some(), is_digit, "{other} at {at}");
                assert_ne!(guid(&wrong), guid(text));
            }
        }
        assert_eq!(guid(b"01234567"), None);
    }

    #[test]
    fn equal_texts_of_different_sorts_are_different_keys() {
        let keys = Keys::default();
        let all = [keys.account("a"), keys.source("A"), keys.own("a"), keys.account("A")];
        for (nth, key) in all.iter().enumerate() {
            assert!(!all[..nth].contains(key));
        }
        assert_eq!(keys.source("A.example"), keys.source("a.EXAMPLE"));
        assert_ne!(
            Keys::default().account("a"),
            keys.account("a"),
            "strangers cannot know the keys"
        );
    }
}
