//! Scans: what sled holds in the order of keys, looked at through changes that are not in it yet.

use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;

use anyhow::{Result, anyhow};

use super::item::Item;
use super::{Staged, compact, guarded};

/// What sled holds, in order; where sled panics on damage, an error.
pub struct Stored(sled::Result<sled::Iter>);

impl Stored {
    /// The entries between two keys; an error, if there is no tree to read.
    pub fn range(tree: sled::Result<&sled::Db>, bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Self {
        Self(tree.map(|tree| tree.range::<Vec<u8>, _>(bounds)))
    }

    /// The next one from the end.
    pub fn step_back(&mut self) -> Option<Result<(sled::IVec, sled::IVec)>> {
        self.step(|iter| iter.next_back())
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Option<Result<(sled::IVec, sled::IVec)>> {
        let found = match &mut self.0 {
            Ok(iter) => guarded("reading the store", || step(iter).transpose()),
            Err(error) => Err(anyhow!(error.clone()).context("reading the store")),
        };
        found.transpose()
    }
}

impl Iterator for Stored {
    type Item = Result<(sled::IVec, sled::IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|iter| iter.next())
    }
}

/// A scan that looks through staged changes at what is stored.
pub struct Scan<'a> {
    stored: Peekable<Stored>,
    staged: Peekable<Range<'a, Vec<u8>, Staged>>,
}

impl<'a> Scan<'a> {
    /// Over what is stored and what is staged between the same keys.
    pub fn new(stored: Stored, staged: Range<'a, Vec<u8>, Staged>) -> Self {
        Self {
            stored: stored.peekable(),
            staged: staged.peekable(),
        }
    }

    /// With their keys, as bytes.
    pub fn steps(mut self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + 'a {
        std::iter::from_fn(move || self.step())
    }

    /// The next key and value, staged before stored; a staged removal hides what is stored.
    fn step(&mut self) -> Option<Result<(Vec<u8>, Vec<u8>)>> {
        loop {
            let staged = self.staged.peek().map(|(key, _)| (*key).clone());
            let stored = match self.stored.peek() {
                Some(Ok((key, _))) => Some(key.to_vec()),
                Some(Err(_)) => {
                    let found = self.stored.next()?;
                    return Some(found.map(|(key, value)| (key.to_vec(), value.to_vec())));
                }
                None => None,
            };
            match (staged, stored) {
                (None, None) => return None,
                (Some(key), stored) if stored.as_ref().is_none_or(|other| key <= *other) => {
                    if stored.as_ref() == Some(&key) {
                        self.stored.next();
                    }
                    let (key, staged) = self.staged.next()?;
                    if let Some(value) = &staged.value {
                        return Some(Ok((key.clone(), value.clone())));
                    }
                }
                _ => {
                    let (key, value) = self.stored.next()?.ok()?;
                    return Some(Ok((key.to_vec(), value.to_vec())));
                }
            }
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step()
            .map(|found| found.and_then(|(_, value)| compact::read(&value)))
    }
}
