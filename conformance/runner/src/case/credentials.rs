//! A client that names a wrong App Secret.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Bench, Mode, told};
use crate::peer::{Peer, Said};

/// How long a client may take to give up.
const END: Duration = Duration::from_secs(30);

/// The client ends instead of trying for ever.
pub(super) async fn run(bench: &Bench) -> Result<()> {
    let (platform, app) = bench.stage(Mode::Ws).await?;
    let mut told = told(&platform, &app, Mode::Ws)?;
    "not the secret".clone_into(&mut told.app_secret);
    let mut peer = Peer::start(&bench.sdk, &told).await?;
    gives_up(&mut peer).await?;
    platform.wait_online(&app, 0, Duration::ZERO).await
}

/// Sees that a client ends, and that it says so if it says anything.
pub(super) async fn gives_up(peer: &mut Peer) -> Result<()> {
    let status = peer.ends(END).await?;
    ensure!(status.is_some(), "the client still tries after {END:?}; {}", peer.log());
    while let Some(said) = peer.next(END).await? {
        ensure!(
            matches!(said, Said::Error { .. }),
            "the client was expected to give up, it said {said:?}"
        );
    }
    Ok(())
}
