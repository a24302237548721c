//! How a group of records looks as bytes. Pure: no file, no clock.
//!
//! ```text
//! group    salt u64 · number u64 · first u64 · count u32 · body u32 · previous u32 · crc u32      40 bytes
//! frames   length u32 · crc u32 · sequence number u64 · payload · zeroes up to a multiple of 8    one per record
//! trailer  count u32 · checksum u32 of everything before it                                       8 bytes
//! ```
//! All numbers are little-endian, all checksums CRC32C. `previous` is the checksum of the group before. A group is
//! valid only whole; its records are numbered `first`, `first + 1`, … without a gap.

use std::ops::Range;

/// Bytes before the frames of a group.
pub(super) const GROUP_HEAD: usize = 40;
const GROUP_TRAILER: usize = 8;
const FRAME_HEAD: usize = 16;
/// Most of a segment is zeroes, which are compared fastest in pieces of this size.
const PAGE: usize = 4096;
const ZEROES: [u8; PAGE] = [0; PAGE];

/// A valid group as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The salt of the segment it was written for.
    pub salt: u64,
    /// Its place in the chain, and the checksum the next group has to name.
    pub link: Link,
    /// The sequence number of its first record.
    pub first: u64,
    /// The sequence number of its last record.
    pub last: u64,
    /// The checksum of the group before it.
    pub previous: u32,
    /// Its length, trailer included.
    pub bytes: usize,
}

/// What the next group must continue: a group's number and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Link {
    /// The group's number; 0 is before the first.
    pub number: u64,
    /// The group's checksum.
    pub checksum: u32,
}

/// Records in a buffer, with where each one lies.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The buffer.
    pub bytes: Vec<u8>,
    /// Sequence number and place of each record, ascending.
    pub places: Vec<(u64, Range<usize>)>,
}

impl Records {
    /// The record with this number.
    pub fn get(&self, seq: u64) -> Option<&[u8]> {
        let at = self.places.binary_search_by_key(&seq, |place| place.0).ok()?;
        Some(&self.bytes[self.places[at].1.clone()])
    }

    /// All records, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.places
            .iter()
            .map(|(seq, place)| (*seq, &self.bytes[place.clone()]))
    }
}

/// The bytes a group of these records takes.
pub(super) fn group_bytes(records: &[impl AsRef<[u8]>]) -> u64 {
    let frames: u64 = records
        .iter()
        .map(|record| frame_bytes(record.as_ref().len()) as u64)
        .sum();
    (GROUP_HEAD + GROUP_TRAILER) as u64 + frames
}

/// The bytes a frame with a payload of `length` takes.
pub(super) fn frame_bytes(length: usize) -> usize {
    FRAME_HEAD + length.next_multiple_of(8)
}

/// Replaces `into` by the bytes of a group that follows `after`, and says what the next one has to follow.
/// The caller has checked that the group is smaller than 4 GiB.
pub(super) fn encode_group(
    into: &mut Vec<u8>,
    salt: u64,
    after: Link,
    first: u64,
    records: &[impl AsRef<[u8]>],
) -> Link {
    let number = after.number + 1;
    let body = group_bytes(records) as usize - GROUP_HEAD - GROUP_TRAILER;
    into.clear();
    into.extend_from_slice(&salt.to_le_bytes());
    into.extend_from_slice(&number.to_le_bytes());
    into.extend_from_slice(&first.to_le_bytes());
    into.extend_from_slice(&(records.len() as u32).to_le_bytes());
    into.extend_from_slice(&(body as u32).to_le_bytes());
    into.extend_from_slice(&after.checksum.to_le_bytes());
    into.extend_from_slice(&crc32c::crc32c(into).to_le_bytes());
    for (seq, record) in (first..).zip(records) {
        push_frame(into, seq, record.as_ref());
    }
    into.extend_from_slice(&(records.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c(into);
    into.extend_from_slice(&checksum.to_le_bytes());
    Link { number, checksum }
}

/// Appends one frame.
pub(super) fn push_frame(into: &mut Vec<u8>, seq: u64, payload: &[u8]) {
    let length = payload.len() as u32;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&frame_checksum(length, seq, payload).to_le_bytes());
    into.extend_from_slice(&seq.to_le_bytes());
    into.extend_from_slice(payload);
    into.resize(into.len().next_multiple_of(8), 0);
}

fn frame_checksum(length: u32, seq: u64, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &seq.to_le_bytes()), payload)
}

/// The group that starts at the start of `bytes`, if a valid one with this salt (or, without one, any salt) does.
pub(super) fn parse_group(bytes: &[u8], salt: Option<u64>) -> Option<Group> {
    let head = bytes.get(..GROUP_HEAD)?;
    let found_salt = u64_at(head, 0);
    let salted = salt.map_or(found_salt != 0, |salt| salt == found_salt);
    if !salted || crc32c::crc32c(&head[..36]) != u32_at(head, 36) {
        return None;
    }
    let (first, count, body) = (u64_at(head, 16), u32_at(head, 24), u32_at(head, 28) as usize);
    let whole = bytes.get(..GROUP_HEAD + body + GROUP_TRAILER)?;
    let checksum = u32_at(whole, whole.len() - 4);
    let sound = count > 0
        && u32_at(whole, whole.len() - 8) == count
        && crc32c::crc32c(&whole[..whole.len() - 4]) == checksum
        && frames_agree(&whole[GROUP_HEAD..GROUP_HEAD + body], first, count);
    sound.then_some(Group {
        salt: found_salt,
        link: Link {
            number: u64_at(head, 8),
            checksum,
        },
        first,
        last: first.checked_add(u64::from(count) - 1)?,
        previous: u32_at(head, 32),
        bytes: whole.len(),
    })
}

/// Whether the frames are sound and numbered without a gap.
fn frames_agree(body: &[u8], first: u64, count: u32) -> bool {
    let mut places = Vec::new();
    parse_frames(body, 0, &mut places).is_some()
        && places.len() == count as usize
        && places.iter().zip(first..).all(|(place, seq)| place.0 == seq)
}

/// Adds where the records of the frames in `bytes` lie, `base` bytes further on; `None` if any frame is not sound.
pub(super) fn parse_frames(bytes: &[u8], base: usize, into: &mut Vec<(u64, Range<usize>)>) -> Option<()> {
    let mut at = 0;
    while at < bytes.len() {
        let head = bytes.get(at..at + FRAME_HEAD)?;
        let (length, crc, seq) = (u32_at(head, 0), u32_at(head, 4), u64_at(head, 8));
        let start = at + FRAME_HEAD;
        let payload = bytes.get(start..start + length as usize)?;
        if frame_checksum(length, seq, payload) != crc {
            return None;
        }
        into.push((seq, base + start..base + start + payload.len()));
        at += frame_bytes(payload.len());
    }
    Some(())
}

/// Adds where the records of a group lie that was found valid at `at`.
pub(super) fn group_records(bytes: &[u8], at: usize, group: &Group, into: &mut Vec<(u64, Range<usize>)>) {
    let start = at + GROUP_HEAD;
    let end = at + group.bytes - GROUP_TRAILER;
    parse_frames(&bytes[start..end], start, into).expect("the group was found valid");
}

/// How many heads of groups there are in `bytes`, whole groups or not. One that was torn has at most one.
pub(super) fn count_heads(bytes: &[u8], salt: Option<u64>) -> usize {
    let heads = bytes
        .chunks(8)
        .enumerate()
        .filter_map(|(nth, _)| bytes.get(nth * 8..nth * 8 + GROUP_HEAD));
    let salted = heads.filter(|head| salt.map_or(u64_at(head, 0) != 0, |salt| u64_at(head, 0) == salt));
    salted
        .filter(|head| crc32c::crc32c(&head[..36]) == u32_at(head, 36))
        .count()
}

/// How many bytes there are up to the last one that is not zero.
pub(super) fn used(bytes: &[u8]) -> usize {
    let full = bytes
        .chunks(PAGE)
        .rposition(|page| page != &ZEROES[..page.len()])
        .unwrap_or(0)
        * PAGE;
    bytes[full..]
        .iter()
        .take(PAGE)
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| full + last + 1)
}

/// The next place at or after `at`, a multiple of eight bytes, where a valid group starts.
pub(super) fn find_group(bytes: &[u8], at: usize, salt: Option<u64>) -> Option<(usize, Group)> {
    let mut at = at.next_multiple_of(8);
    while at + GROUP_HEAD <= bytes.len() {
        if bytes[at..].starts_with(&ZEROES) {
            at += PAGE; // no group starts with zeroes: no salt is 0
            continue;
        }
        if let Some(group) = parse_group(&bytes[at..], salt) {
            return Some((at, group));
        }
        at += 8;
    }
    None
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x5eed_5a17_0000_0001;

    fn group(after: Link, first: u64, records: &[&str]) -> (Vec<u8>, Link) {
        let mut bytes = Vec::new();
        let link = encode_group(&mut bytes, SALT, after, first, records);
        (bytes, link)
    }

    #[test]
    fn a_group_comes_back_as_it_was_written() {
        let (bytes, link) = group(Link { number: 6, checksum: 9 }, 41, &["one", "", "twelve bytes"]);
        assert_eq!(bytes.len() as u64, group_bytes(&["one", "", "twelve bytes"]));
        assert_eq!(bytes.len() % 8, 0);
        let found = parse_group(&bytes, Some(SALT)).unwrap();
        assert_eq!((found.link, found.first, found.last, found.previous), (link, 41, 43, 9));
        let mut records = Records {
            places: Vec::new(),
            bytes,
        };
        group_records(&records.bytes, 0, &found, &mut records.places);
        assert_eq!(records.get(41).unwrap(), b"one");
        assert_eq!(records.get(42).unwrap(), b"");
        assert_eq!(records.get(43).unwrap(), b"twelve bytes");
        assert_eq!(records.get(44), None);
    }

    #[test]
    fn every_flipped_bit_makes_a_group_invalid() {
        let (bytes, _) = group(Link::default(), 1, &["some", "records"]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_group(&flipped, Some(SALT)), None, "bit {bit}");
        }
    }

    #[test]
    fn every_cut_makes_a_group_invalid() {
        let (bytes, _) = group(Link::default(), 1, &["some", "records"]);
        assert!((0..bytes.len()).all(|end| parse_group(&bytes[..end], Some(SALT)).is_none()));
    }

    #[test]
    fn a_group_of_another_segment_is_not_valid_here() {
        let (bytes, _) = group(Link::default(), 1, &["stale"]);
        assert_eq!(parse_group(&bytes, Some(SALT + 1)), None);
        assert_eq!(parse_group(&bytes, None).unwrap().salt, SALT);
    }

    #[test]
    fn a_valid_group_is_found_behind_rubbish() {
        let (group, _) = group(Link::default(), 7, &["here"]);
        let mut bytes = vec![0xab; 48];
        bytes.extend_from_slice(&group);
        bytes.resize(bytes.len() + 64, 0);
        assert_eq!(find_group(&bytes, 3, Some(SALT)).unwrap().0, 48);
        assert_eq!(find_group(&bytes, 3, None).unwrap().1.first, 7);
        assert_eq!(find_group(&bytes, 56, Some(SALT)), None);
    }
}
