//! The cells of a row's image, as slices of its JSON.

use hashbrown::HashMap;

use crate::decode::Form;
use crate::decode::flattened::is_metadata;
use crate::decode::json::Object;
use crate::error::{Error, Result};

/// Columns by which one record may widen a table.
const MAX_STRANGERS: usize = 1_000;

/// Names of a table's columns, and the same as Debezium's `field.name.adjustment.mode=avro` writes them.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
}

impl Names {
    pub(super) fn new(names: Vec<String>) -> Self {
        let mut adjusted_names: HashMap<String, Option<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            adjusted_names.entry(adjusted(name)).and_modify(|ambiguous| *ambiguous = None).or_insert(Some(at));
        }
        let mut by_name: HashMap<String, usize> = adjusted_names.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        by_name.extend(names.iter().enumerate().map(|(at, name)| (name.clone(), at)));
        Self { names, by_name }
    }

    pub(super) fn get(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Images name their columns in the table's order, mostly.
    fn find(&self, name: &str, expected: usize) -> Option<usize> {
        match self.names.get(expected) {
            Some(next) if next == name => Some(expected),
            _ => self.position(name),
        }
    }
}

/// A name of letters, digits and underscores that does not begin with a digit.
fn adjusted(name: &str) -> String {
    let begins_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    begins_with_digit.then_some('_').into_iter().chain(plain).collect()
}

/// Which field of an image has each column's value.
#[derive(Debug, Default)]
pub(super) struct Cells {
    places: Vec<Option<usize>>,
    /// Columns that the table lacks.
    pub(super) strangers: Vec<(String, String)>,
}

impl Cells {
    pub(super) fn read(&mut self, image: &Object, names: &Names, form: Form) -> Result<()> {
        self.places.clear();
        self.places.resize(names.names.len(), None);
        self.strangers.clear();
        let mut expected = 0;
        for (field, (name, value)) in image.iter().enumerate() {
            match names.find(name, expected) {
                Some(at) => {
                    expected = at + 1;
                    match self.places.get_mut(at) {
                        Some(place @ None) => *place = Some(field),
                        _ => return Err(Error::bad_input("a field is given twice").with("field", name)),
                    }
                }
                None if form == Form::Flattened && is_metadata(name) => {}
                None if self.strangers.len() == MAX_STRANGERS => {
                    return Err(Error::bad_input("the record has more new columns than a table takes at once").with("limit", MAX_STRANGERS));
                }
                None => self.strangers.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(())
    }

    /// The JSON of a column; `None` when the image does not have it.
    pub(super) fn get<'i>(&self, image: &'i Object, column: usize) -> Option<&'i str> {
        image.value((*self.places.get(column)?)?)
    }
}
