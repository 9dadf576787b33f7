//! Checkpoints, off the writing thread: what was committed is copied from the write-ahead log into the file beside the
//! commits, not between them.
//!
//! A copy that runs while others commit never catches up, so that the log would grow without end. When the most is
//! copied, the writer copies the few pages that came meanwhile, and its next commit begins the log anew.
//!
//! <https://www.sqlite.org/wal.html#ckpt>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

/// A checkpoint is worth it when the log has this many pages, 64 MiB. Each holds up a commit for some milliseconds: at
/// thousands of events a second the rarer, the better; and a start reads a log of this size in a fraction of a second.
const PAGES_MIN: i32 = 16_384;

/// The thread that copies; it ends with the connection that writes.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Copies over `copier` what `writer` commits.
    pub(crate) fn start(writer: &mut Connection, copier: Connection) -> std::io::Result<Self> {
        let (wanted, asked) = sync_channel(1);
        let almost = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("larkspur-checkpoint".to_owned())
            .spawn({
                let almost = Arc::clone(&almost);
                move || copy(&copier, &asked, &almost)
            })?;
        let committed = move |wal: &mut Wal, pages| {
            if almost.swap(false, Ordering::AcqRel) {
                // The commit has succeeded, whatever becomes of this.
                let _ = wal.checkpoint();
            } else if pages >= PAGES_MIN {
                // One request that waits is enough.
                let _ = wanted.try_send(());
            }
            Ok(())
        };
        writer.wal_hook(Some(committed)).map_err(std::io::Error::other)?;
        Ok(Self { thread })
    }

    /// Ends the thread and closes its connection.
    pub(crate) fn end(self, writer: &mut Connection) {
        let unhooked = writer.wal_hook(None::<fn(&mut Wal, i32) -> rusqlite::Result<()>>);
        if unhooked.is_err() || self.thread.join().is_err() {
            tracing::error!("the checkpointing thread did not end well");
        }
    }
}

fn copy(copier: &Connection, asked: &Receiver<()>, almost: &AtomicBool) {
    while asked.recv().is_ok() {
        match copier.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => almost.store(true, Ordering::Release),
            Err(error) => tracing::warn!(error = %error, "a checkpoint failed; the log grows until one succeeds"),
        }
    }
}
