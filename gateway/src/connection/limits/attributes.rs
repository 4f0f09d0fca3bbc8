//! Counts connections by what the register function has said of their clients: of a user, whatever addresses it has.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;

use super::Limit;
use crate::contract::Attributes;

/// An attribute's name and value.
type Key = (Box<str>, Box<str>);

/// How many connections there are with each attribute that has a limit. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributeCount(Arc<Mutex<HashMap<Key, usize>>>);

/// What a connection counts for, until this is released or dropped.
#[derive(Debug)]
pub(crate) struct AttributePermit {
    count: AttributeCount,
    counted: Mutex<Vec<Key>>,
}

impl AttributeCount {
    /// Counts one more connection with these attributes, if there may be one. `None` if none of them has a limit.
    pub(crate) fn admit(
        &self,
        limits: &BTreeMap<String, usize>,
        attributes: &Attributes,
    ) -> Result<Option<AttributePermit>, Limit> {
        let limited: Vec<_> =
            limits.iter().filter_map(|(name, most)| Some((name, attributes.get(name)?, *most))).collect();
        if limited.is_empty() {
            return Ok(None);
        }
        let mut all = self.0.lock();
        let keys: Vec<Key> =
            limited.iter().map(|(name, value, _)| (name.as_str().into(), value.as_str().into())).collect();
        for (key, (.., most)) in keys.iter().zip(&limited) {
            if all.get(key).is_some_and(|open| open >= most) {
                return Err(Limit::ConnectionsPerAttribute(*most));
            }
        }
        for key in &keys {
            *all.entry(key.clone()).or_default() += 1;
        }
        Ok(Some(AttributePermit { count: self.clone(), counted: Mutex::new(keys) }))
    }
}

impl AttributePermit {
    /// The connection does not count any more.
    pub(crate) fn release(&self) {
        let mut all = self.count.0.lock();
        for key in std::mem::take(&mut *self.counted.lock()) {
            if let Entry::Occupied(mut open) = all.entry(key) {
                *open.get_mut() -= 1;
                if *open.get() == 0 {
                    open.remove();
                }
            }
        }
    }
}

impl Drop for AttributePermit {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_connections_and_nothing_is_left_of_one_that_has_none() {
        let count = AttributeCount::default();
        let limits = [("user".to_owned(), 2)].into();
        let of = |user: &str| count.admit(&limits, &[("user".to_owned(), user.to_owned())].into());
        let one = of("ann").expect("room");
        let _two = of("ann").expect("room");
        assert_eq!(of("ann").err(), Some(Limit::ConnectionsPerAttribute(2)));
        let bob = of("bob").expect("another user");
        assert!(count.admit(&limits, &Attributes::new()).expect("not limited").is_none());
        one.expect("counted").release();
        let three = of("ann").expect("room again");
        drop((three, bob));
        assert_eq!(count.0.lock().len(), 1);
    }
}
