//! How a connection ends: by itself, or in the way that it was told to.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{Relay, To};
use crate::chaos::fault::Cut;

/// A side that was sent a close frame has this long to answer it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl Relay {
    /// One side is gone; the other is told.
    pub(super) async fn over(mut self) {
        for socket in [&mut self.client, &mut self.platform] {
            let _ = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
        }
    }

    pub(super) async fn cut(mut self, cut: Cut) {
        match cut {
            Cut::Reset => {
                // With it, closing discards what is unsent and sends RST.
                let _ = self.client.get_ref().set_zero_linger();
            }
            Cut::End => {}
            Cut::Close(code) => {
                let reason = "told to close".into();
                let frame = CloseFrame {
                    code: code.into(),
                    reason,
                };
                let closing = async {
                    if self.client.close(Some(frame)).await.is_ok() {
                        while let Some(Ok(_)) = self.client.next().await {}
                    }
                };
                let _ = timeout(CLOSE_TIMEOUT, closing).await;
            }
            Cut::Silence => self.silence().await,
            Cut::HalfOpen => {
                let _ = timeout(CLOSE_TIMEOUT, self.platform.close(None)).await;
                let Self {
                    client,
                    platform,
                    standing,
                    ..
                } = self;
                drop((platform, standing));
                // Without its buffers, until the app itself gives it up.
                let mut tcp = client.into_inner();
                let _ = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
            }
        }
    }

    /// What the app says arrives, what the platform says does not.
    async fn silence(&mut self) {
        loop {
            tokio::select! {
                message = self.client.next() => {
                    if self.pass(message, To::Platform).await.is_err() {
                        return;
                    }
                }
                message = self.platform.next() => {
                    if !matches!(message, Some(Ok(_))) {
                        // Even the end of the connection is not told.
                        while let Some(Ok(_)) = self.client.next().await {}
                        return;
                    }
                }
            }
        }
    }
}
