//! Gives the columns of a file's schema the names that the table has for them (Iceberg spec, "Column Projection").
//!
//! Columns are matched by field id; in a file without any ids by the table's name mapping, or else by name. A column that
//! the table does not have gets a name that no column of the table bears, so that one that was dropped and added
//! again under the same name is not mistaken for the new one. Ids are left out of the result: they have done their work.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use parquet::basic::{ConvertedType, Repetition};
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};
use waterline_core::format::FIELD_ID;

use super::mapping::NameMapping;

/// How the columns of a file are matched with the table's. In a file without ids they are not matched by them.
#[derive(Clone, Debug)]
pub(super) enum Matching {
    /// Else by name.
    Ids,
    /// Else by id.
    Mapping(NameMapping),
    /// Whatever ids the file has.
    Names,
}

/// The message type of a file with the names of `fields`.
pub(super) fn renamed(root: &Type, fields: &Fields, matching: &Matching) -> Result<Type> {
    let matching = match matching {
        Matching::Names => Matching::Names,
        _ if has_ids(root) => Matching::Ids,
        Matching::Mapping(mapping) => Matching::Mapping(mapping.clone()),
        Matching::Ids => Matching::Names,
    };
    let children = matching.children(root.get_fields(), fields)?;
    Type::group_type_builder(root.name()).with_fields(children).build()
}

impl Matching {
    /// The columns of one level of a schema, or of a struct.
    fn children(&self, children: &[TypePtr], fields: &Fields) -> Result<Vec<TypePtr>> {
        let mut taken = vec![false; fields.len()];
        let mut named = Vec::with_capacity(children.len());
        for (at, child) in children.iter().enumerate() {
            let found = self.position(child, fields).filter(|field| !std::mem::replace(&mut taken[*field], true));
            named.push(Arc::new(match found {
                Some(field) => self.column(child, fields[field].name(), fields[field].data_type())?,
                None => self.column(child, &unknown(at, fields), &DataType::Null)?,
            }));
        }
        Ok(named)
    }

    /// Where the field of the table is that this column of the file holds.
    fn position(&self, child: &Type, fields: &Fields) -> Option<usize> {
        let by_id = |id: i32| fields.iter().position(|field| field_id(field) == Some(id));
        match self {
            Self::Ids => child.get_basic_info().has_id().then(|| child.get_basic_info().id()).and_then(by_id),
            Self::Mapping(mapping) => mapping.id(child.name()).and_then(by_id),
            Self::Names => fields.iter().position(|field| field.name() == child.name()),
        }
    }

    /// The column under this name, and what is inside of it.
    fn column(&self, column: &Type, name: &str, data_type: &DataType) -> Result<Type> {
        self.inside(column.name()).node(column, name, data_type)
    }

    /// A node under this name. What is inside follows the table's type as far as that has the same shape.
    fn node(&self, node: &Type, name: &str, data_type: &DataType) -> Result<Type> {
        let Type::GroupType { fields: children, .. } = node else { return primitive(node, name) };
        let children = match (node.get_basic_info().converted_type(), data_type, children.as_slice()) {
            (ConvertedType::LIST, DataType::List(element), [repeated]) => vec![Arc::new(self.list(node, repeated, element)?)],
            (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, DataType::Map(entries, _), [repeated]) => {
                vec![Arc::new(self.map(repeated, entries)?)]
            }
            (_, DataType::Struct(fields), children) => self.children(children, fields)?,
            (_, _, children) => {
                children.iter().map(|child| self.column(child, child.name(), &DataType::Null).map(Arc::new)).collect::<Result<_>>()?
            }
        };
        group(node, name, children)
    }

    /// The repeated node inside of a list (Parquet spec, "Lists", with its rules for older files). Name mappings call its
    /// element `element`, whatever the file does.
    fn list(&self, list: &Type, repeated: &Type, element: &Field) -> Result<Type> {
        let inside = self.inside("element");
        match repeated {
            Type::GroupType { fields, .. } => match fields.as_slice() {
                [item] if !is_element(list, repeated) => {
                    group(repeated, repeated.name(), vec![Arc::new(inside.node(item, element.name(), element.data_type())?)])
                }
                _ => inside.node(repeated, repeated.name(), element.data_type()),
            },
            Type::PrimitiveType { .. } => primitive(repeated, element.name()),
        }
    }

    /// The repeated node inside of a map, whose children are key and value.
    fn map(&self, repeated: &Type, entries: &Field) -> Result<Type> {
        let (Type::GroupType { fields: children, .. }, DataType::Struct(fields)) = (repeated, entries.data_type()) else {
            return self.node(repeated, repeated.name(), &DataType::Null);
        };
        let pairs = children.iter().zip(fields.iter()).zip(["key", "value"]);
        let named = pairs.map(|((child, field), part)| self.inside(part).node(child, field.name(), field.data_type()).map(Arc::new));
        group(repeated, entries.name(), named.collect::<Result<_>>()?)
    }

    fn inside(&self, name: &str) -> Self {
        match self {
            Self::Mapping(mapping) => Self::Mapping(mapping.inside(name)),
            other => other.clone(),
        }
    }
}

/// Whether the repeated group of a list is the element itself.
fn is_element(list: &Type, repeated: &Type) -> bool {
    repeated.name() == "array" || repeated.name() == format!("{}_tuple", list.name())
}

fn has_ids(node: &Type) -> bool {
    node.get_basic_info().has_id() || (node.is_group() && node.get_fields().iter().any(|child| has_ids(child)))
}

fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(FIELD_ID)?.parse().ok()
}

/// A name that none of the fields bears, and no other column at this level.
fn unknown(at: usize, fields: &Fields) -> String {
    let mut name = format!("#{at}");
    while fields.iter().any(|field| field.name() == &name) {
        name.push('#');
    }
    name
}

fn primitive(column: &Type, name: &str) -> Result<Type> {
    let Type::PrimitiveType { basic_info, physical_type, type_length, scale, precision } = column else {
        return group(column, name, column.get_fields().to_vec());
    };
    Type::primitive_type_builder(name, *physical_type)
        .with_repetition(repetition(column))
        .with_converted_type(basic_info.converted_type())
        .with_logical_type(basic_info.logical_type_ref().cloned())
        .with_length(*type_length)
        .with_precision(*precision)
        .with_scale(*scale)
        .build()
}

fn group(column: &Type, name: &str, children: Vec<TypePtr>) -> Result<Type> {
    let info = column.get_basic_info();
    Type::group_type_builder(name)
        .with_repetition(repetition(column))
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(children)
        .build()
}

fn repetition(column: &Type) -> Repetition {
    let info = column.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}
