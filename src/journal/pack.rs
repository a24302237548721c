//! Writes closed segments: block after block, then the index, whole or not at all.
//!
//! It packs what it is given and never lets a record go: who packs a damaged segment is told, and the segment stays.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::closed::{self, BLOCK_BYTES, Block, HEADER, Identity, Packed};
use super::error::{Error, Result};
use super::frame;
use super::segment::Raw;
use crate::durable;

/// zstd's level: 3 packs JSON of this kind to a tenth at several hundred megabytes a second.
const LEVEL: i32 = 3;

/// A closed segment in the making.
pub(super) struct Packer {
    temporary: PathBuf,
    path: PathBuf,
    file: File,
    identity: Identity,
    at: u64,
    blocks: Vec<Block>,
    pending: Vec<u8>,
    records: u32,
    /// What the pending block answers for: from here …
    from: u64,
    /// … to before here.
    next: u64,
}

impl Packer {
    /// Starts a file that will be called `path`. `purpose` keeps temporary files of different work apart.
    pub(super) fn create(path: &Path, purpose: &str, identity: Identity) -> Result<Packer> {
        let temporary = path.with_extension(format!("{purpose}.{}", durable::TEMPORARY));
        let file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
        let mut packer = Packer {
            temporary,
            path: path.to_owned(),
            file,
            identity,
            at: 0,
            blocks: Vec::new(),
            pending: Vec::new(),
            records: 0,
            from: 0,
            next: 0,
        };
        packer.write(&identity.encode())?;
        Ok(packer)
    }

    /// What follows answers for numbers from `seq`. If it does not go on where the last number ended, there is a gap.
    pub(super) fn begin(&mut self, seq: u64) -> Result<()> {
        if seq != self.next {
            self.flush()?;
            (self.from, self.next) = (seq, seq);
        }
        Ok(())
    }

    /// Adds a record; numbers left out since the last one are answered for as dropped.
    pub(super) fn push(&mut self, seq: u64, payload: &[u8]) -> Result<()> {
        if self.records > 0 && self.pending.len() + frame::frame_bytes(payload.len()) > BLOCK_BYTES {
            self.flush()?;
        }
        frame::push_frame(&mut self.pending, seq, payload);
        self.records += 1;
        self.next = seq + 1;
        Ok(())
    }

    /// Numbers up to `seq` are answered for.
    pub(super) fn end(&mut self, seq: u64) {
        self.next = seq + 1;
    }

    /// Copies a block as it is, damaged or not.
    pub(super) fn copy(&mut self, block: &Block, packed: &[u8]) -> Result<()> {
        self.begin(block.from)?;
        self.flush()?;
        self.put(*block, packed)?;
        (self.from, self.next) = (block.to + 1, block.to + 1);
        Ok(())
    }

    /// Writes the index and gives the file its name, durably.
    pub(super) fn finish(mut self) -> Result<Packed> {
        self.seal()?;
        let packed = self.install()?;
        self.sync_name()?;
        Ok(packed)
    }

    /// Writes the index and syncs the file under its temporary name.
    pub(super) fn seal(&mut self) -> Result<()> {
        self.flush()?;
        let index = self.identity.encode_index(self.blocks.clone());
        self.write(&index)?;
        self.file.sync_all().map_err(Error::io("sync", &self.temporary))
    }

    /// Gives a sealed file its name; not yet durably.
    pub(super) fn install(&mut self) -> Result<Packed> {
        fs::rename(&self.temporary, &self.path).map_err(Error::io("rename", &self.temporary))?;
        Ok(Packed {
            path: self.path.clone(),
            identity: Some(self.identity),
            bytes: self.at,
            blocks: std::mem::take(&mut self.blocks),
            damage: None,
        })
    }

    /// Makes the name durable.
    pub(super) fn sync_name(&self) -> Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        durable::sync_dir(dir).map_err(Error::io("sync", dir))
    }

    fn flush(&mut self) -> Result<()> {
        if self.next <= self.from {
            return Ok(());
        }
        let packed = match self.records {
            0 => Vec::new(),
            _ => zstd::bulk::compress(&self.pending, LEVEL).map_err(Error::io("pack", &self.path))?,
        };
        let block = Block {
            from: self.from,
            to: self.next - 1,
            at: self.at,
            packed: packed.len() as u32,
            raw: self.pending.len() as u32,
            records: self.records,
            crc: crc32c::crc32c(&packed),
        };
        self.put(block, &packed)?;
        self.pending.clear();
        (self.records, self.from) = (0, self.next);
        Ok(())
    }

    fn put(&mut self, block: Block, packed: &[u8]) -> Result<()> {
        let block = Block { at: self.at, ..block };
        self.write(&block.encode(self.identity.salt))?;
        self.write(packed)?;
        let padding = packed.len().next_multiple_of(8) - packed.len();
        self.write(&[0; 8][..padding])?;
        self.blocks.push(block);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(Error::io("write", &self.temporary))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Packer {
    /// Gives the space of an unfinished file back; a finished one no longer has the temporary name.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Packs a closed segment, record by record, each one checked. `None` when stopped.
pub(super) fn pack(raw: &Raw, dir: &Path, salt: u64, stop: &AtomicBool) -> Result<Option<Packed>> {
    let link = raw.link().unwrap_or_default();
    let identity = Identity {
        number: raw.number,
        salt,
        link,
    };
    let mut packer = Packer::create(&closed::path_of(dir, raw.number), "pack", identity)?;
    let mut next = 0;
    while let Some(chunk) = raw.chunk(next)? {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if let Some(why) = chunk.damage {
            return Err(Error::Damaged {
                from: chunk.from,
                to: chunk.to,
                why,
            });
        }
        packer.begin(chunk.from)?;
        for (seq, record) in chunk.records.iter() {
            packer.push(seq, record)?;
        }
        next = chunk.to + 1;
    }
    packer.finish().map(Some)
}

/// Writes a closed segment again whose header or index is damaged, from the blocks that were found.
pub(super) fn mend(packed: &Packed, identity: Identity, keep: &Path) -> Result<Packed> {
    let path = &packed.path;
    let old = File::open(path).map_err(Error::io("open", path))?;
    let mut packer = Packer::create(path, "mend", identity)?;
    for block in &packed.blocks {
        if let Ok(bytes) = closed::read_unchecked(&old, block) {
            packer.copy(block, &bytes)?;
        }
    }
    packer.seal()?;
    durable::keep_as(path, keep).map_err(Error::io("keep", keep))?;
    let mended = packer.install()?;
    packer.sync_name().map(|()| mended)
}

const _: () = assert!(HEADER.is_multiple_of(8) && closed::BLOCK_HEAD.is_multiple_of(8));

#[cfg(test)]
mod tests {
    use super::super::frame::Link;
    use super::*;

    const IDENTITY: Identity = Identity {
        number: 4,
        salt: 0xabcd,
        link: Link {
            number: 12,
            checksum: 34,
        },
    };

    fn packed(dir: &Path, build: impl FnOnce(&mut Packer)) -> Packed {
        let mut packer = Packer::create(&closed::path_of(dir, 4), "pack", IDENTITY).unwrap();
        build(&mut packer);
        packer.finish().unwrap()
    }

    fn read(packed: &Packed, seq: u64) -> Option<Vec<u8>> {
        let chunk = packed.chunk(packed.block_for(seq)?).unwrap();
        chunk.records.get(seq).map(<[u8]>::to_vec)
    }

    #[test]
    fn blocks_split_at_a_mebibyte_and_every_record_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let record = |seq: u64| vec![seq as u8; 300_000];
        let made = packed(dir.path(), |packer| {
            packer.begin(10).unwrap();
            (10..20).for_each(|seq| packer.push(seq, &record(seq)).unwrap());
        });
        assert_eq!(made.blocks.len(), 4);
        assert!(made.blocks.iter().all(|block| block.raw as usize <= BLOCK_BYTES));
        let opened = Packed::open(&made.path, 4).unwrap();
        assert_eq!(
            (opened.identity, &opened.blocks, opened.gaps()),
            (Some(IDENTITY), &made.blocks, vec![])
        );
        assert!((10..20).all(|seq| read(&opened, seq).unwrap() == record(seq)));
    }

    #[test]
    fn a_record_larger_than_a_block_has_one_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let made = packed(dir.path(), |packer| {
            packer.begin(1).unwrap();
            packer.push(1, b"small").unwrap();
            packer.push(2, &vec![7; BLOCK_BYTES + 1]).unwrap();
            packer.push(3, b"small").unwrap();
        });
        assert_eq!(
            made.blocks.iter().map(|block| block.records).collect::<Vec<_>>(),
            [1, 1, 1]
        );
        assert_eq!(read(&made, 2).unwrap().len(), BLOCK_BYTES + 1);
    }

    #[test]
    fn dropped_numbers_are_answered_for_and_lost_ones_are_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let made = packed(dir.path(), |packer| {
            packer.begin(1).unwrap();
            packer.push(3, b"three").unwrap();
            packer.end(5);
            packer.begin(6).unwrap();
            packer.end(8);
            packer.begin(20).unwrap();
            packer.push(20, b"twenty").unwrap();
        });
        assert_eq!(
            (made.span(), made.gaps(), made.records()),
            (Some((1, 20)), vec![(9, 19)], 2)
        );
    }

    #[test]
    fn a_damaged_index_is_made_again_from_the_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let made = packed(dir.path(), |packer| {
            packer.begin(1).unwrap();
            packer.push(1, b"one").unwrap();
            packer.begin(9).unwrap();
            packer.push(9, b"nine").unwrap();
        });
        let whole = fs::read(&made.path).unwrap();
        for end in (made.blocks[1].at + made.blocks[1].bytes())..made.bytes {
            fs::write(&made.path, &whole[..end as usize]).unwrap();
            let found = Packed::open(&made.path, 4).unwrap();
            assert!(found.damage.is_some());
            assert_eq!((found.identity, &found.blocks), (Some(IDENTITY), &made.blocks));
            assert_eq!(read(&found, 9).unwrap(), b"nine");
        }
    }

    #[test]
    fn every_flipped_byte_of_a_block_is_noticed_by_the_read() {
        let dir = tempfile::tempdir().unwrap();
        let made = packed(dir.path(), |packer| {
            packer.begin(1).unwrap();
            packer.push(1, b"some record").unwrap();
        });
        let whole = fs::read(&made.path).unwrap();
        let block = made.blocks[0];
        for at in block.at as usize..block.at as usize + head_and_frame(block) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(&made.path, &flipped).unwrap();
            let found = Packed::open(&made.path, 4).unwrap();
            assert!(found.chunk(0).unwrap().damage.is_some(), "byte {at}");
        }
    }

    fn head_and_frame(block: Block) -> usize {
        closed::BLOCK_HEAD + block.packed as usize
    }
}
