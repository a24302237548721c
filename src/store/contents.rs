//! How much the store holds, kept with every batch: the only way to notice that sled lost something without a word.

use std::fmt;
use std::ops::Bound;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Stored, View, keys, packed};

/// How many entries, and a sum over them in which their order does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    entries: u64,
    sum: u64,
    /// Beside which dictionary the items are packed.
    #[serde(default)]
    packed: u32,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            entries: 0,
            sum: 0,
            packed: packed::checksum(),
        }
    }
}

impl Contents {
    /// As the last batch said; nothing, in a store that never saw one.
    pub fn noted(view: &View) -> Result<Self> {
        match view.bytes(&keys::contents())? {
            Some(bytes) => serde_json::from_slice(&bytes).context("reading what the store should hold"),
            None => Ok(Self::default()),
        }
    }

    /// As it is: everything is read.
    pub fn found(view: &View) -> Result<Self> {
        let mut contents = Self::default();
        for entry in Stored::range(view.tree(), (Bound::Unbounded, Bound::Unbounded)) {
            let (key, value) = entry?;
            if key.first() != Some(&keys::letter::META) {
                contents.add(&key, &value);
            }
        }
        Ok(contents)
    }

    /// With an entry more.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(digest(key, value));
    }

    /// With an entry less.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(digest(key, value));
    }

    /// As it is kept.
    pub fn to_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("numbers are JSON")
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries (sum {:016x}, packed with {:08x})",
            self.entries, self.sum, self.packed
        )
    }
}

/// Two checksums, so that neither a changed key nor a changed value goes unnoticed; damage is no adversary.
fn digest(key: &[u8], value: &[u8]) -> u64 {
    let of_key = crc32c::crc32c(key);
    u64::from(of_key) << 32 | u64::from(crc32c::crc32c_append(of_key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_and_what_is_removed_leaves_no_trace() {
        let (mut one, mut other) = (Contents::default(), Contents::default());
        one.add(b"a", b"1");
        one.add(b"b", b"2");
        other.add(b"b", b"2");
        other.add(b"c", b"3");
        other.add(b"a", b"1");
        assert_ne!(one, other);
        other.remove(b"c", b"3");
        assert_eq!(one, other);
    }

    #[test]
    fn values_that_change_places_are_noticed() {
        let (mut one, mut other) = (Contents::default(), Contents::default());
        one.add(b"a", b"1");
        one.add(b"b", b"2");
        other.add(b"a", b"2");
        other.add(b"b", b"1");
        assert_ne!(one, other);
    }
}
