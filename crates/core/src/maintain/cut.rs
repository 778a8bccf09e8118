//! Whether a cut of a changelog by event time is clean: then nothing before it is newer, in the order of its domain, than anything
//! after it, so that the events after it fold onto the state at the cut as they fold onto everything before.

use std::collections::HashMap;

/// Where an event lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// The order of events around a cut.
#[derive(Clone, Debug, Default)]
pub struct CutOrder {
    /// By domain.
    newest_before: HashMap<String, String>,
    oldest_after: HashMap<String, String>,
}

impl CutOrder {
    pub fn add(&mut self, domain: &str, sequence: &str, side: Side) {
        let (ends, is_further): (_, fn(&str, &str) -> bool) = match side {
            Side::Before => (&mut self.newest_before, |new, known| new > known),
            Side::After => (&mut self.oldest_after, |new, known| new < known),
        };
        match ends.get_mut(domain) {
            Some(known) if is_further(sequence, known) => sequence.clone_into(known),
            Some(_) => {}
            None => drop(ends.insert(domain.to_owned(), sequence.to_owned())),
        }
    }

    pub fn is_clean(&self) -> bool {
        self.newest_before.iter().all(|(domain, newest)| !self.is_disturbed_by(domain, newest))
    }

    /// Whether an event before the cut comes after one that lies after it.
    pub fn is_disturbed_by(&self, domain: &str, sequence: &str) -> bool {
        self.oldest_after.get(domain).is_some_and(|oldest| sequence > oldest.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_clean_where_times_and_sequences_agree() {
        let mut order = CutOrder::default();
        for (domain, sequence, side) in
            [("a", "1", Side::Before), ("a", "3", Side::Before), ("a", "5", Side::After), ("a", "4", Side::After), ("b", "1", Side::After)]
        {
            order.add(domain, sequence, side);
            assert!(order.is_clean(), "{domain} {sequence}");
        }
        order.add("b", "0", Side::Before);
        assert!(order.is_clean());
        order.add("b", "2", Side::Before);
        assert!(!order.is_clean());
        assert!(order.is_disturbed_by("b", "2") && !order.is_disturbed_by("b", "0") && !order.is_disturbed_by("c", "9"));
    }
}
