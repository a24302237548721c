//! How an item is kept in sled: as JSON, packed beside a dictionary of such items. sled spends several times what a value
//! takes, and most of a value is the same words over and over.

use std::cell::RefCell;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, ensure};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

use super::Damaged;
use super::keys::Item;

/// Items as they are, what occurs most often last. A store that was packed beside another dictionary cannot be read:
/// [`checksum`] tells them apart, and such a store is built again.
const DICTIONARY: &[u8] = include_bytes!("dictionary.jsonl");

/// The fastest level: a better one takes longer than it saves with values this small.
const LEVEL: i32 = 1;

/// The most bytes of JSON that an item takes. The journal takes no record that could make a larger one.
const ITEM_BYTES_MOST: usize = 64 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static PACK: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::with_prepared_dictionary(&ENCODER).expect("a dictionary that is there"));
    static UNPACK: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&DECODER).expect("a dictionary that is there"));
}

/// Which dictionary it is.
pub fn checksum() -> u32 {
    static CHECKSUM: LazyLock<u32> = LazyLock::new(|| crc32c::crc32c(DICTIONARY));
    *CHECKSUM
}

/// As it is kept.
pub fn pack(item: &Item) -> Vec<u8> {
    let json = serde_json::to_vec(item).expect("an item is JSON");
    PACK.with_borrow_mut(|pack| pack.compress(&json))
        .expect("zstd packs anything")
}

/// What is kept there.
///
/// # Errors
/// When that is no item.
pub fn unpack(bytes: &[u8]) -> Result<Item> {
    let read = || {
        let size = zstd_safe::get_frame_content_size(bytes).ok().flatten();
        let size = usize::try_from(size.context("it does not say how large it is")?)?;
        ensure!(size <= ITEM_BYTES_MOST, "it says that it is {size} bytes large");
        let json = UNPACK.with_borrow_mut(|unpack| unpack.decompress(bytes, size))?;
        Ok(serde_json::from_slice(&json)?)
    };
    read().context(Damaged("something in the store cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> impl Iterator<Item = Item> {
        let lines = DICTIONARY.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("an item"))
    }

    #[test]
    fn the_dictionary_is_items_and_a_store_knows_which_one_it_was_packed_with() {
        assert!(dictionary().count() > 20);
        // another number here means that every store there is will be built again at its next start
        assert_eq!(checksum(), 4_157_456_050);
    }

    #[test]
    fn what_is_packed_is_small_and_comes_back() {
        for item in dictionary() {
            let packed = pack(&item);
            assert_eq!(unpack(&packed).expect("reads"), item);
            assert!(packed.len() < serde_json::to_vec(&item).expect("JSON").len() / 2);
        }
    }

    #[test]
    fn what_is_no_item_is_an_error() {
        let packed = pack(&dictionary().next().expect("an item"));
        for nth in 0..packed.len() {
            assert!(unpack(&packed[..nth]).is_err());
        }
        let mut huge = zstd::bulk::compress(&[b' '; 100], LEVEL).expect("packs");
        huge[4] = 0xe0; // a single segment whose size takes eight bytes
        huge.splice(5..6, (u64::MAX / 2).to_le_bytes());
        let error = unpack(&huge).expect_err("too large");
        assert!(format!("{error:#}").contains("bytes large"), "{error:#}");
    }
}
