//! The real binary as a process: started in a folder, watched, killed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::api::Api;
use crate::{PATIENCE, shim};

/// The admin token of `serve`.
const TOKEN: &str = "a token that is long enough";

/// The binary, about to be started.
pub(crate) struct Launch(Command);

impl Launch {
    /// `larkspur dev` in this folder, with the clock that can be moved.
    pub(crate) fn dev(dir: &Path) -> Self {
        Self::larkspur(dir, &["dev", "--json", "--port", "0"])
    }

    /// `larkspur serve` in this folder. Changes count at once, which spares every test a version.
    pub(crate) fn serve(dir: &Path, configuration: &str) -> Self {
        let configuration = format!("listen = \"127.0.0.1:0\"\n[apps]\npublish_at_once = true\n{configuration}");
        std::fs::write(dir.join("larkspur.toml"), configuration).unwrap();
        Self::larkspur(dir, &["serve", "--json"]).with("LARKSPUR_ADMIN_TOKEN", TOKEN)
    }

    fn larkspur(dir: &Path, arguments: &[&str]) -> Self {
        // The shell only sets limits, when there are any, and is then replaced.
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "eval \"$LIMITS\"; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_larkspur"),
            ])
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null());
        let ours = |(name, _): &(std::ffi::OsString, _)| name.to_string_lossy().starts_with("LARKSPUR_");
        for (name, _) in std::env::vars_os().filter(ours) {
            command.env_remove(name);
        }
        Self(command).with("LIMITS", "").with("LARKSPUR_LOG", "warn")
    }

    /// With a variable.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// With the shim, which a variable of its own tells what to do.
    pub(crate) fn shimmed(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.with("LD_PRELOAD", shim::path()).with(name, value)
    }

    /// With this many file descriptors, and no more.
    pub(crate) fn with_descriptors(self, n: usize) -> Self {
        self.with("LIMITS", format!("ulimit -n {n}"))
    }

    /// With this many file descriptors, unless it asks for more.
    pub(crate) fn with_descriptors_at_first(self, n: usize) -> Self {
        self.with("LIMITS", format!("ulimit -S -n {n}"))
    }

    /// Runs to an end that comes by itself.
    pub(crate) fn ended(mut self) -> Output {
        self.0.output().unwrap()
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(mut self) -> Platform {
        let mut child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, first_line) = channel();
        let told = Lines::default();
        told.collect(child.stderr.take().unwrap(), |_| {});
        Lines::default().collect(child.stdout.take().unwrap(), move |line| {
            let _ = sender.send(line.to_owned());
        });
        let Ok(ready) = first_line.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("it does not start: {}", told.text());
        };
        let ready: Value = serde_json::from_str(&ready).unwrap();
        assert_eq!(ready["ready"], true, "{ready}");
        let api = Api::new(
            ready["url"].as_str().unwrap(),
            ready["admin_token"].as_str().unwrap_or(TOKEN),
        );
        Platform { child, api, told }
    }
}

/// The running platform; killed when the test ends.
pub(crate) struct Platform {
    child: Child,
    pub(crate) api: Api,
    told: Lines,
}

impl Platform {
    /// Ends it as a power failure or the kernel does: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.told.text());
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.told.text()
    }

    /// The memory it has in use, in MiB, and the most it ever had.
    pub(crate) fn memory_mib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        (kib("VmRSS:") / 1024, kib("VmHWM:") / 1024)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, so that the process never waits for who reads them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn collect(&self, from: impl Read + Send + 'static, each: impl Fn(&str) + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                each(&line);
                lines.0.lock().unwrap().push(line);
            }
        });
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}
