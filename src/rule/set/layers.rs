//! A sorted map of which most is shared between revisions: a large layer below, what changed since above it.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

/// A sorted map; a copy shares the lower layer.
#[derive(Debug, Clone)]
pub struct Layers<K, V> {
    lower: Arc<BTreeMap<K, V>>,
    /// What is there instead of what the lower layer says; `None` is nothing.
    upper: BTreeMap<K, Option<V>>,
    len: usize,
}

impl<K: Ord, V> Layers<K, V> {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self.upper.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.lower.get(key),
        }
    }

    /// Whether a key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// All keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        merged(self.lower.range(..), self.upper.range(..))
    }

    /// Keys and values from a key on.
    pub fn onwards<'l, Q: Ord + ?Sized>(&'l self, key: &Q) -> impl Iterator<Item = (&'l K, &'l V)> + use<'l, K, V, Q>
    where
        K: Borrow<Q>,
    {
        let bounds = (Bound::Included(key), Bound::Unbounded);
        merged(self.lower.range::<Q, _>(bounds), self.upper.range::<Q, _>(bounds))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The keys of the upper layer, with their values, if any.
    pub(super) fn changed(&self) -> &BTreeMap<K, Option<V>> {
        &self.upper
    }

    /// Gives a key a value.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.len += usize::from(!self.contains_key(&key));
        self.upper.insert(key, Some(value));
    }

    /// Takes a key away, and gives its value.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q> + Clone,
        V: Clone,
    {
        let value = self.get(key).cloned()?;
        self.len -= 1;
        match self.lower.get_key_value(key) {
            Some((key, _)) => self.upper.insert(key.clone(), None),
            None => self.upper.remove(key),
        };
        Some(value)
    }
}

/// Both layers as one, in order.
fn merged<'l, K: Ord, V>(
    lower: btree_map::Range<'l, K, V>,
    upper: btree_map::Range<'l, K, Option<V>>,
) -> impl Iterator<Item = (&'l K, &'l V)> {
    let (mut lower, mut upper) = (lower.peekable(), upper.peekable());
    std::iter::from_fn(move || {
        loop {
            let Some((changed, _)) = upper.peek() else {
                return lower.next();
            };
            if let Some(below) = lower.next_if(|(key, _)| key < changed) {
                return Some(below);
            }
            lower.next_if(|(key, _)| key == changed);
            if let (key, Some(value)) = upper.next()? {
                return Some((key, value));
            }
        }
    })
}

impl<K, V> Default for Layers<K, V> {
    fn default() -> Self {
        BTreeMap::new().into()
    }
}

impl<K, V> From<BTreeMap<K, V>> for Layers<K, V> {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self {
            len: map.len(),
            lower: Arc::new(map),
            upper: BTreeMap::new(),
        }
    }
}

impl<K: Ord, V: PartialEq> PartialEq for Layers<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Borrow<str>, V> std::ops::Index<&str> for Layers<K, V> {
    type Output = V;

    fn index(&self, key: &str) -> &V {
        self.get(key).expect("the key is there")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn both_layers_together_are_one_map(
            lower in proptest::collection::btree_map(0..20_u8, 0..9_u8, 0..10),
            changes in proptest::collection::vec((0..20_u8, proptest::option::of(0..9_u8)), 0..20),
            from in 0..20_u8,
        ) {
            let mut plain = lower.clone();
            let mut layers = Layers::from(lower);
            for (key, value) in changes {
                match value {
                    Some(value) => {
                        plain.insert(key, value);
                        layers.insert(key, value);
                    }
                    None => prop_assert_eq!(layers.remove(&key), plain.remove(&key)),
                }
            }
            prop_assert!(layers.iter().eq(plain.iter()));
            prop_assert!(layers.onwards(&from).eq(plain.range(from..)));
            prop_assert_eq!(layers.len(), plain.len());
            prop_assert_eq!(layers.get(&from), plain.get(&from));
            prop_assert!(layers == Layers::from(plain));
        }
    }
}
