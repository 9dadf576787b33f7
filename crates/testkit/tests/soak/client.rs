//! The soak's client, a process of its own: its memory is the SDK's and nobody else's.
//!
//! The program starts itself again for it. The App Secret comes over stdin, whose end asks the client to stop. On stdout
//! go the id of each event when its handler is called, and at last how many connections there were.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use io::{BufRead as _, BufReader, Write as _};
use larkspur::{App, Domain, Meta, Router};
use larkspur_testkit::TestPlatform;
use tokio::io::{AsyncBufReadExt as _, BufReader as AsyncBufReader};

/// Set in the client: where the platform is, and who the client is.
const PLATFORM: &str = "LARKSPUR_SOAK_PLATFORM";
const APP_ID: &str = "LARKSPUR_SOAK_APP_ID";
/// Before the last line's number.
const CONNECTIONS: &str = "connections ";

/// The client, from outside. It is asked to stop when this is dropped.
pub(crate) struct Process {
    child: Child,
    said: File,
}

/// What a client said until its end.
pub(crate) struct Said {
    /// The event of each call of a handler.
    pub(crate) handled: Vec<String>,
    /// How often it connected.
    pub(crate) connections: usize,
}

impl Process {
    /// Starts a client of the lab's app. What it says goes to a file, so that it takes nobody's memory.
    pub(crate) fn start(lab: &TestPlatform) -> Self {
        let apps = lab.engine().apps();
        let app = apps.iter().next().unwrap();
        let said = tempfile::tempfile().unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .env(PLATFORM, lab.chaos_url())
            .env(APP_ID, app.id.as_str())
            .stdin(Stdio::piped())
            .stdout(said.try_clone().unwrap())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{}", app.app_secret.expose()).unwrap();
        Self { child, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops the client in good order.
    pub(crate) fn stop(mut self) -> Said {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the client: {status}");
        io::Seek::rewind(&mut self.said).unwrap();
        let mut lines: Vec<String> = BufReader::new(self.said).lines().collect::<Result<_, _>>().unwrap();
        let last = lines.pop().unwrap();
        let connections = last.strip_prefix(CONNECTIONS).unwrap().parse().unwrap();
        Said {
            handled: lines,
            connections,
        }
    }
}

/// Is the client, if this process shall be one. Answers whether it was.
pub(crate) async fn was_run() -> bool {
    let (Ok(platform), Ok(app_id)) = (env::var(PLATFORM), env::var(APP_ID)) else {
        return false;
    };
    let mut stdin = AsyncBufReader::new(tokio::io::stdin()).lines();
    let app_secret = stdin.next_line().await.unwrap().unwrap();
    let app = App::new(&app_id, app_secret)
        .unwrap()
        .domain(Domain::parse(&platform).unwrap())
        .io_timeout(Duration::from_millis(500))
        .reconnect_waits(Duration::from_millis(5)..=Duration::from_millis(100));
    let client = app.connect(Router::new().fallback(work));
    let stop = async move { while let Ok(Some(_)) = stdin.next_line().await {} };
    let report = client.with_graceful_shutdown(stop).await.unwrap();
    println!("{CONNECTIONS}{}", report.connections);
    true
}

/// A handler that is at work while things happen.
async fn work(meta: Meta) {
    println!("{}", meta.event_id);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
}
