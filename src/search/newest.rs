//! Gathers the newest of what was found, behind a place in the order: by keys, so that a page stays where it is while
//! things arrive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

/// The newest documents behind `before`, at most so many.
pub struct Newest {
    /// The place in the order: microseconds, and which incident.
    pub before: Option<(i64, String)>,
    /// How many at most.
    pub most: usize,
}

/// What was gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The documents, the newest first.
    pub documents: Vec<DocAddress>,
    /// How many there are in all, before and behind the place.
    pub count: usize,
}

/// What was gathered of one segment: places in the order with their documents, in no order.
pub struct Part {
    found: Vec<(i64, String, DocAddress)>,
    count: usize,
}

/// Goes through one segment. Within it, incidents have numbers in the order of their keys.
pub struct OfSegment {
    segment: SegmentOrdinal,
    updated: Column<i64>,
    incidents: StrColumn,
    before: Option<(i64, String)>,
    most: usize,
    heap: BinaryHeap<Reverse<(i64, u64, DocId)>>,
    count: usize,
}

impl Collector for Newest {
    type Fruit = Gathered;
    type Child = OfSegment;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<OfSegment> {
        let incidents = reader.fast_fields().str("incident")?;
        let incidents = incidents.ok_or_else(|| tantivy::TantivyError::FieldNotFound("incident".to_owned()))?;
        Ok(OfSegment {
            segment,
            updated: reader.fast_fields().i64("updated")?,
            incidents,
            before: self.before.clone(),
            most: self.most,
            heap: BinaryHeap::new(),
            count: 0,
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, parts: Vec<tantivy::Result<Part>>) -> tantivy::Result<Gathered> {
        let mut all = Vec::new();
        let mut count = 0;
        for part in parts {
            let part = part?;
            all.extend(part.found);
            count += part.count;
        }
        all.sort_by(|one, other| (other.0, &other.1).cmp(&(one.0, &one.1)));
        let documents = all.into_iter().take(self.most).map(|(_, _, document)| document);
        Ok(Gathered {
            documents: documents.collect(),
            count,
        })
    }
}

impl OfSegment {
    fn key(&self, incident: u64) -> std::io::Result<String> {
        let mut key = String::new();
        self.incidents.ord_to_str(incident, &mut key)?;
        Ok(key)
    }

    fn is_behind(&self, updated: i64, incident: u64) -> bool {
        let Some((at, key)) = &self.before else { return true };
        match updated.cmp(at) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => self.key(incident).is_ok_and(|found| found < *key),
        }
    }
}

impl SegmentCollector for OfSegment {
    type Fruit = tantivy::Result<Part>;

    fn collect(&mut self, document: DocId, _: Score) {
        self.count += 1;
        let updated = self.updated.first(document).unwrap_or(i64::MIN);
        let incident = self.incidents.ords().first(document).unwrap_or_default();
        let is_needed = self.heap.len() < self.most
            || self
                .heap
                .peek()
                .is_some_and(|Reverse(last)| (updated, incident, document) > *last);
        if !is_needed || !self.is_behind(updated, incident) {
            return;
        }
        self.heap.push(Reverse((updated, incident, document)));
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    fn harvest(self) -> tantivy::Result<Part> {
        let mut found = Vec::with_capacity(self.heap.len());
        for Reverse((updated, incident, document)) in &self.heap {
            let address = DocAddress::new(self.segment, *document);
            found.push((*updated, self.key(*incident)?, address));
        }
        Ok(Part {
            found,
            count: self.count,
        })
    }
}
