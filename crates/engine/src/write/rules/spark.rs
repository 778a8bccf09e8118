//! Spark's SQL as expressions of DataFusion: as much of it as means the same in both, whatever a session is set to. That leaves out
//! what depends on a time zone, on how overflow and division are handled, and comparisons that convert text.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::expr_fn::{character_length, date_part};
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, lit};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    UnaryOperator, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use waterline_core::text::{parse_date_days, parse_decimal};

/// Why an expression is not taken.
type Result<T> = std::result::Result<T, String>;

const MAX_DIGITS: usize = 38;

/// Values compare with those of their own kind, numbers with each other, and dates with text that is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer,
    Decimal,
    Float,
    Text,
    Date,
    /// A timestamp without a zone.
    Local,
    Instant,
    /// Of which only null can be told.
    Other,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int32 | DataType::Int64 => Self::Integer,
            DataType::Decimal128(..) => Self::Decimal,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 => Self::Text,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(_, None) => Self::Local,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            _ => Self::Other,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Float)
    }

    /// Whether a column of the other kind can hold the values as they are.
    pub(super) fn fits(self, column: Self) -> bool {
        self != Self::Other && self == column || self == Self::Integer && column.is_number()
    }
}

pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
}

pub(super) fn parse(sql: &str, schema: &Schema) -> Result<Typed> {
    let mut parser = Parser::new(&DatabricksDialect {}).try_with_sql(sql).map_err(|e| e.to_string())?;
    let parsed = parser.parse_expr().map_err(|e| e.to_string())?;
    match parser.peek_token().token {
        Token::EOF => Reader { schema }.expression(&parsed),
        _ => Err("it goes on after its end".to_owned()),
    }
}

struct Reader<'a> {
    schema: &'a Schema,
}

impl Reader<'_> {
    fn expression(&self, sql: &Sql) -> Result<Typed> {
        match sql {
            Sql::Nested(inner) => self.expression(inner),
            Sql::Identifier(name) => self.column(name),
            Sql::Value(value) => literal(&value.value),
            Sql::TypedString(typed) if typed.data_type == SqlType::Date => date_literal(&typed.value),
            Sql::IsNull(inner) => Ok(bool(self.any(inner)?.is_null())),
            Sql::IsNotNull(inner) => Ok(bool(self.any(inner)?.is_not_null())),
            Sql::IsTrue(inner) => Ok(bool(self.condition(inner)?.is_true())),
            Sql::IsFalse(inner) => Ok(bool(self.condition(inner)?.is_false())),
            Sql::IsNotTrue(inner) => Ok(bool(self.condition(inner)?.is_not_true())),
            Sql::IsNotFalse(inner) => Ok(bool(self.condition(inner)?.is_not_false())),
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => Ok(bool(!self.condition(expr)?)),
            Sql::UnaryOp { op: UnaryOperator::Minus, expr } => {
                self.number(expr).map(|n| Typed { expr: Expr::Negative(Box::new(n.expr)), ..n })
            }
            Sql::UnaryOp { op: UnaryOperator::Plus, expr } => self.number(expr),
            Sql::BinaryOp { left, op, right } => self.binary(left, op, right),
            Sql::Between { expr, negated, low, high } => {
                let above = self.compared(expr, Operator::GtEq, low)?;
                let below = self.compared(expr, Operator::LtEq, high)?;
                Ok(bool(if *negated { !above.and(below) } else { above.and(below) }))
            }
            Sql::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Sql::Like { negated, any: false, expr, pattern, escape_char: None } => self.like(expr, pattern, *negated),
            Sql::Cast { kind: CastKind::Cast, expr, data_type: SqlType::Date, array: false, format: None } => {
                let day = self.day(expr)?;
                Ok(Typed { expr: cast(day, DataType::Date32), kind: Kind::Date })
            }
            Sql::Function(function) => self.function(function),
            other => Err(format!("`{other}` is none of the forms that are known")),
        }
    }

    /// Names are compared without case.
    fn column(&self, name: &Ident) -> Result<Typed> {
        let wanted = name.value.to_lowercase();
        let field = self.schema.fields().iter().find(|field| field.name().to_lowercase() == wanted);
        let field = field.ok_or_else(|| format!("the table has no column `{}`", name.value))?;
        Ok(Typed { expr: Expr::Column(Column::from_name(field.name())), kind: Kind::of(field.data_type()) })
    }

    fn any(&self, sql: &Sql) -> Result<Expr> {
        self.expression(sql).map(|typed| typed.expr)
    }

    fn condition(&self, sql: &Sql) -> Result<Expr> {
        self.expression(sql).and_then(|typed| match typed.kind {
            Kind::Bool => Ok(typed.expr),
            _ => Err(format!("`{sql}` is no condition")),
        })
    }

    fn number(&self, sql: &Sql) -> Result<Typed> {
        self.expression(sql).and_then(|typed| match typed.kind.is_number() {
            true => Ok(typed),
            false => Err(format!("`{sql}` is no number")),
        })
    }

    /// Something whose day does not depend on a time zone.
    fn day(&self, sql: &Sql) -> Result<Expr> {
        let typed = self.expression(sql)?;
        match typed.kind {
            Kind::Date | Kind::Local => Ok(typed.expr),
            Kind::Instant => Err(format!("the day of `{sql}` depends on a time zone")),
            _ => Err(format!("`{sql}` is no date")),
        }
    }

    fn binary(&self, left: &Sql, op: &BinaryOperator, right: &Sql) -> Result<Typed> {
        let compared = |op| self.compared(left, op, right).map(bool);
        match op {
            BinaryOperator::And => Ok(bool(self.condition(left)?.and(self.condition(right)?))),
            BinaryOperator::Or => Ok(bool(self.condition(left)?.or(self.condition(right)?))),
            BinaryOperator::Eq => compared(Operator::Eq),
            BinaryOperator::NotEq => compared(Operator::NotEq),
            BinaryOperator::Lt => compared(Operator::Lt),
            BinaryOperator::LtEq => compared(Operator::LtEq),
            BinaryOperator::Gt => compared(Operator::Gt),
            BinaryOperator::GtEq => compared(Operator::GtEq),
            BinaryOperator::Spaceship => compared(Operator::IsNotDistinctFrom),
            BinaryOperator::Plus => self.arithmetic(left, Operator::Plus, right),
            BinaryOperator::Minus => self.arithmetic(left, Operator::Minus, right),
            BinaryOperator::Multiply => self.arithmetic(left, Operator::Multiply, right),
            other => Err(format!("the operator `{other}` is not known")),
        }
    }

    fn compared(&self, left: &Sql, op: Operator, right: &Sql) -> Result<Expr> {
        let (left, right) = alike(self.expression(left)?, self.expression(right)?)?;
        Ok(binary_expr(left, op, right))
    }

    fn arithmetic(&self, left: &Sql, op: Operator, right: &Sql) -> Result<Typed> {
        let (left, right) = (self.number(left)?, self.number(right)?);
        let kind = match (left.kind, right.kind) {
            (Kind::Float, _) | (_, Kind::Float) => Kind::Float,
            (Kind::Decimal, _) | (_, Kind::Decimal) => Kind::Decimal,
            _ => Kind::Integer,
        };
        let (left, right) = alike(left, right)?;
        Ok(Typed { expr: binary_expr(left, op, right), kind })
    }

    fn in_list(&self, sql: &Sql, list: &[Sql], negated: bool) -> Result<Typed> {
        let mut members = Vec::with_capacity(list.len());
        let mut of = None;
        for member in list {
            let (value, member) = alike(self.expression(sql)?, self.expression(member)?)?;
            if of.replace(value.clone()).is_some_and(|before| before != value) {
                return Err("the list holds numbers of different kinds".to_owned());
            }
            members.push(member);
        }
        let expr = Box::new(of.ok_or("the list is empty")?);
        Ok(bool(Expr::InList(InList { expr, list: members, negated })))
    }

    fn like(&self, sql: &Sql, pattern: &Sql, negated: bool) -> Result<Typed> {
        let (text, pattern) = (self.expression(sql)?, self.expression(pattern)?);
        let is_literal = matches!(pattern.expr, Expr::Literal(..));
        if text.kind != Kind::Text || pattern.kind != Kind::Text || !is_literal {
            return Err("the pattern is no literal".to_owned());
        }
        Ok(bool(Expr::Like(Like::new(negated, Box::new(text.expr), Box::new(pattern.expr), None, false))))
    }

    fn function(&self, function: &Function) -> Result<Typed> {
        let unknown = || format!("the function `{}` is not known", function.name);
        let FunctionArguments::List(list) = &function.args else { return Err(unknown()) };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return Err(unknown()) };
        let part = |part: &str| Ok(Typed { expr: date_part(lit(part), self.day(argument)?), kind: Kind::Integer });
        match function.name.to_string().to_lowercase().as_str() {
            "year" => part("year"),
            "month" => part("month"),
            "day" | "dayofmonth" => part("day"),
            "length" | "len" | "char_length" | "character_length" => match self.expression(argument)? {
                Typed { expr, kind: Kind::Text } => Ok(Typed { expr: character_length(expr), kind: Kind::Integer }),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

fn bool(expr: Expr) -> Typed {
    Typed { expr, kind: Kind::Bool }
}

fn literal(value: &Value) -> Result<Typed> {
    match value {
        Value::Boolean(value) => Ok(bool(lit(*value))),
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) if !text.contains('\\') => {
            Ok(Typed { expr: lit(text.as_str()), kind: Kind::Text })
        }
        Value::Number(text, false) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<i64>().map(|number| Typed { expr: lit(number), kind: Kind::Integer }).map_err(|e| e.to_string())
        }
        Value::Number(text, false) => decimal(text).ok_or_else(|| format!("the number `{text}` is not known")),
        other => Err(format!("the literal `{other}` is not known")),
    }
}

fn decimal(text: &str) -> Option<Typed> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = whole.len() + fraction.len();
    let (precision, scale) = (u8::try_from(digits).ok().filter(|_| digits <= MAX_DIGITS)?, i8::try_from(fraction.len()).ok()?);
    let value = parse_decimal(text, precision, scale)?;
    Some(Typed { expr: lit(ScalarValue::Decimal128(Some(value), precision, scale)), kind: Kind::Decimal })
}

fn date_literal(value: &ValueWithSpan) -> Result<Typed> {
    let text = value.value.clone().into_string().ok_or("a date is text")?;
    date(&text).map(|expr| Typed { expr, kind: Kind::Date })
}

fn date(text: &str) -> Result<Expr> {
    let days = parse_date_days(text).ok_or_else(|| format!("`{text}` is no date"))?;
    Ok(lit(ScalarValue::Date32(Some(days))))
}

/// Both sides of a comparison as values that compare.
fn alike(left: Typed, right: Typed) -> Result<(Expr, Expr)> {
    match (left.kind, right.kind) {
        (Kind::Float, other) | (other, Kind::Float) if other.is_number() => Ok((as_float(left.expr), as_float(right.expr))),
        (a, b) if a.is_number() && b.is_number() => Ok((left.expr, right.expr)),
        (a, b) if a == b && a != Kind::Other => Ok((left.expr, right.expr)),
        (Kind::Date, Kind::Text) => Ok((left.expr, date(text_of(&right.expr)?)?)),
        (Kind::Text, Kind::Date) => Ok((date(text_of(&left.expr)?)?, right.expr)),
        (a, b) => Err(format!("{a:?} and {b:?} do not compare")),
    }
}

/// Negative zero is zero in Spark, and below it in Arrow.
fn as_float(expr: Expr) -> Expr {
    binary_expr(cast(expr, DataType::Float64), Operator::Plus, lit(0.0_f64))
}

fn text_of(expr: &Expr) -> Result<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Ok(text),
        _ => Err("a date compares with a literal only".to_owned()),
    }
}
