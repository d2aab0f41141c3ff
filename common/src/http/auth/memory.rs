//! What was learned about keys, for a while and of bounded size.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api_key::KeyHash;

pub(super) struct Memory<T> {
    keeps: TimeDelta,
    most: usize,
    entries: HashMap<KeyHash, Entry<T>>,
}

struct Entry<T> {
    value: T,
    learned: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl<T> Entry<T> {
    /// A clock that was set back makes an entry unusable, not long-lived.
    fn holds(&self, now: DateTime<Utc>) -> bool {
        self.learned <= now && now < self.until
    }
}

impl<T: Clone> Memory<T> {
    pub(super) fn new(keeps: TimeDelta, most: usize) -> Self {
        Self { keeps, most, entries: HashMap::new() }
    }

    pub(super) fn get(&self, hash: &KeyHash, now: DateTime<Utc>) -> Option<T> {
        self.entries.get(hash).filter(|entry| entry.holds(now)).map(|entry| entry.value.clone())
    }

    /// Remembers what was true at `learned`, and at `ends` no longer. When full of what still holds, nothing is
    /// added: then a key costs a look-up, and a flood of keys cannot push the good ones out.
    pub(super) fn put(
        &mut self,
        hash: KeyHash,
        value: T,
        learned: DateTime<Utc>,
        ends: Option<DateTime<Utc>>,
    ) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&hash) {
            self.entries.retain(|_, entry| entry.holds(learned));
            if self.entries.len() >= self.most {
                return;
            }
        }
        let kept = learned + self.keeps;
        let until = ends.map_or(kept, |ends| ends.min(kept));
        self.entries.insert(hash, Entry { value, learned, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_for_its_time_and_no_more_than_fit() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let hash = |n: u32| KeyHash(n.to_string());
        let mut memory = Memory::new(TimeDelta::seconds(30), 2);
        memory.put(hash(1), "one", at(100), None);
        memory.put(hash(2), "two", at(100), Some(at(110)));
        for (second, one, two) in [
            (99, None, None),
            (100, Some("one"), Some("two")),
            (109, Some("one"), Some("two")),
            (110, Some("one"), None),
            (130, None, None),
        ] {
            assert_eq!(memory.get(&hash(1), at(second)), one, "{second}");
            assert_eq!(memory.get(&hash(2), at(second)), two, "{second}");
        }
        memory.put(hash(3), "three", at(101), None);
        assert_eq!(memory.get(&hash(3), at(101)), None, "there is no room");
        memory.put(hash(3), "three", at(115), None);
        assert_eq!(memory.get(&hash(3), at(115)), Some("three"), "the second has ended");
        assert_eq!(memory.entries.len(), 2);
    }
}
