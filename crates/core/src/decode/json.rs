//! Reading JSON without building values: the fields of an object and the elements of an array as slices of the text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// Objects and arrays may nest this deep inside a column's value.
const MAX_DEPTH: usize = 100;

/// What a piece of JSON is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl JsonKind {
    /// `json` is valid and starts without white space.
    pub(crate) fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'-' | b'0'..=b'9') => Self::Number,
            _ => Self::Null,
        }
    }
}

impl fmt::Display for JsonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        })
    }
}

/// Calls `each` with the name and the JSON of every field of an object, in order.
pub(crate) fn each_field<'a>(json: &'a str, each: impl FnMut(&str, &'a str) -> Result<()>) -> Result<()> {
    if !json.trim_start().starts_with('{') {
        return Err(Error::bad_input("a JSON object is expected").with("json type", JsonKind::of(json.trim_start())));
    }
    let mut stopped = None;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = deserializer.deserialize_map(Fields { each, stopped: &mut stopped }).and_then(|()| deserializer.end());
    match stopped {
        Some(error) => Err(error),
        None => read.map_err(|e| not_json(&e)),
    }
}

/// Calls `each` with the JSON of every element of an array, in order.
pub(crate) fn each_element<'a>(json: &'a str, each: impl FnMut(&'a str)) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_seq(Elements(each)).and_then(|()| deserializer.end()).map_err(|e| not_json(&e))
}

/// The text of a JSON string; `None` when it is no string.
pub(crate) fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    // An escaped surrogate without its partner is no text.
    serde_json::from_str::<String>(json).ok().map(Cow::Owned)
}

pub(crate) fn is_null(json: &str) -> bool {
    json == "null"
}

/// Fails when objects and arrays nest deeper than Waterline reads. `json` is valid.
pub(crate) fn check_depth(json: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::bad_input("the JSON is nested too deeply").with("limit", MAX_DEPTH));
        }
    }
    Ok(())
}

/// The parser's own message may hold values, so only the place is taken from it.
pub(super) fn not_json(error: &serde_json::Error) -> Error {
    let message = match error.classify() {
        serde_json::error::Category::Eof => "the record ends inside its JSON",
        _ => "the record is not valid JSON",
    };
    Error::bad_input(message).with("byte", error.column())
}

struct Fields<'e, F> {
    each: F,
    stopped: &'e mut Option<Error>,
}

impl<'a, F: FnMut(&str, &'a str) -> Result<()>> Visitor<'a> for Fields<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let value = map.next_value::<&'a RawValue>()?;
            if let Err(error) = (self.each)(&name, value.get()) {
                *self.stopped = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'a, F: FnMut(&'a str)> Visitor<'a> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<&'a RawValue>()? {
            (self.0)(element.get());
        }
        Ok(())
    }
}

/// A field's name, borrowed unless it has escapes.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
