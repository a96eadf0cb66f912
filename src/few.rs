//! A list that usually has at most one entry, and then needs no allocation.

/// Entries in order of insertion.
#[derive(Debug)]
pub(crate) struct Few<T> {
    first: Option<T>,
    /// Empty while `first` is `None`.
    more: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) fn new() -> Self {
        Self { first: None, more: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, entry: T) {
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.more.push(entry),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.more.last().or(self.first.as_ref())
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.more.retain(&keep);
        if self.first.take_if(|first| !keep(first)).is_some() && !self.more.is_empty() {
            self.first = Some(self.more.remove(0));
        }
    }

    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Few<U> {
        self.into_iter().map(change).collect()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut few = Self::new();
        few.extend(entries);
        few
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_order_whichever_are_struck_out() {
        for struck in 0..16_u32 {
            let mut few: Few<u32> = (0..4).collect();
            let mut many: Vec<u32> = (0..4).collect();
            let keep = |entry: &u32| struck & (1 << entry) == 0;
            few.retain(keep);
            many.retain(keep);
            assert_eq!(few.iter().copied().collect::<Vec<_>>(), many, "{struck:b}");
            assert_eq!((few.last(), few.is_empty()), (many.last(), many.is_empty()), "{struck:b}");
            few.push(7);
            many.push(7);
            assert_eq!(few.map(|entry| entry + 1).into_iter().last(), Some(8));
            assert_eq!(many.last(), Some(&7));
        }
    }
}
