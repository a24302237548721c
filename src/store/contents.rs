//! How much the store holds, kept with every batch: the only way to notice that sled lost something without a word.

use std::fmt;
use std::ops::Bound;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Stored, View, keys};

/// How many entries, and a sum over them in which their order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    entries: u64,
    sum: u64,
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
                contents.add(digest(&key, &value));
            }
        }
        Ok(contents)
    }

    /// With an entry of this digest more.
    pub fn add(&mut self, digest: u64) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(digest);
    }

    /// With an entry of this digest less.
    pub fn remove(&mut self, digest: u64) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(digest);
    }

    /// As it is kept.
    pub fn to_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("numbers are JSON")
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries (sum {:016x})", self.entries, self.sum)
    }
}

/// Two checksums, so that neither a changed key nor a changed value goes unnoticed; damage is no adversary.
pub fn digest(key: &[u8], value: &[u8]) -> u64 {
    let of_key = crc32c::crc32c(key);
    u64::from(of_key) << 32 | u64::from(crc32c::crc32c_append(of_key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_and_what_is_removed_leaves_no_trace() {
        let (mut one, mut other) = (Contents::default(), Contents::default());
        one.add(digest(b"a", b"1"));
        one.add(digest(b"b", b"2"));
        other.add(digest(b"b", b"2"));
        other.add(digest(b"c", b"3"));
        other.add(digest(b"a", b"1"));
        assert_ne!(one, other);
        other.remove(digest(b"c", b"3"));
        assert_eq!(one, other);
    }

    #[test]
    fn values_that_change_places_are_noticed() {
        let (mut one, mut other) = (Contents::default(), Contents::default());
        one.add(digest(b"a", b"1"));
        one.add(digest(b"b", b"2"));
        other.add(digest(b"a", b"2"));
        other.add(digest(b"b", b"1"));
        assert_ne!(one, other);
    }
}
