//! One write, from who asks for it to the answer.

use larkspur_store::StoreError;
use rusqlite::Transaction;
use tokio::sync::oneshot;

/// A write that waits. It is answered after the commit that carried it.
pub(crate) trait Job: Send {
    /// Answers whether its writes are to be kept. It is run again after they were undone.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>);
}

/// A write and who waits for it.
pub(super) struct Work<T, F> {
    doing: &'static str,
    run: F,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work<T, F>
where
    F: FnMut(&Transaction<'_>) -> Result<T, StoreError>,
{
    /// A write, and where its answer comes.
    pub(super) fn new(doing: &'static str, run: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let work = Self {
            doing,
            run,
            done: None,
            reply,
        };
        (work, answer)
    }
}

impl<T: Send, F> Job for Work<T, F>
where
    F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let done = (self.run)(transaction);
        let ok = done.is_ok();
        self.done = Some(done);
        ok
    }

    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>) {
        let Self { doing, done, reply, .. } = *self;
        let answer = match (done, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(StoreError::Backend {
                doing,
                source: error.to_string().into(),
            }),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Who asked may have gone away.
        let _ = reply.send(answer);
    }
}
