//! Numbered places for what is going on: a number is one look at an array, and is used again when its place is free.

#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Puts something into a free place and answers its number.
    pub(super) fn insert(&mut self, item: T) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.places[slot] = Some(item);
                slot
            }
            None => {
                self.places.push(Some(item));
                self.places.len() - 1
            }
        }
    }

    /// Takes out what is in a place, if anything is.
    pub(super) fn remove(&mut self, slot: usize) -> Option<T> {
        let item = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(item)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }
}

impl<T> IntoIterator for Slots<T> {
    type Item = T;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Option<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.places.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_is_used_again() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!((slots.remove(a), slots.remove(a)), (Some('a'), None));
        assert_eq!((slots.insert('c'), slots.is_empty()), (a, false));
        assert_eq!((slots.remove(b), slots.remove(99)), (Some('b'), None));
        assert_eq!(slots.into_iter().collect::<Vec<_>>(), ['c']);
    }
}
