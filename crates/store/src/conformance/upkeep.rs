//! Claims about what an operator asks.

use std::io::Read;

use super::fixture::{accept, event};
use crate::Store;

/// A store that says it can be written has just been written.
pub async fn a_probe_is_a_commit_and_commits_are_measured(store: &dyn Store) {
    let before = store.writing();
    store.probe().await.expect("the store can be written");
    accept(store, vec![event(1, &[1])]).await;
    let after = store.writing();
    assert_eq!((after.jobs - before.jobs, after.failed), (2, 0));
    let commits = after.commits.count() - before.commits.count();
    assert!((1..=2).contains(&commits), "{commits}");
    assert!(after.commits.sum > before.commits.sum);
}

/// What it holds is the backend's own.
pub async fn a_backup_is_a_file_to_be_read_from_its_start(store: &dyn Store) {
    accept(store, vec![event(1, &[1])]).await;
    for _ in 0..2 {
        let mut file = store.backup().await.expect("it can be copied");
        let length = file.metadata().expect("it is open").len();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("it can be read");
        assert!(length > 0 && bytes.len() as u64 == length);
    }
}
