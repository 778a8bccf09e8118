//! A bounded cache of what immutable files hold, by file name. The least recently used goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Cache<V> {
    inner: Mutex<Inner<V>>,
    capacity: usize,
}

#[derive(Debug)]
struct Inner<V> {
    slots: HashMap<String, Slot<V>>,
    used: usize,
    tick: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<V>,
    weight: usize,
    last_used: u64,
}

impl<V> Cache<V> {
    /// `capacity` is the sum of the weights that are kept.
    pub fn new(capacity: usize) -> Self {
        Self { inner: Mutex::new(Inner { slots: HashMap::new(), used: 0, tick: 0 }), capacity }
    }

    pub fn get(&self, name: &str) -> Option<Arc<V>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tick += 1;
        let tick = inner.tick;
        let slot = inner.slots.get_mut(name)?;
        slot.last_used = tick;
        Some(slot.value.clone())
    }

    /// Keeps `value` unless it alone is too heavy.
    pub fn insert(&self, name: String, value: Arc<V>, weight: usize) {
        if weight > self.capacity {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tick += 1;
        let slot = Slot { value, weight, last_used: inner.tick };
        if let Some(old) = inner.slots.insert(name, slot) {
            inner.used -= old.weight;
        }
        inner.used += weight;
        while inner.used > self.capacity {
            inner.evict_oldest();
        }
    }
}

impl<V> Inner<V> {
    fn evict_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.last_used).map(|(name, _)| name.clone());
        if let Some(slot) = oldest.and_then(|name| self.slots.remove(&name)) {
            self.used -= slot.weight;
        }
    }
}

#[cfg(test)]
mod tests;
