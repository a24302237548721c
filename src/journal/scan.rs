//! Finds the valid groups in a segment's bytes, and what lies between and behind them. Pure.
//!
//! It reports what it sees of one segment; whether that is a torn tail or rot depends on the segments behind it.

use std::ops::Range;

use super::frame::{self, Group, Link};
use super::segment::{FORMAT, Found, HEADER, Header, Index};

/// One segment, looked through from the first byte to the last.
#[derive(Debug)]
pub(super) struct Scan {
    /// The header as it is, or as the groups say it must have been.
    pub header: Header,
    /// Whether the header itself could not be read.
    pub headless: bool,
    /// Whether the file is shorter than it was made.
    pub short: bool,
    /// Where the valid groups would lie, were `extents` put one behind the other.
    pub index: Index,
    /// Which bytes are valid groups, ascending, neighbours joined.
    pub extents: Vec<Range<usize>>,
    /// What lies before or between valid groups and is none.
    pub rot: Vec<Range<usize>>,
    /// From behind the last valid group to the last byte that is not zero.
    pub trailing: Option<Range<usize>>,
    /// How many groups begin there: of more than one all but the last were synced, and are rot.
    pub trailing_groups: usize,
    /// Sequence numbers missing between two groups.
    pub gaps: Vec<(u64, u64)>,
    /// Which group the first one says it follows: its number and the checksum.
    pub follows: Option<Link>,
    /// First sequence numbers of groups that do not follow the one before them.
    pub unchained: Vec<u64>,
    records: u64,
}

impl Scan {
    /// Whether the file needs to be replaced by a copy of its valid part.
    pub(super) fn is_damaged(&self) -> bool {
        self.headless || self.short || !self.rot.is_empty() || self.trailing.is_some()
    }

    /// Whether it is as it was made: no group, nothing else either.
    pub(super) fn is_pristine(&self) -> bool {
        self.index.span().is_none() && !self.is_damaged()
    }

    /// How many records the valid groups hold.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// What is wrong with it, in words.
    pub(super) fn complaint(&self) -> String {
        let mut parts = Vec::new();
        if self.headless {
            parts.push("the header is not valid".to_owned());
        }
        if self.short {
            parts.push("the file is shorter than it was made".to_owned());
        }
        for range in self.rot.iter().chain(&self.trailing) {
            parts.push(format!("bytes {} to {} hold no valid group", range.start, range.end));
        }
        if parts.is_empty() {
            "it holds no valid group".to_owned()
        } else {
            parts.join(", ")
        }
    }

    fn accept(&mut self, at: usize, group: &Group) {
        match self.index.span() {
            None => {
                self.follows = Some(Link {
                    number: group.link.number.wrapping_sub(1),
                    checksum: group.previous,
                });
            }
            Some((_, last)) => self.compare(last, group),
        }
        self.records += group.last - group.first + 1;
        self.index.add(self.index.end, group);
        match self.extents.last_mut() {
            Some(extent) if extent.end == at => extent.end += group.bytes,
            _ => self.extents.push(at..at + group.bytes),
        }
    }

    fn compare(&mut self, last: u64, group: &Group) {
        if group.first > last + 1 {
            self.gaps.push((last + 1, group.first - 1));
        }
        let before = self.index.link.unwrap_or_default();
        if (group.link.number, group.previous) != (before.number.wrapping_add(1), before.checksum) {
            self.unchained.push(group.first);
        }
    }

    /// Whether a valid group goes on where the last one ended: older ones are stale copies.
    fn continues(&self, group: &Group) -> bool {
        let newer = self.index.link.is_none_or(|link| group.link.number > link.number);
        newer && self.index.span().is_none_or(|(_, last)| group.first > last)
    }
}

/// Looks through the bytes of segment `number`; `Err` is the number of a newer format.
pub(super) fn scan(bytes: &[u8], number: u64) -> Result<Scan, u32> {
    let mut scan = start(bytes, number)?;
    let mut salt = (!scan.headless).then_some(scan.header.salt);
    let mut at = HEADER;
    while let Some((start, group)) = next_group(bytes, at, salt, &scan) {
        if start > at {
            scan.rot.push(at..start);
        }
        scan.accept(start, &group);
        salt = Some(group.salt);
        at = start + group.bytes;
    }
    scan.header.salt = salt.unwrap_or_default();
    let rest = bytes.get(at..).unwrap_or_default();
    let trailing = &rest[..frame::used(rest)];
    scan.trailing = (!trailing.is_empty()).then_some(at..at + trailing.len());
    scan.trailing_groups = frame::count_heads(trailing, salt);
    Ok(scan)
}

fn start(bytes: &[u8], number: u64) -> Result<Scan, u32> {
    let found = match Header::parse(bytes) {
        Found::Newer(format) => return Err(format),
        Found::Sound(header) if header.number == number => Some(header),
        _ => None,
    };
    let header = found.unwrap_or(Header {
        format: FORMAT,
        number,
        salt: 0,
        bytes: bytes.len() as u64,
    });
    Ok(Scan {
        headless: found.is_none(),
        short: header.bytes > bytes.len() as u64,
        header,
        index: Index::empty(),
        extents: Vec::new(),
        rot: Vec::new(),
        trailing: None,
        trailing_groups: 0,
        gaps: Vec::new(),
        follows: None,
        unchained: Vec::new(),
        records: 0,
    })
}

fn next_group(bytes: &[u8], at: usize, salt: Option<u64>, scan: &Scan) -> Option<(usize, Group)> {
    let mut at = at;
    loop {
        let (start, group) = frame::find_group(bytes, at, salt)?;
        if scan.continues(&group) {
            return Some((start, group));
        }
        at = start + 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(groups: &[(u64, &[&str])]) -> (Vec<u8>, Vec<Range<usize>>) {
        let mut bytes = Header {
            format: FORMAT,
            number: 1,
            salt: 99,
            bytes: 2048,
        }
        .encode()
        .to_vec();
        let (mut link, mut buffer, mut places) = (Link::default(), Vec::new(), Vec::new());
        for (first, records) in groups {
            link = frame::encode_group(&mut buffer, 99, link, *first, records);
            places.push(bytes.len()..bytes.len() + buffer.len());
            bytes.extend_from_slice(&buffer);
        }
        bytes.resize(2048, 0);
        (bytes, places)
    }

    #[test]
    fn a_sound_segment_has_nothing_to_complain_about() {
        let (bytes, places) = segment(&[(1, &["a", "b"]), (3, &["c"])]);
        let scan = scan(&bytes, 1).unwrap();
        assert!(!scan.is_damaged());
        assert_eq!((scan.index.span(), scan.records()), (Some((1, 3)), 3));
        assert_eq!(scan.extents, std::slice::from_ref(&(places[0].start..places[1].end)));
        assert_eq!(scan.follows, Some(Link::default()));
    }

    #[test]
    fn a_bad_group_between_good_ones_is_rot_and_leaves_a_gap() {
        let (mut bytes, places) = segment(&[(1, &["a"]), (2, &["b", "c"]), (4, &["d"])]);
        bytes[places[1].start + 50] ^= 1;
        let scan = scan(&bytes, 1).unwrap();
        assert_eq!(scan.rot, [places[1].clone()]);
        assert_eq!(
            (scan.gaps.clone(), scan.unchained.clone(), scan.trailing.clone()),
            (vec![(2, 3)], vec![4], None)
        );
        assert_eq!(scan.extents, [places[0].clone(), places[2].clone()]);
    }

    #[test]
    fn a_bad_last_group_trails() {
        let (mut bytes, places) = segment(&[(1, &["a"]), (2, &["b"])]);
        bytes[places[1].end - 1] ^= 1;
        let scan = scan(&bytes, 1).unwrap();
        assert_eq!(
            (scan.trailing, scan.rot.len(), scan.gaps.len()),
            (Some(places[1].clone()), 0, 0)
        );
    }

    #[test]
    fn a_lost_header_is_told_by_the_groups() {
        let (mut bytes, _) = segment(&[(1, &["a"]), (2, &["b"])]);
        bytes[..HEADER].fill(0);
        let scan = scan(&bytes, 1).unwrap();
        assert!(scan.headless);
        assert_eq!((scan.header.salt, scan.index.span()), (99, Some((1, 2))));
    }

    #[test]
    fn a_stale_copy_of_an_earlier_group_is_rot() {
        let (mut bytes, places) = segment(&[(1, &["a"]), (2, &["b"]), (3, &["c"])]);
        bytes.copy_within(places[0].clone(), places[1].start);
        let scan = scan(&bytes, 1).unwrap();
        assert_eq!(
            (scan.rot.clone(), scan.gaps.clone()),
            (vec![places[1].clone()], vec![(2, 2)])
        );
    }

    #[test]
    fn a_newer_format_is_not_read() {
        let mut bytes = Header {
            format: FORMAT,
            number: 1,
            salt: 1,
            bytes: 2048,
        }
        .encode()
        .to_vec();
        bytes[8] = FORMAT as u8 + 1;
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(scan(&bytes, 1).unwrap_err(), FORMAT + 1);
    }
}
