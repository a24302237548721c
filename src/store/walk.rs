//! Going through the journal's records in their order, past those that cannot be read.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};

use crate::journal;
use crate::lookup;
use crate::record::{Piece, Record};

/// Records that cannot be read: from, to, what was found.
pub type Damage = (u64, u64, String);

/// Goes through the journal's records from `from` to `through`. Returns what is damaged and not owned up to.
///
/// # Errors
/// When the journal cannot be read, or `stop` was set; also what `take` returns.
pub fn each_record(
    reader: &journal::Reader,
    from: u64,
    through: u64,
    stop: &AtomicBool,
    mut take: impl FnMut(u64, &Record, &[Piece]) -> Result<()>,
) -> Result<Vec<Damage>> {
    let mut damaged: Vec<Damage> = Vec::new();
    for record in reader.tail(from) {
        not_stopped(stop)?;
        let (seq, bytes) = match record {
            Ok(record) => record,
            Err(journal::Error::Damaged { from, to, why }) => {
                damaged.push((from, to, why));
                continue;
            }
            Err(error) => return Err(error).context("reading the journal"),
        };
        if seq > through {
            break;
        }
        let record = Record::from_bytes(&bytes).with_context(|| format!("record {seq}"))?;
        if let Record::Lost { from, to, .. } = &record {
            owned_up(&mut damaged, *from, *to);
        }
        take(seq, &record, &pieces_of(reader, seq, &record)?)?;
    }
    Ok(damaged)
}

/// What the records before a decision's last one hold of it. What is lost of them is left out: it is damage like any
/// other, and reported where it is met.
///
/// # Errors
/// When the journal cannot be read.
pub fn pieces_of(reader: &journal::Reader, seq: u64, record: &Record) -> Result<Vec<Piece>> {
    let Record::Decided { after: Some(first), .. } = record else {
        return Ok(Vec::new());
    };
    let mut pieces = Vec::new();
    for seq in *first..seq {
        let record = lookup::unless_lost(lookup::record(reader, seq))?;
        if let Some(Record::Continued { first, changes, .. }) = record {
            pieces.push(Piece { seq, first, changes });
        }
    }
    Ok(pieces)
}

/// Looks whether to go on.
///
/// # Errors
/// When `stop` was set.
pub fn not_stopped(stop: &AtomicBool) -> Result<()> {
    ensure!(!stop.load(Ordering::Relaxed), "the daemon is stopping");
    Ok(())
}

/// Takes out what a `Lost` record owns up to.
pub fn owned_up(damaged: &mut Vec<Damage>, from: u64, to: u64) {
    damaged.retain(|(first, end, _)| *first < from || *end > to);
}
