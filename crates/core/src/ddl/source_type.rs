//! Types as a source declares them, and the canonical Arrow type that holds their values exactly.
//!
//! A type has one spelling, whatever alias declared it: `int4` is `integer`, `character varying(20)` is `varchar(20)`,
//! `timestamp(3) with time zone` is `timestamptz(3)`, MySQL's `int(11) unsigned` is `int unsigned`, `boolean` is
//! `tinyint(1)`. A domain has the spelling of its base, an enum is `enum`, an array ends in `[]`. Decoders find this
//! spelling in the metadata of a field, see [`SOURCE_TYPE`].
//!
//! MySQL's `time` may be negative and reach 838 hours: it is text, `[-]HH:MM:SS[.ffffff]`. `bigint unsigned` is a decimal
//! of 20 digits, since its maximum is beyond 64 signed bits.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, TimeUnit};
use sqlparser::tokenizer::Token;

use super::SqlDialect;
use super::statements::tokenize;
use super::tokens::{ObjectName, Tokens};
use crate::error::{Error, Result};
use crate::schema::{SOURCE_TYPE, TIME_DIGITS, list_of, timestamp_local, timestamp_utc};

/// A nullable column of a declared type, with the metadata that decoders read.
pub fn declared_field(name: &str, type_text: &str, dialect: SqlDialect) -> Result<FieldRef> {
    let unknown = || {
        Error::usage("not a type; write one of the source, such as bigint, text, numeric(12,2) or timestamp")
            .with("column", name)
            .with("type", type_text)
    };
    let mut tokens = tokenize(type_text, dialect).map_err(|e| unknown().caused_by(e))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut tokens = Tokens::new(&tokens, dialect);
    let declared = SourceType::read(&mut tokens, &|_| None).map_err(|e| unknown().caused_by(e))?;
    let known = declared.known_arrow().is_some() && tokens.is_empty();
    if known { Ok(Arc::new(declared.field(name))) } else { Err(unknown()) }
}

/// The canonical Arrow type of a declared one. Fails for a type that the dialect lacks.
pub fn parse_type(type_text: &str, dialect: SqlDialect) -> Result<DataType> {
    declared_field("", type_text, dialect).map(|field| field.data_type().clone())
}

/// A type in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceType {
    dialect: SqlDialect,
    name: String,
    /// Lengths, precision and scale.
    arguments: Vec<i64>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Scalar,
    Array,
}

impl SourceType {
    pub(super) fn enumeration(dialect: SqlDialect) -> Self {
        Self { dialect, name: "enum".into(), arguments: Vec::new(), shape: Shape::Scalar }
    }

    /// Takes a type. `named` knows the enums and domains that the script made.
    pub(super) fn read(tokens: &mut Tokens, named: &dyn Fn(&ObjectName) -> Option<SourceType>) -> Result<Self> {
        let dialect = tokens.dialect();
        tokens.keyword("national");
        let object = tokens.object_name("a type")?;
        let mut read = match named(&object) {
            Some(found) => found,
            None => Self::read_builtin(object.name, tokens)?,
        };
        if dialect == SqlDialect::Postgres && takes_array(tokens)? {
            read.shape = Shape::Array;
        }
        Ok(read)
    }

    fn read_builtin(first: String, tokens: &mut Tokens) -> Result<Self> {
        let dialect = tokens.dialect();
        let mut name = first.to_lowercase();
        if tokens.keyword("varying") {
            name = if name == "bit" { "varbit".into() } else { "varchar".into() };
        }
        tokens.keyword("precision");
        if name == "interval" {
            while tokens.one_of(&["year", "month", "day", "hour", "minute", "second", "to"]).is_some() {}
        }
        let arguments = arguments(tokens)?;
        if tokens.keywords(&["with", "time", "zone"]) {
            name.push_str("tz");
        }
        tokens.keywords(&["without", "time", "zone"]);
        let mut is_unsigned = false;
        while let Some(attribute) = tokens.one_of(&["unsigned", "zerofill", "signed"]) {
            is_unsigned |= attribute != "signed";
        }
        Ok(match dialect {
            SqlDialect::Postgres => Self::postgres(name, arguments),
            SqlDialect::MySql => Self::mysql(name, arguments, is_unsigned),
        })
    }

    fn postgres(name: String, mut arguments: Vec<i64>) -> Self {
        let canonical = match name.as_str() {
            "int2" | "smallserial" | "serial2" => "smallint",
            "int" | "int4" | "serial" | "serial4" => "integer",
            "int8" | "bigserial" | "serial8" => "bigint",
            "float" if arguments.first().is_some_and(|&bits| bits <= 24) => "real",
            "float4" => "real",
            "float" | "float8" | "double" => "double precision",
            "decimal" | "dec" => "numeric",
            "bool" => "boolean",
            "character" | "bpchar" | "nchar" => "char",
            other => other,
        };
        match canonical {
            "real" | "double precision" | "interval" => arguments.clear(),
            "numeric" if arguments.len() == 1 => arguments.push(0),
            "bit" if arguments.is_empty() => arguments.push(1),
            _ => {}
        }
        Self { dialect: SqlDialect::Postgres, name: canonical.to_owned(), arguments, shape: Shape::Scalar }
    }

    fn mysql(name: String, mut arguments: Vec<i64>, is_unsigned: bool) -> Self {
        let canonical = match name.as_str() {
            "bool" | "boolean" => {
                arguments = vec![1];
                "tinyint"
            }
            "int1" => "tinyint",
            "int2" => "smallint",
            "int3" | "middleint" => "mediumint",
            "integer" | "int4" => "int",
            "int8" | "serial" => "bigint",
            "float" if arguments.len() == 1 && arguments.first().is_some_and(|&bits| bits > 24) => "double",
            "float4" => "float",
            "float8" | "real" => "double",
            "numeric" | "dec" | "fixed" => "decimal",
            "character" | "nchar" => "char",
            "nvarchar" => "varchar",
            other => other,
        };
        match canonical {
            "tinyint" if arguments == [1] => {}
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "float" | "double" | "year" => arguments.clear(),
            "decimal" if arguments.is_empty() => arguments = vec![10, 0],
            "decimal" if arguments.len() == 1 => arguments.push(0),
            "bit" if arguments.is_empty() => arguments.push(1),
            _ => {}
        }
        let unsigned = if is_unsigned || name == "serial" { " unsigned" } else { "" };
        Self { dialect: SqlDialect::MySql, name: format!("{canonical}{unsigned}"), arguments, shape: Shape::Scalar }
    }

    /// A nullable column of this type. What no canonical type holds exactly, and any type unknown here, is text.
    pub(super) fn field(&self, name: &str) -> Field {
        let data_type = self.known_arrow().unwrap_or_else(|| self.shaped(DataType::Utf8));
        let mut metadata = vec![(SOURCE_TYPE.to_owned(), self.to_string())];
        if let Some(digits) = self.time_digits() {
            metadata.push((TIME_DIGITS.to_owned(), digits.to_string()));
        }
        Field::new(name, data_type, true).with_metadata(metadata.into_iter().collect())
    }

    fn known_arrow(&self) -> Option<DataType> {
        let scalar = match self.dialect {
            SqlDialect::Postgres => self.postgres_arrow()?,
            SqlDialect::MySql => self.mysql_arrow()?,
        };
        Some(self.shaped(scalar))
    }

    fn shaped(&self, scalar: DataType) -> DataType {
        match self.shape {
            Shape::Scalar => scalar,
            Shape::Array => list_of(scalar),
        }
    }

    fn postgres_arrow(&self) -> Option<DataType> {
        Some(match self.name.as_str() {
            "smallint" | "integer" => DataType::Int32,
            "bigint" | "oid" => DataType::Int64,
            "real" => DataType::Float32,
            "double precision" => DataType::Float64,
            "numeric" => self.decimal(),
            "money" => DataType::Decimal128(19, 2),
            "boolean" => DataType::Boolean,
            "bytea" => DataType::Binary,
            "bit" => self.bits(),
            "varbit" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => DataType::Time64(TimeUnit::Microsecond),
            "timestamp" => timestamp_local(),
            "timestamptz" => timestamp_utc(),
            "char" | "varchar" | "text" | "citext" | "name" | "xml" | "json" | "jsonb" | "uuid" | "enum" | "ltree" | "hstore" => {
                DataType::Utf8
            }
            "inet" | "cidr" | "macaddr" | "macaddr8" | "timetz" | "interval" | "pg_lsn" | "tsvector" | "tsquery" => DataType::Utf8,
            "geometry" | "geography" | "point" | "line" | "lseg" | "box" | "path" | "polygon" | "circle" => DataType::Utf8,
            "int4range" | "int8range" | "numrange" | "tsrange" | "tstzrange" | "daterange" => DataType::Utf8,
            _ => return None,
        })
    }

    fn mysql_arrow(&self) -> Option<DataType> {
        Some(match self.name.as_str() {
            "tinyint" | "tinyint unsigned" | "smallint" | "smallint unsigned" | "mediumint" | "mediumint unsigned" | "int" | "year" => {
                DataType::Int32
            }
            "int unsigned" | "bigint" => DataType::Int64,
            "bigint unsigned" => DataType::Decimal128(20, 0),
            "float" | "float unsigned" => DataType::Float32,
            "double" | "double unsigned" => DataType::Float64,
            "decimal" | "decimal unsigned" => self.decimal(),
            "bit" => self.bits(),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => DataType::Binary,
            "date" => DataType::Date32,
            "datetime" => timestamp_local(),
            "timestamp" => timestamp_utc(),
            "time" | "enum" | "set" | "json" => DataType::Utf8,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => DataType::Utf8,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection" => {
                DataType::Utf8
            }
            _ => return None,
        })
    }

    /// Text when there are no bounds, or more digits than 128 bits hold.
    fn decimal(&self) -> DataType {
        let [precision, scale] = self.arguments[..] else { return DataType::Utf8 };
        // PostgreSQL also has scales below zero and above the precision.
        let digits = if scale < 0 { precision - scale } else { precision.max(scale) };
        match (u8::try_from(digits), i8::try_from(scale.max(0))) {
            (Ok(digits), Ok(scale)) if (1..=DECIMAL128_MAX_PRECISION).contains(&digits) => DataType::Decimal128(digits, scale),
            _ => DataType::Utf8,
        }
    }

    fn bits(&self) -> DataType {
        if self.arguments == [1] { DataType::Boolean } else { DataType::Binary }
    }

    /// How many digits of a second the source keeps; `None` for a type without time.
    fn time_digits(&self) -> Option<i64> {
        let default = match (self.dialect, self.name.as_str()) {
            (SqlDialect::Postgres, "time" | "timetz" | "timestamp" | "timestamptz") => 6,
            (SqlDialect::MySql, "time" | "datetime" | "timestamp") => 0,
            _ => return None,
        };
        Some(self.arguments.first().copied().unwrap_or(default))
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, attribute) = match self.name.strip_suffix(" unsigned") {
            Some(name) => (name, " unsigned"),
            None => (self.name.as_str(), ""),
        };
        f.write_str(name)?;
        for (at, argument) in self.arguments.iter().enumerate() {
            write!(f, "{}{argument}", if at == 0 { "(" } else { "," })?;
        }
        f.write_str(if self.arguments.is_empty() { "" } else { ")" })?;
        f.write_str(attribute)?;
        f.write_str(if self.shape == Shape::Array { "[]" } else { "" })
    }
}

/// The numbers in the parentheses after a type; none when there is anything else, such as the labels of an enum.
fn arguments(tokens: &mut Tokens) -> Result<Vec<i64>> {
    let Some(group) = tokens.parenthesised()? else { return Ok(Vec::new()) };
    Ok(group.parts().map(|mut part| number(&mut part)).collect::<Option<_>>().unwrap_or_default())
}

fn number(tokens: &mut Tokens) -> Option<i64> {
    let sign = if tokens.take(&Token::Minus) { -1 } else { 1 };
    match tokens.next() {
        Some(Token::Number(digits, _)) => digits.parse::<i32>().ok().map(|value| sign * i64::from(value)),
        _ => None,
    }
}

/// Takes `[]`, `[3]`, `ARRAY`, any number of times: PostgreSQL ignores dimensions and sizes.
fn takes_array(tokens: &mut Tokens) -> Result<bool> {
    let mut is_array = tokens.keyword("array");
    while tokens.take(&Token::LBracket) {
        if matches!(tokens.peek(), Some(Token::Number(..))) {
            tokens.next();
        }
        if !tokens.take(&Token::RBracket) {
            return Err(tokens.expected("a closing bracket"));
        }
        is_array = true;
    }
    Ok(is_array)
}
