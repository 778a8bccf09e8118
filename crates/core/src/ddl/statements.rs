//! Splits a script into statements of tokens.

use std::borrow::Cow;

use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::SqlDialect;
use super::tokens::Tokens;
use crate::error::{Error, Result};

/// The tokens of one statement, without white space, comments and the semicolon.
pub(super) struct Statement {
    tokens: Vec<TokenWithSpan>,
    dialect: SqlDialect,
}

impl Statement {
    pub(super) fn tokens(&self) -> Tokens<'_> {
        Tokens::new(&self.tokens, self.dialect)
    }
}

pub(super) fn split(sql: &str, dialect: SqlDialect) -> Result<Vec<Statement>> {
    let sql = without_client_lines(sql, dialect);
    let mut statements = Vec::new();
    let mut tokens = Vec::new();
    for token in tokenize(&sql, dialect)? {
        match token.token {
            Token::Whitespace(_) => {}
            Token::SemiColon => statements.push(Statement { tokens: std::mem::take(&mut tokens), dialect }),
            _ => tokens.push(token),
        }
    }
    statements.push(Statement { tokens, dialect });
    statements.retain(|statement| !statement.tokens.is_empty());
    Ok(statements)
}

pub(super) fn tokenize(sql: &str, dialect: SqlDialect) -> Result<Vec<TokenWithSpan>> {
    let tokens = match dialect {
        SqlDialect::Postgres => Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location(),
        SqlDialect::MySql => Tokenizer::new(&MySqlDialect {}, sql).tokenize_with_location(),
    };
    tokens.map_err(|e| Error::bad_input("the SQL text cannot be read").with("line", e.location.line).with("reason", e.message))
}

/// Blanks what `psql` keeps to itself: its own `\` commands, and the rows after `COPY ... FROM stdin;` up to `\.`. Line numbers stay.
fn without_client_lines(sql: &str, dialect: SqlDialect) -> Cow<'_, str> {
    if dialect == SqlDialect::MySql || !sql.lines().any(|line| line.starts_with('\\') || starts_copy(line)) {
        return Cow::Borrowed(sql);
    }
    let mut kept = String::with_capacity(sql.len());
    let mut in_rows = false;
    for line in sql.lines() {
        if in_rows {
            in_rows = line != "\\.";
        } else if starts_copy(line) {
            in_rows = true;
        } else if !line.starts_with('\\') {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    Cow::Owned(kept)
}

fn starts_copy(line: &str) -> bool {
    line.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("copy ")) && line.trim_end().to_ascii_lowercase().ends_with("from stdin;")
}
