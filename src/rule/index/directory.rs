//! From a key to the rules found by it: a table of places, and one list of postings per key.
//!
//! A list begins with its key, which is compared whole, and lies in one piece: most are one cache line.

use super::filter::Posting;
use super::key::{Key, Keys};

/// How many lists are looked up before the first is read: so that memory answers several at once.
const AT_ONCE: usize = 32;

/// Lists of postings by key.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// `0`, or half a hash and where the list begins, ordered by hash.
    slots: Vec<u64>,
    /// How many slots a hash may point to; those behind are for the last ones' overflow.
    ways: u64,
    /// Lists: the key, then its postings, the last marked.
    lists: Vec<Posting>,
}

/// A posting on its way to the list of its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub key: Key,
    pub posting: Posting,
}

impl Directory {
    /// Entries become lists; those of one key stay in their order.
    pub fn new(entries: &[Entry], keys: &Keys) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let mut directory = Self {
            lists: Vec::with_capacity(entries.len() + entries.len() / 2),
            ..Self::default()
        };
        directory.lists.push(Posting::default());
        let starts = directory.fill(sorted(entries, keys));
        directory.place(&starts);
        directory.lists.shrink_to_fit();
        directory
    }

    /// Writes the lists; gives the hash and start of each.
    fn fill(&mut self, sorted: Vec<(u64, Entry)>) -> Vec<(u64, u32)> {
        let mut starts = Vec::new();
        for of_one in sorted.chunk_by(|(one, first), (other, second)| one == other && first.key == second.key) {
            let (hash, Entry { key, .. }) = of_one[0];
            starts.push((hash, u32::try_from(self.lists.len()).expect("fewer than 2^32 postings")));
            self.lists.push(Posting(key.0, key.1));
            self.lists.extend(of_one.iter().map(|(_, entry)| entry.posting));
            let last = self.lists.last_mut().expect("a list has a posting");
            *last = last.as_last();
        }
        starts
    }

    /// Fills the slots in the order of their hashes, so from the first to the last.
    fn place(&mut self, starts: &[(u64, u32)]) {
        self.ways = starts.len() as u64 * 5 / 3 + 1;
        self.slots = vec![0; self.ways as usize];
        let mut next = 0;
        for (hash, start) in starts {
            next = self.way(*hash).max(next);
            if next >= self.slots.len() {
                self.slots.resize(next + 1, 0);
            }
            self.slots[next] = (hash & 0xffff_ffff) << 32 | u64::from(*start);
            next += 1;
        }
        self.slots.push(0);
    }

    fn way(&self, hash: u64) -> usize {
        ((u128::from(hash) * u128::from(self.ways)) >> 64) as usize
    }

    /// Where the list of a key with this hash begins, if there is one; seldom it is the list of another key.
    fn start(&self, hash: u64, from: usize) -> Option<(usize, usize)> {
        let slots = self.slots[from..].iter().take_while(|slot| **slot != 0).enumerate();
        let mut alike = slots.filter(|(_, slot)| *slot >> 32 == hash & 0xffff_ffff);
        alike
            .next()
            .map(|(nth, slot)| (from + nth, (slot & 0xffff_ffff) as usize))
    }

    /// Calls `each` for every posting in the lists of these keys.
    ///
    /// The steps are taken for several keys at once, so that one waits for memory while the others do.
    pub fn visit(&self, wanted: &[Key], keys: &Keys, mut each: impl FnMut(Posting)) {
        if self.slots.is_empty() {
            return;
        }
        for wanted in wanted.chunks(AT_ONCE) {
            let mut hashes = [0; AT_ONCE];
            let mut slots = [0; AT_ONCE];
            let mut starts = [None; AT_ONCE];
            let mut heads = [Posting::default(); AT_ONCE];
            for (nth, key) in wanted.iter().enumerate() {
                hashes[nth] = keys.place(*key);
            }
            for nth in 0..wanted.len() {
                slots[nth] = self.slots[self.way(hashes[nth])];
            }
            for nth in (0..wanted.len()).filter(|nth| slots[*nth] != 0) {
                starts[nth] = self.start(hashes[nth], self.way(hashes[nth]));
            }
            for nth in 0..wanted.len() {
                heads[nth] = self.lists[starts[nth].map_or(0, |(_, start)| start)];
            }
            for (nth, key) in wanted.iter().enumerate() {
                let list = match starts[nth] {
                    None => continue,
                    Some((_, start)) if heads[nth] == Posting(key.0, key.1) => Some(start),
                    Some((slot, _)) => self.find(*key, hashes[nth], slot + 1),
                };
                list.into_iter().for_each(|start| self.walk(start + 1, &mut each));
            }
        }
    }

    /// The list of a key, looked for from a slot on.
    fn find(&self, key: Key, hash: u64, mut from: usize) -> Option<usize> {
        loop {
            let (slot, start) = self.start(hash, from)?;
            if self.lists[start] == Posting(key.0, key.1) {
                return Some(start);
            }
            from = slot + 1;
        }
    }

    #[inline]
    fn walk(&self, from: usize, each: &mut impl FnMut(Posting)) {
        for posting in &self.lists[from..] {
            each(*posting);
            if posting.is_last() {
                return;
            }
        }
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + size_of_val(&*self.lists)
    }
}

/// The entries with their hashes, in the order of hash and key: first dealt into piles that fit into a cache.
fn sorted(entries: &[Entry], keys: &Keys) -> Vec<(u64, Entry)> {
    let piles = (entries.len() / 256).next_power_of_two().clamp(1, 1 << 14);
    let pile = |hash: u64| ((u128::from(hash) * piles as u128) >> 64) as usize;
    let hashes: Vec<u64> = entries.iter().map(|entry| keys.place(entry.key)).collect();
    let mut ends = vec![0_usize; piles + 1];
    hashes.iter().for_each(|hash| ends[pile(*hash) + 1] += 1);
    for nth in 1..ends.len() {
        ends[nth] += ends[nth - 1];
    }
    let mut dealt = vec![(0, entries[0]); entries.len()];
    let mut next = ends.clone();
    for (entry, hash) in entries.iter().zip(&hashes) {
        let at = &mut next[pile(*hash)];
        dealt[*at] = (*hash, *entry);
        *at += 1;
    }
    for bounds in ends.windows(2) {
        dealt[bounds[0]..bounds[1]].sort_by_key(|(hash, entry)| (*hash, entry.key));
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_finds_its_own_postings_and_no_others() {
        let keys = Keys::default();
        let key = |nth: u32| keys.account(&format!("account {nth}"));
        let entries = (0..3_000).map(|nth| Entry {
            key: key(nth % 1_000),
            posting: Posting::group(nth),
        });
        let directory = Directory::new(&entries.collect::<Vec<_>>(), &keys);
        let found = |wanted: &[Key]| {
            let mut found = Vec::new();
            directory.visit(wanted, &keys, |posting| found.push(posting.number()));
            found
        };
        for nth in 0..1_000 {
            assert_eq!(found(&[key(nth)]), [nth, nth + 1_000, nth + 2_000]);
        }
        assert_eq!(found(&(1_000..2_000).map(key).collect::<Vec<_>>()), Vec::<u32>::new());
        assert_eq!(found(&(0..2_000).map(key).collect::<Vec<_>>()).len(), 3_000);
        assert!(Directory::default().bytes() == 0 && directory.find(key(7), 0, 0).is_none());
    }

    #[test]
    fn keys_that_share_a_hash_are_told_apart() {
        let entry = |nth: u64| Entry {
            key: Key(nth, nth),
            posting: Posting::group(nth as u32),
        };
        let mut directory = Directory::default();
        directory.lists.push(Posting::default());
        let starts = directory.fill((0..3).map(|nth| (7, entry(nth))).collect());
        directory.place(&starts);
        for nth in 0..3 {
            let start = directory.find(Key(nth, nth), 7, directory.way(7)).expect("a list");
            assert_eq!(directory.lists[start + 1].number(), nth as u32);
        }
        assert_eq!(directory.find(Key(3, 3), 7, directory.way(7)), None);
    }
}
