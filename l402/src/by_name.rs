//! Values by a name, sorted: for the few thousand that an isolate keeps in memory at most. A tree is for more, and each
//! kind of tree puts ten kilobytes of code into the wasm.

use crate::prelude::*;

/// A value for each name.
#[derive(Debug)]
pub struct ByName<T>(Vec<(String, T)>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByName<T> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        let place = self.place(name).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let place = self.place(name).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Puts one there, in the place of what was there under this name.
    pub fn insert(&mut self, name: &str, value: T) {
        match self.get_mut(name) {
            Some(there) => *there = value,
            None => {
                let (Ok(place) | Err(place)) = self.place(name);
                self.0.insert(place, (name.to_owned(), value));
            }
        }
    }

    /// Drops all that are not wanted any more.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&T) -> bool) {
        self.0.retain(|(_, value)| is_wanted(value));
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_the_value_that_it_got_last() {
        let mut lengths = ByName::default();
        for name in ["pear", "fig", "", "apple", "fig"] {
            lengths.insert(name, name.len() + lengths.len());
        }
        assert_eq!((lengths.len(), lengths.get("fig"), lengths.get("quince")), (4, Some(&7), None));
        *lengths.get_mut("pear").unwrap() = 1;
        lengths.retain(|length| *length > 1);
        assert_eq!((lengths.get(""), lengths.get("pear"), lengths.get("apple")), (Some(&2), None, Some(&8)));
    }
}
