//! A closed segment: blocks of records, packed with zstd, and an index at the end.
//!
//! ```text
//! header   magic · format u32 · 0 u32 · segment u64 · salt u64 · last group u64 · its checksum u32 · crc u32    48 bytes
//! block    salt u64 · from u64 · to u64 · packed u32 · raw u32 · records u32 · crc u32 · 0 u32 · crc u32        48 bytes
//!          zstd frame of journal frames, zeroes up to a multiple of 8
//! index    JSON · length u32 · crc u32 · magic                                                         at the very end
//! ```
//! Each block says which sequence numbers it answers for. What is missing inside was dropped by retention, what is
//! missing between two blocks was lost. The blocks alone are enough: a damaged index is made again from them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::frame::{self, Link, Records, u32_at, u64_at};
use super::segment::{Chunk, FORMAT};

/// A block holds at most this many bytes of frames, unless a single record is larger.
pub(super) const BLOCK_BYTES: usize = 1024 * 1024;
pub(super) const HEADER: usize = 48;
pub(super) const BLOCK_HEAD: usize = 48;
const MAGIC: &[u8; 8] = b"bw-pack\n";
const END_MAGIC: &[u8; 8] = b"bw-index";
const TAIL: usize = 16;

/// One block of a closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    /// The first sequence number it answers for.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Where its head lies.
    pub at: u64,
    /// Bytes of its zstd frame.
    pub packed: u32,
    /// Bytes it unpacks to.
    pub raw: u32,
    /// How many records it holds.
    pub records: u32,
    /// CRC32C of the zstd frame.
    pub crc: u32,
}

/// What a closed segment is apart from its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// The segment's number.
    pub number: u64,
    /// What tells its blocks from other bytes.
    pub salt: u64,
    /// Its last group, which the next segment's first one follows.
    pub link: Link,
}

/// The index as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    number: u64,
    salt: u64,
    last_group: u64,
    last_checksum: u32,
    blocks: Vec<Block>,
}

/// A closed segment as it lies on disk. It opens its file for each read: there may be thousands.
#[derive(Debug)]
pub(super) struct Packed {
    /// Its file's name.
    pub path: PathBuf,
    /// Number, salt and last group; `None` when header and index are both damaged.
    pub identity: Option<Identity>,
    /// The file's size.
    pub bytes: u64,
    /// Its blocks, ascending.
    pub blocks: Vec<Block>,
    /// Why the file wants to be written again.
    pub damage: Option<String>,
}

/// The name of segment `number` once it is packed.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.packed"))
}

impl Packed {
    /// Reads header and index; with either damaged, looks for the blocks themselves.
    pub(super) fn open(path: &Path, number: u64) -> Result<Packed> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let bytes = file.metadata().map_err(Error::io("look at", path))?.len();
        let header = read_header(&file, bytes, path)?.filter(|identity| identity.number == number);
        let index = read_index(&file, bytes).filter(|(identity, _)| identity.number == number);
        let path = path.to_owned();
        match (header, index) {
            (Some(header), Some((identity, blocks))) if header == identity => Ok(Packed {
                path,
                identity: Some(header),
                bytes,
                blocks,
                damage: None,
            }),
            (_, Some((identity, blocks))) => {
                let damage = Some("its header is not valid".to_owned());
                Ok(Packed {
                    path,
                    identity: Some(identity),
                    bytes,
                    blocks,
                    damage,
                })
            }
            (header, None) => Packed::recover(path, header),
        }
    }

    fn recover(path: PathBuf, identity: Option<Identity>) -> Result<Packed> {
        let content = fs::read(&path).map_err(Error::io("read", &path))?;
        let blocks = find_blocks(&content, identity.map(|identity| identity.salt));
        let damage = Some("its index is not valid".to_owned());
        Ok(Packed {
            path,
            identity,
            bytes: content.len() as u64,
            blocks,
            damage,
        })
    }

    /// The first and last sequence number it answers for; `None` without any block.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        Some((self.blocks.first()?.from, self.blocks.last()?.to))
    }

    /// How many records it holds.
    #[cfg(test)]
    pub(super) fn records(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.records)).sum()
    }

    /// Sequence numbers that no block answers for.
    pub(super) fn gaps(&self) -> Vec<(u64, u64)> {
        let pairs = self.blocks.windows(2);
        pairs
            .filter(|pair| pair[0].to + 1 < pair[1].from)
            .map(|pair| (pair[0].to + 1, pair[1].from - 1))
            .collect()
    }

    /// Which block answers for `seq`, or the next one behind it.
    pub(super) fn block_for(&self, seq: u64) -> Option<usize> {
        let nth = self.blocks.partition_point(|block| block.to < seq);
        (nth < self.blocks.len()).then_some(nth)
    }

    /// Reads and unpacks a block. A damaged one is a chunk without records that says why.
    pub(super) fn chunk(&self, nth: usize) -> Result<Chunk> {
        let block = &self.blocks[nth];
        let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        let (records, damage) = match read_block(&file, block).and_then(|packed| unpack(block, &packed)) {
            Ok(records) => (records, None),
            Err(why) => (Records::default(), Some(format!("{}: {why}", self.path.display()))),
        };
        Ok(Chunk {
            from: block.from,
            to: block.to,
            records: Arc::new(records),
            damage,
        })
    }
}

impl Identity {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.link.number.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.link.checksum.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The index's bytes, tail included.
    pub(super) fn encode_index(&self, blocks: Vec<Block>) -> Vec<u8> {
        let (last_group, last_checksum) = (self.link.number, self.link.checksum);
        let written = Written {
            number: self.number,
            salt: self.salt,
            last_group,
            last_checksum,
            blocks,
        };
        let mut bytes = serde_json::to_vec(&written).expect("plain numbers are always JSON");
        let (length, crc) = (bytes.len() as u32, crc32c::crc32c(&bytes));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(END_MAGIC);
        bytes
    }
}

impl Block {
    pub(super) fn encode(&self, salt: u64) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        bytes[..8].copy_from_slice(&salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.from.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.to.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.packed.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.raw.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.records.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The block whose head starts `bytes` and says it lies at `at`; with its salt.
    fn parse(bytes: &[u8], at: u64) -> Option<(u64, Block)> {
        let head = bytes.get(..BLOCK_HEAD)?;
        let block = Block {
            from: u64_at(head, 8),
            to: u64_at(head, 16),
            at,
            packed: u32_at(head, 24),
            raw: u32_at(head, 28),
            records: u32_at(head, 32),
            crc: u32_at(head, 36),
        };
        (crc32c::crc32c(&head[..44]) == u32_at(head, 44)).then_some((u64_at(head, 0), block))
    }

    /// Bytes from its head to the next one.
    pub(super) fn bytes(&self) -> u64 {
        (BLOCK_HEAD + (self.packed as usize).next_multiple_of(8)) as u64
    }
}

fn read_header(file: &File, bytes: u64, path: &Path) -> Result<Option<Identity>> {
    let mut head = [0; HEADER];
    if bytes < HEADER as u64 || file.read_exact_at(&mut head, 0).is_err() {
        return Ok(None);
    }
    if &head[..8] != MAGIC || crc32c::crc32c(&head[..44]) != u32_at(&head, 44) {
        return Ok(None);
    }
    match u32_at(&head, 8) {
        1..=FORMAT => Ok(Some(Identity {
            number: u64_at(&head, 16),
            salt: u64_at(&head, 24),
            link: Link {
                number: u64_at(&head, 32),
                checksum: u32_at(&head, 40),
            },
        })),
        format => Err(Error::Newer {
            path: path.to_owned(),
            format,
        }),
    }
}

fn read_index(file: &File, bytes: u64) -> Option<(Identity, Vec<Block>)> {
    let mut tail = [0; TAIL];
    let tail_at = bytes.checked_sub(TAIL as u64)?;
    file.read_exact_at(&mut tail, tail_at).ok()?;
    let length = u32_at(&tail, 0);
    let start = tail_at
        .checked_sub(u64::from(length))
        .filter(|_| &tail[8..] == END_MAGIC)?;
    let mut json = vec![0; length as usize];
    file.read_exact_at(&mut json, start).ok()?;
    if crc32c::crc32c(&json) != u32_at(&tail, 4) {
        return None;
    }
    let written: Written = serde_json::from_slice(&json).ok()?;
    let link = Link {
        number: written.last_group,
        checksum: written.last_checksum,
    };
    Some((
        Identity {
            number: written.number,
            salt: written.salt,
            link,
        },
        written.blocks,
    ))
}

/// The blocks whose heads are valid and whose numbers go up. What they hold is checked when it is read.
fn find_blocks(bytes: &[u8], salt: Option<u64>) -> Vec<Block> {
    let (mut salt, mut at) = (salt, HEADER);
    let mut blocks: Vec<Block> = Vec::new();
    while at + BLOCK_HEAD <= bytes.len() {
        let found = Block::parse(&bytes[at..], at as u64).filter(|(found, block)| {
            salt.is_none_or(|salt| salt == *found)
                && block.from <= block.to
                && blocks.last().is_none_or(|last| block.from > last.to)
                && at as u64 + BLOCK_HEAD as u64 + u64::from(block.packed) <= bytes.len() as u64
        });
        at += found.map_or(8, |(_, block)| block.bytes() as usize);
        if let Some((found, block)) = found {
            salt = Some(found);
            blocks.push(block);
        }
    }
    blocks
}

/// The zstd frame of a block as it lies there, sound or not.
pub(super) fn read_unchecked(file: &File, block: &Block) -> io::Result<Vec<u8>> {
    let mut packed = vec![0; block.packed as usize];
    file.read_exact_at(&mut packed, block.at + BLOCK_HEAD as u64)?;
    Ok(packed)
}

/// The zstd frame of a block, checked.
fn read_block(file: &File, block: &Block) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = vec![0; BLOCK_HEAD + block.packed as usize];
    file.read_exact_at(&mut bytes, block.at)
        .map_err(|error| unreadable(&error))?;
    let packed = bytes.split_off(BLOCK_HEAD);
    let named = Block::parse(&bytes, block.at).is_some_and(|(_, found)| found == *block);
    if !named || crc32c::crc32c(&packed) != block.crc {
        return Err(format!("the block at byte {} is not valid", block.at));
    }
    Ok(packed)
}

fn unreadable(error: &io::Error) -> String {
    format!("a block cannot be read: {error}")
}

fn unpack(block: &Block, packed: &[u8]) -> std::result::Result<Records, String> {
    let bytes = match block.raw {
        0 => Vec::new(),
        raw => zstd::bulk::decompress(packed, raw as usize).map_err(|error| unreadable(&error))?,
    };
    let mut places = Vec::with_capacity(block.records as usize);
    let sound = frame::parse_frames(&bytes, 0, &mut places).is_some()
        && places.len() == block.records as usize
        && places.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && places.iter().all(|place| (block.from..=block.to).contains(&place.0));
    if sound {
        Ok(Records { bytes, places })
    } else {
        Err(format!("the records at byte {} do not agree", block.at))
    }
}
