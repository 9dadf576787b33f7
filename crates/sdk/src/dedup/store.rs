//! A store of somebody else, for processes that share an app's events.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::reply::BoxError;

/// A future whose type is forgotten, so that stores can be exchanged at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a store knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing; it is in flight from now on.
    New,
    /// Its handler runs, here or in another process.
    InFlight,
    /// It was handled.
    Done,
}

/// Where [`Dedup`](crate::Dedup) remembers events; for Redis or the like, when several processes share an app.
///
/// A key is visible text of up to a few hundred bytes and names the app too. When a call fails, the event counts as
/// failed, and the platform pushes it again.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use larkspur::{BoxError, BoxFuture, Dedup, DedupStore, Router, Seen};
///
/// #[derive(Default)]
/// struct Toy(Mutex<HashMap<String, Seen>>);
///
/// impl DedupStore for Toy {
///     fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Seen, BoxError>> {
///         // With Redis: `SET key in-flight NX EX 600 GET`.
///         let before = self.0.lock().unwrap().entry(key.to_owned()).or_insert(Seen::New).to_owned();
///         if before == Seen::New {
///             self.0.lock().unwrap().insert(key.to_owned(), Seen::InFlight);
///         }
///         Box::pin(async move { Ok(before) })
///     }
///
///     fn done<'a>(&'a self, key: &'a str, _keep: Duration) -> BoxFuture<'a, Result<(), BoxError>> {
///         self.0.lock().unwrap().insert(key.to_owned(), Seen::Done);
///         Box::pin(async { Ok(()) })
///     }
///
///     fn clear<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), BoxError>> {
///         self.0.lock().unwrap().remove(key);
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// let router: Router = Router::new().dedup(Dedup::with_store(Toy::default(), Duration::from_hours(8)));
/// ```
pub trait DedupStore: Send + Sync + 'static {
    /// Answers what the key is, and makes a new one in flight, in one step. Being in flight should end by itself some
    /// time after the router's time limit: a process that is killed tells nobody.
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Seen, BoxError>>;

    /// Makes the key done for this long.
    fn done<'a>(&'a self, key: &'a str, keep: Duration) -> BoxFuture<'a, Result<(), BoxError>>;

    /// Forgets the key.
    fn clear<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), BoxError>>;
}
