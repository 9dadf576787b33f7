//! A client at work: does what its [`Lifecycle`] says, on a thread of its own.
//!
//! The thread has a small runtime for nothing but the connection, so that heartbeats, time limits and the watchdog go on
//! whatever handlers do to theirs.

use std::thread;
use std::time::{Duration, Instant};

use larkspur_wire::AppId;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::dispatcher::{self, Dispatch};

use super::dial::{Connection, Dialer};
use super::error::ConnectError;
use super::lifecycle::{Action, Input, Lifecycle};
use super::link::Desk;
use super::session::{Ended, Owner, Session};
use super::status::{ConnectionState, Reporter};
use super::trouble::Trouble;

/// What users filter log lines by, wherever in here they are written.
const TARGET: &str = "larkspur::ws";
/// Look-ups of hosts that hang, each on a thread of its own; more wait.
const LOOK_UPS_MAX: usize = 4;
/// So many failed tries in a row are each worth a line; of later ones, every power of two is.
const LOUD_TRIES: u32 = 3;

/// A client before it starts.
pub(super) struct Client {
    pub(super) app_id: AppId,
    pub(super) dialer: Dialer,
    pub(super) life: Lifecycle,
    pub(super) desk: Desk,
    pub(super) reporter: Reporter,
    /// The platform must take our bytes within this time.
    pub(super) write_limit: Duration,
}

/// What is left to say when a client has ended as it was asked to.
#[derive(Debug, Default)]
pub(super) struct Closing {
    pub(super) connections: u64,
    pub(super) refused: u64,
    pub(super) unacknowledged: Vec<String>,
}

/// What the thread has to say when it ends.
pub(super) type Ending = oneshot::Receiver<Result<Closing, ConnectError>>;

impl Client {
    /// Starts the client's thread.
    pub(super) fn start(self) -> Result<Ending, ConnectError> {
        let refuse = |error: std::io::Error| ConnectError::Thread {
            reason: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOK_UPS_MAX)
            .thread_name("larkspur-dns")
            .build()
            .map_err(refuse)?;
        let (say, ending) = oneshot::channel();
        // A subscriber may be set for the caller's thread only.
        let subscriber = dispatcher::get_default(Dispatch::clone);
        let run = move || {
            let ended = runtime.block_on(self.run());
            // A look-up that hangs must not hold the thread.
            runtime.shutdown_background();
            let _ = say.send(ended);
        };
        let thread = thread::Builder::new().name("larkspur-ws".to_owned());
        let spawned = if subscriber.is::<tracing::subscriber::NoSubscriber>() {
            thread.spawn(run)
        } else {
            thread.spawn(move || dispatcher::with_default(&subscriber, run))
        };
        spawned.map(|_| ending).map_err(refuse)
    }

    async fn run(mut self) -> Result<Closing, ConnectError> {
        let mut refused = 0;
        let mut dialled = None;
        let mut action = self.life.on(Input::Due, Instant::now(), 0.0);
        loop {
            if self.desk.is_stopping() || self.desk.is_ended() {
                break;
            }
            let input = match action {
                Action::Dial { attempt } => match self.dial(attempt).await {
                    Some(Ok(connection)) => {
                        self.reporter.is(ConnectionState::Online {
                            connection: connection.name.clone(),
                        });
                        tracing::info!(
                            target: TARGET, { app.id = %self.app_id },
                            "online conn={} app={}", connection.name, self.app_id
                        );
                        dialled = Some(connection);
                        Input::Opened
                    }
                    Some(Err(trouble)) => Input::Failed(trouble),
                    None => break,
                },
                Action::Serve(heartbeat) => {
                    let connection = dialled.take().expect("only a dialled connection is served");
                    let owner = Owner {
                        app_id: &self.app_id,
                        life: &mut self.life,
                        desk: &mut self.desk,
                        reporter: &self.reporter,
                        refused: &mut refused,
                        write_limit: self.write_limit,
                    };
                    match Session::new(owner, connection, heartbeat).run().await {
                        Ended::Lost(trouble) => Input::Lost(trouble),
                        Ended::Finished => break,
                    }
                }
                Action::Wait { wait, attempt, trouble } => {
                    self.wait(wait, attempt, trouble).await;
                    Input::Due
                }
                Action::GiveUp(error) => {
                    tracing::error!(target: TARGET, { app.id = %self.app_id }, "fatal: {error}");
                    self.reporter.is(ConnectionState::Fatal(error.clone()));
                    return Err(error);
                }
            };
            action = self.life.on(input, Instant::now(), fastrand::f64());
        }
        // Handlers may still be at work on what a lost connection brought.
        self.reporter.is(ConnectionState::Draining);
        let unacknowledged = self.desk.ended().await;
        self.reporter.is(ConnectionState::Idle);
        Ok(Closing {
            connections: self.life.connections(),
            refused,
            unacknowledged,
        })
    }

    /// Looks up and connects; `None` when we are asked to stop meanwhile.
    async fn dial(&mut self, attempt: u32) -> Option<Result<Connection, Trouble>> {
        self.reporter.is(ConnectionState::Connecting { attempt });
        let Self { dialer, life, desk, .. } = self;
        let returning = life.connections() > 0;
        let dialling = async {
            let (url, config) = dialer.look_up(returning).await?;
            life.told(config);
            dialer.connect(&url, returning).await
        };
        tokio::select! {
            () = desk.stopped() => None,
            dialled = dialling => Some(dialled),
        }
    }

    async fn wait(&mut self, wait: Duration, attempt: u32, trouble: Trouble) {
        let seconds = wait.as_secs_f32();
        if attempt <= LOUD_TRIES || attempt.is_power_of_two() {
            tracing::warn!(
                target: TARGET, { app.id = %self.app_id },
                "reconnecting in {seconds:.1}s (attempt {attempt}): {trouble}; {}", trouble.fix
            );
        } else {
            tracing::debug!(
                target: TARGET, { app.id = %self.app_id },
                "reconnecting in {seconds:.1}s (attempt {attempt}): {trouble}"
            );
        }
        self.reporter.is(ConnectionState::Backoff {
            attempt,
            next_try: Instant::now() + wait,
            trouble,
        });
        tokio::select! {
            () = self.desk.stopped() => {}
            () = sleep(wait) => {}
        }
    }
}
