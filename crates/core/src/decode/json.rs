//! Reading JSON without building values: the fields of an object and the elements of an array as slices of the text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// Objects and arrays may nest this deep inside a column's value.
const MAX_DEPTH: usize = 100;
/// Room for the fields of most objects.
const USUAL_FIELDS: usize = 16;

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
    let mut fields = Each { each, stopped: None };
    let read = take_fields(json, &mut fields);
    fields.stopped.map_or(read, Err)
}

struct Each<F> {
    each: F,
    stopped: Option<Error>,
}

impl<'a, F: FnMut(&str, &'a str) -> Result<()>> TakeField<'a> for Each<F> {
    fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value::<&'a RawValue>()?;
        (self.each)(&name, value.get()).map_err(|error| {
            self.stopped = Some(error);
            A::Error::custom("stopped")
        })
    }
}

fn expect_object(json: &str) -> Result<()> {
    let json = json.trim_start();
    if json.starts_with('{') { Ok(()) } else { Err(Error::bad_input("a JSON object is expected").with("json type", JsonKind::of(json))) }
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

/// The fields of an object in order, each value as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Object<'a> {
    pub(crate) fn read(json: &'a str) -> Result<Self> {
        let mut object = Self(Vec::with_capacity(USUAL_FIELDS));
        take_fields(json, &mut object)?;
        Ok(object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The value of the field that was written at this place.
    pub(crate) fn value(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(|(_, value)| value.as_ref())
    }

    pub(super) fn into_owned<'o>(self) -> Object<'o> {
        Object(self.0.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned()))).collect())
    }
}

impl<'a> TakeField<'a> for Object<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value::<&'a RawValue>()?;
        self.0.push((name, Cow::Borrowed(value.get())));
        Ok(())
    }
}

/// A field's value: an object is read at once, so that its text is passed over once.
#[derive(Debug, Default)]
pub(super) enum Nested<'a> {
    /// Missing or null.
    #[default]
    Null,
    Object(Object<'a>),
    Other(JsonKind),
}

/// Takes the fields of an object one by one.
pub(super) trait TakeField<'a> {
    /// Reads the value of a field in the way that fits its name.
    fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object's fields.
pub(super) fn take_fields<'a>(json: &'a str, fields: &mut impl TakeField<'a>) -> Result<()> {
    expect_object(json)?;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(Taken(fields)).and_then(|()| deserializer.end()).map_err(|e| not_json(&e))
}

struct Taken<'f, F>(&'f mut F);

impl<'a, F: TakeField<'a>> Visitor<'a> for Taken<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            self.0.take(name, &mut map)?;
        }
        Ok(())
    }
}

impl<'a> Deserialize<'a> for Nested<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'a> Visitor<'a> for AnyValue {
    type Value = Nested<'a>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object(Vec::with_capacity(USUAL_FIELDS));
        Taken(&mut object).visit_map(map)?;
        Ok(Nested::Object(object))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Nested::Other(JsonKind::Array))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nested::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Nested::Other(JsonKind::Boolean))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Nested::Other(JsonKind::Number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Nested::Other(JsonKind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Nested::Other(JsonKind::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Nested::Other(JsonKind::String))
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
