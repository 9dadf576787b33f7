//! Runs the binary: to its end, or beside the test with its lines as they come.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_mins(1);

/// Variables of the developer's own that would change what the binary does.
const VARIABLES: [&str; 9] = [
    "FEISHU_APP_ID",
    "FEISHU_APP_SECRET",
    "FEISHU_BASE_URL",
    "LARKSPUR_ADMIN_TOKEN",
    "LARKSPUR_CA_FILE",
    "LARKSPUR_LOG",
    "LARKSPUR_TOKEN",
    "LARKSPUR_URL",
    "RUST_LOG",
];

/// The binary with these arguments, in this folder.
pub(crate) fn larkspur<A: AsRef<OsStr>>(dir: &Path, arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larkspur"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: i32,
    /// What it printed as results.
    pub(crate) out: String,
    /// What it said besides.
    pub(crate) err: String,
}

impl Ended {
    /// The results, which are JSON, one value a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// Runs to the end.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Ended {
    larkspur(dir, arguments).output().unwrap().into()
}

/// Runs to the end, which must be a good one.
pub(crate) fn done(dir: &Path, arguments: &[&str]) -> Ended {
    well(arguments, run(dir, arguments))
}

/// Runs to the end what sets a request URL. On a busy machine the challenge may be answered too late; then it is tried
/// again.
pub(crate) fn challenged(dir: &Path, arguments: &[&str]) -> Ended {
    const TRIES: usize = 60;
    let is_late = |ended: &Ended| ended.err.contains("no answer within");
    let mut tries = (0..TRIES).map(|_| run(dir, arguments));
    let ended = tries.find(|ended| !is_late(ended));
    ended.unwrap_or_else(|| panic!("{arguments:?}: no answer in time, {TRIES} times"))
}

/// The same, which must pass.
pub(crate) fn passed(dir: &Path, arguments: &[&str]) -> Ended {
    well(arguments, challenged(dir, arguments))
}

fn well(arguments: &[&str], ended: Ended) -> Ended {
    assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
    ended
}

/// A program beside the test; killed when the test ends.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::spawn(&mut larkspur(dir, arguments))
    }

    /// Starts it as prepared.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// `dev` on a free port, and its first line.
    pub(crate) fn dev(dir: &Path) -> (Self, Value) {
        let dev = Self::start(dir, &["dev", "--json", "--port", "0"]);
        let ready = dev.json(|_| true);
        assert_eq!(ready["ready"], true, "{ready}");
        (dev, ready)
    }

    /// The next line on stdout.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).unwrap()
    }

    /// The next value on stdout that fits.
    pub(crate) fn json(&self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let value = serde_json::from_str(&self.line()).unwrap();
            if fits(&value) {
                return value;
            }
        }
    }

    /// The next line on stderr that has this in it.
    pub(crate) fn says(&self, text: &str) -> String {
        loop {
            let line = self.err.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Everything on stderr until it ends.
    pub(crate) fn all_it_says(&mut self) -> String {
        let mut all = String::new();
        while let Ok(line) = self.err.recv_timeout(PATIENCE) {
            all.push_str(&line);
            all.push('\n');
        }
        all
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::yield_now();
        }
    }

    /// Asks it to end, with a signal such as `TERM`, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn stop(self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }

    /// Sends a signal such as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
