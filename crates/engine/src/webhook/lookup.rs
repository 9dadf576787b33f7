//! Looking up names: on threads of their own, a few for each name.
//!
//! A look-up cannot be broken off, and a name server that does not answer keeps each for half a minute. All of them share
//! the process's threads with whoever reads the store; so one name gets few, and all names together not too many.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Look-ups of one name under way at once, those that nobody waits for any more among them.
const PER_NAME_MAX: usize = 4;
/// Look-ups of all names under way at once: a quarter of the threads there may be.
const ALL_MAX: usize = 128;
/// With more names than this, those that nobody looks up at the moment are forgotten.
const NAMES_MAX: usize = 1_000;

/// The look-ups under way, by name.
#[derive(Debug)]
pub(super) struct Lookups {
    by_name: Mutex<HashMap<String, Arc<Semaphore>>>,
    all: Arc<Semaphore>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            by_name: Mutex::default(),
            all: Arc::new(Semaphore::new(ALL_MAX)),
        }
    }
}

impl Lookups {
    /// The addresses of a name.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = host.to_owned();
        let look_up = move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        self.run(host, look_up).await
    }

    /// Looks up on a thread, once the name may have another.
    async fn run<T: Send + 'static>(
        &self,
        host: &str,
        look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let of_name = self.of(host).acquire_owned().await.map_err(io::Error::other)?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.map_err(io::Error::other)?;
        let look_up = move || {
            let found = look_up();
            drop((of_name, of_all));
            found
        };
        tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
    }

    fn of(&self, host: &str) -> Arc<Semaphore> {
        let mut names = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.retain(|_, lookups| lookups.available_permits() < PER_NAME_MAX);
        }
        let lookups = names.entry(host.to_owned());
        Arc::clone(lookups.or_insert_with(|| Arc::new(Semaphore::new(PER_NAME_MAX))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_name_that_hangs_has_few_threads_and_other_names_do_not_wait() {
        let lookups = Arc::new(Lookups::default());
        let (started, starts) = mpsc::channel();
        let (go_on, hang) = mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        for _ in 0..PER_NAME_MAX + 2 {
            let (lookups, started, hang) = (Arc::clone(&lookups), started.clone(), Arc::clone(&hang));
            let look_up = move || {
                started.send(()).unwrap();
                let _ = hang.lock().unwrap().recv();
                Ok(())
            };
            // Whoever waits gives up at once; the look-up does not.
            tokio::spawn(async move { lookups.run("hangs.example", look_up).await });
        }
        tokio::task::yield_now().await;
        lookups.run("well.example", || Ok(())).await.unwrap();
        for _ in 0..PER_NAME_MAX {
            starts.recv().unwrap();
        }
        assert!(starts.try_recv().is_err(), "the others wait");
        drop(go_on);
        lookups.run("hangs.example", || Ok(())).await.unwrap();
    }
}
