//! A client of the SDK in a task of its own.

use larkspur::{Connect, ConnectError, Report, Status};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A client that runs until it is stopped; dropping it aborts it.
#[derive(Debug)]
pub struct Client {
    stop: Option<oneshot::Sender<()>>,
    status: Status,
    running: JoinHandle<Result<Report, ConnectError>>,
}

impl Client {
    /// Starts a client.
    pub fn start(connect: Connect) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let connect = connect.with_graceful_shutdown(async move {
            // Without a sender the client is aborted, and must not end in good order.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Self {
            stop: Some(stop),
            status: connect.status(),
            running: tokio::spawn(connect.into_future()),
        }
    }

    /// What it is doing.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
    }

    /// Stops it in good order, and answers what it did.
    ///
    /// # Panics
    ///
    /// When it had ended in an error.
    pub async fn stop(mut self) -> Report {
        self.ask_to_stop();
        self.ended().await.expect("the client was well when it was stopped")
    }

    /// Waits until it ends by itself, or because it was asked to.
    pub async fn ended(mut self) -> Result<Report, ConnectError> {
        (&mut self.running)
            .await
            .expect("nobody aborts a client that is waited for")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.running.abort();
    }
}
