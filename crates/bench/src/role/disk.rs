//! Appends 1 KiB and syncs, over and over: as many commits of one event as the disk allows.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::say;
use crate::event::EVENT_BYTES;

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) path: PathBuf,
    pub(crate) seconds: f64,
}

pub(super) fn run(spec: &Spec) -> Result<()> {
    let mut file = std::fs::File::create(&spec.path)?;
    let (start, length) = (Instant::now(), Duration::from_secs_f64(spec.seconds));
    let mut synced = 0_u32;
    while start.elapsed() < length {
        file.write_all(&[b'x'; EVENT_BYTES])?;
        file.sync_data()?;
        synced += 1;
    }
    say(&(f64::from(synced) / start.elapsed().as_secs_f64()))
}
