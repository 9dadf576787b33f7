//! The sink: takes webhooks of every app, verifies the signature, opens the body, counts what is in it, and treats some
//! apps' events as badly as real endpoints do.

mod front;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use larkspur_wire::envelope::{ChallengeReply, Incoming};
use larkspur_wire::{Secret, header, open, verify};
use serde::{Deserialize, Serialize};
use tokio::net::TcpSocket;
use tokio::time::sleep;

use super::{Command, Commands, say};
use crate::http::{Connection, Message, answer};
use crate::process::now_ns;
use crate::record::Received;

pub(crate) use front::Identity;

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// All apps share it.
    pub(crate) encrypt_key: String,
    /// How many apps there are; app `n` is posted to at `/hook/n`.
    pub(crate) apps: usize,
    /// Serves TLS too, as this.
    pub(crate) tls: Option<Identity>,
}

/// Where it listens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
}

/// How an app's endpoint treats what it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Behaviour {
    /// It answers at once.
    #[default]
    Good,
    /// It takes the request and says nothing, for ever.
    Silent,
    /// It answers after so many milliseconds.
    Slow { ms: u64 },
    /// It answers one byte a second.
    Dribble,
    /// It begins no TLS handshake.
    SlowTls,
    /// It fails each event's first push.
    FailsFirst,
}

struct Sink {
    encrypt_key: Secret,
    state: RefCell<State>,
}

/// Connections that wait to be accepted. With the usual thousand, an event for a hundred apps overflowed it, and the kernel
/// answered some of them only after the platform's three seconds.
const BACKLOG: u32 = 4_096;

struct State {
    received: Received,
    behaviours: HashMap<usize, Behaviour>,
    /// When an event's first push was answered with a failure.
    failed_ns: HashMap<String, u64>,
    gaps_ns: Vec<u64>,
}

pub(super) async fn run(spec: Spec) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    // All of 127.0.0.0/8, since each app has an address of its own there.
    socket.bind((std::net::Ipv4Addr::UNSPECIFIED, 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let plain = (std::net::Ipv4Addr::LOCALHOST, listener.local_addr()?.port()).into();
    let sink = Rc::new(Sink {
        encrypt_key: Secret::from(spec.encrypt_key),
        state: RefCell::new(State {
            received: Received::new(spec.apps),
            behaviours: HashMap::new(),
            failed_ns: HashMap::new(),
            gaps_ns: Vec::new(),
        }),
    });
    let tls = match &spec.tls {
        Some(identity) => {
            let sink = Rc::clone(&sink);
            let is_slow = move || {
                sink.state
                    .borrow()
                    .behaviours
                    .values()
                    .any(|how| *how == Behaviour::SlowTls)
            };
            Some(front::serve(identity, plain, is_slow).await?)
        }
        None => None,
    };
    say(&Listening { plain, tls })?;
    let accepting = Rc::clone(&sink);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sink = Rc::clone(&accepting);
            if let Ok(connection) = Connection::new(stream) {
                tokio::task::spawn_local(async move { sink.serve(connection).await });
            }
        }
    });
    let mut commands = Commands::new();
    while let Some(command) = commands.next().await? {
        sink.obey(command)?;
    }
    Ok(())
}

impl Sink {
    fn obey(&self, command: Command) -> Result<()> {
        let mut state = self.state.borrow_mut();
        match command {
            Command::Counts => say(&state.received.counts),
            Command::Save { path } => {
                state.received.save(&path)?;
                say(&state.received.counts)
            }
            Command::Behave { app, how } => {
                state.behaviours.insert(app, how);
                say(&state.received.counts)
            }
            Command::Gaps => say(&state.gaps_ns),
            Command::Ping => say(&0),
        }
    }

    /// Serves one connection; whoever breaks it off gets no answer.
    async fn serve(&self, mut connection: Connection) {
        while let Ok(Some(message)) = connection.next().await {
            let app = message.path().strip_prefix("/hook/").and_then(|app| app.parse().ok());
            let taken = app
                .context("no app")
                .and_then(|app| Ok((app, self.take(app, &message)?)));
            let done = match taken {
                Ok((_, Taken::Challenge(body))) => connection.write(&answer("200 OK", &body)).await,
                Ok((app, Taken::Event { fails })) => self.treat(&mut connection, app, fails).await,
                Err(_) => {
                    self.state.borrow_mut().received.counts.foreign += 1;
                    connection.write(&answer("400 Bad Request", b"{}")).await
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn take(&self, app: usize, message: &Message) -> Result<Taken> {
        let Incoming::Sealed(sealed) = Incoming::parse(&message.body)? else {
            anyhow::bail!("the body is not sealed");
        };
        let opened = open(&sealed, &self.encrypt_key)?;
        let envelope = match Incoming::parse(&opened)? {
            Incoming::Event(envelope) => envelope,
            Incoming::Challenge(challenge) => {
                let challenge = challenge.challenge;
                return Ok(Taken::Challenge(ChallengeReply { challenge }.write()));
            }
            Incoming::Sealed(_) | Incoming::CardV1(_) => {
                anyhow::bail!("the body is sealed twice, or an old card callback")
            }
        };
        let text = |name| message.header(name).with_context(|| format!("{name} is missing"));
        let (timestamp, nonce, signature) = (text(header::TIMESTAMP)?, text(header::NONCE)?, text(header::SIGNATURE)?);
        if !verify(timestamp, nonce, &self.encrypt_key, &message.body, signature) {
            anyhow::bail!("the signature is wrong");
        }
        let fails = self.arrived(&envelope.header.event_id, app)?;
        Ok(Taken::Event { fails })
    }

    /// Writes an arrival down; answers whether it is to fail, in which case it does not count.
    fn arrived(&self, event_id: &str, app: usize) -> Result<bool> {
        let mut state = self.state.borrow_mut();
        let now_ns = now_ns();
        if state.behaviour(app) == Behaviour::FailsFirst {
            let State { failed_ns, gaps_ns, .. } = &mut *state;
            let Some(failed_ns) = failed_ns.get(event_id) else {
                failed_ns.insert(event_id.to_owned(), now_ns);
                return Ok(true);
            };
            gaps_ns.push(now_ns - failed_ns);
        }
        let arrived = state.received.arrived(event_id, app, now_ns);
        arrived.context("nobody sent this event")?;
        Ok(false)
    }

    async fn treat(&self, connection: &mut Connection, app: usize, fails: bool) -> std::io::Result<()> {
        let how = self.state.borrow().behaviour(app);
        match how {
            Behaviour::Good => {}
            Behaviour::Silent => std::future::pending().await,
            Behaviour::Slow { ms } => sleep(Duration::from_millis(ms)).await,
            Behaviour::Dribble => {
                for byte in answer("200 OK", b"{}") {
                    connection.write(&[byte]).await?;
                    sleep(Duration::from_secs(1)).await;
                }
                return Ok(());
            }
            Behaviour::SlowTls | Behaviour::FailsFirst => {}
        }
        if fails {
            return connection.write(&answer("500 Internal Server Error", b"{}")).await;
        }
        self.state.borrow_mut().received.counts.taken += 1;
        connection.write(&answer("200 OK", b"{}")).await
    }
}

impl State {
    fn behaviour(&self, app: usize) -> Behaviour {
        self.behaviours.get(&app).copied().unwrap_or_default()
    }
}

/// What a push was.
enum Taken {
    Challenge(Vec<u8>),
    Event { fails: bool },
}
