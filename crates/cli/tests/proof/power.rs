//! Power failures: what was written to the store's files and not synced, the disk may forget, in any part and order.
//!
//! The shim notes what each write since the last sync destroyed. After the kill everything is taken back, and some of
//! it is written again, in whole sectors, as a disk may have got to it before the power was gone.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// No disk writes less at once.
const SECTOR: usize = 512;
const FILES: [&str; 3] = ["larkspur.db", "larkspur.db-wal", "larkspur.db-journal"];

/// One write, as the shim noted it: `struct undo` of `shim.c` and the content of old.
struct Unsynced {
    truncates: bool,
    offset: u64,
    bytes: u64,
    size_before: u64,
    before: Vec<u8>,
    /// Read back before it is undone.
    after: Vec<u8>,
}

/// Fails the power of a killed platform's disk. Of what was not synced it keeps what `keeps` says, asked for each
/// sector; answers how many writes were not synced.
pub(crate) fn fail(undo: &Path, data: &Path, mut keeps: impl FnMut() -> bool) -> usize {
    let mut n_unsynced = 0;
    for name in FILES {
        let noted = undo.join(format!("{name}.undo"));
        let Ok(bytes) = std::fs::read(&noted) else { continue };
        if let Ok(file) = OpenOptions::new().read(true).write(true).open(data.join(name)) {
            let mut writes = read(&bytes);
            n_unsynced += writes.len();
            take_back(&file, &mut writes);
            for write in &writes {
                write_again(&file, write, &mut keeps);
            }
        }
        std::fs::remove_file(noted).unwrap();
    }
    // Memory: the first to open the store makes it anew.
    let _ = std::fs::remove_file(data.join("larkspur.db-shm"));
    n_unsynced
}

/// The notes in order; the last one may be cut short by the kill, and then its write has not begun.
fn read(mut bytes: &[u8]) -> Vec<Unsynced> {
    const HEAD: usize = 40;
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let number = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
        let Some((before, rest)) = rest.split_at_checked(usize::try_from(number(32)).unwrap()) else {
            break;
        };
        all.push(Unsynced {
            truncates: head[0] == 1,
            offset: number(8),
            bytes: number(16),
            size_before: number(24),
            before: before.to_vec(),
            after: Vec::new(),
        });
        bytes = rest;
    }
    all
}

/// The file as it was synced last.
fn take_back(file: &File, writes: &mut [Unsynced]) {
    for write in writes.iter_mut().rev() {
        let size = file.metadata().unwrap().len();
        let end = size.min(write.offset + write.bytes);
        write.after = vec![0; usize::try_from(end.saturating_sub(write.offset)).unwrap()];
        file.read_exact_at(&mut write.after, write.offset).unwrap();
        file.write_all_at(&write.before, write.offset).unwrap();
        file.set_len(write.size_before).unwrap();
    }
}

fn write_again(file: &File, write: &Unsynced, keeps: &mut impl FnMut() -> bool) {
    if write.truncates {
        if keeps() {
            file.set_len(write.offset).unwrap();
        }
        return;
    }
    let mut at = write.offset;
    for sector in write.after.chunks(SECTOR) {
        if keeps() {
            file.write_all_at(sector, at).unwrap();
        }
        at += sector.len() as u64;
    }
}
