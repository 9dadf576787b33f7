//! Random bytes of the operating system, fetched for many ids at once: a call for each costs more than the id.

use std::cell::RefCell;

/// Fetched at once.
const FETCHED_BYTES: usize = 512;

thread_local! {
    /// Bytes that nobody has had yet.
    static LEFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// As many as asked for, fewer than are fetched at once. Nobody else gets or finds them.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= FETCHED_BYTES) };
    LEFT.with_borrow_mut(|left| {
        if left.len() < N {
            left.resize(FETCHED_BYTES, 0);
            getrandom::fill(left).expect("the operating system has random bytes");
        }
        let start = left.len() - N;
        let mut bytes = [0; N];
        bytes.swap_with_slice(&mut left[start..]);
        left.truncate(start);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_the_same_however_many_are_fetched() {
        let drawn: HashSet<[u8; 24]> = (0..100).map(|_| bytes()).collect();
        assert_eq!(drawn.len(), 100);
        assert!(!drawn.contains(&[0; 24]));
    }
}
