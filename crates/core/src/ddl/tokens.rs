//! Reads names, keywords and groups from the tokens of a statement.

use std::fmt;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::SqlDialect;
use crate::error::{Error, Result};

/// A name with the schema or database before it, when there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectName {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What is left of a statement, or of a group in it.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a [TokenWithSpan],
    dialect: SqlDialect,
    /// Line of the token that was taken last.
    line: u64,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(tokens: &'a [TokenWithSpan], dialect: SqlDialect) -> Self {
        Self { rest: tokens, dialect, line: tokens.first().map_or(1, |token| token.span.start.line) }
    }

    pub(super) fn dialect(&self) -> SqlDialect {
        self.dialect
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error that something else was expected here.
    pub(super) fn expected(&self, what: &str) -> Error {
        let line = self.rest.first().map_or(self.line, |token| token.span.start.line);
        Error::bad_input(format!("the DDL cannot be followed: expected {what}")).with("line", line)
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.rest.first().map(|token| &token.token)
    }

    pub(super) fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.line = first.span.start.line;
        Some(&first.token)
    }

    /// Takes a token when it comes next.
    pub(super) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.next();
        }
        found
    }

    /// Whether the keywords come next. An identifier in quotes is no keyword.
    pub(super) fn at_keywords(&self, keywords: &[&str]) -> bool {
        self.rest.len() >= keywords.len() && self.rest.iter().zip(keywords).all(|(token, keyword)| is_keyword(&token.token, keyword))
    }

    /// Takes all of the keywords when they come next.
    pub(super) fn keywords(&mut self, keywords: &[&str]) -> bool {
        let found = self.at_keywords(keywords);
        for _ in keywords.iter().filter(|_| found) {
            self.next();
        }
        found
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        self.keywords(&[keyword])
    }

    /// Takes the first of the keywords that comes next.
    pub(super) fn one_of(&mut self, keywords: &[&'static str]) -> Option<&'static str> {
        keywords.iter().copied().find(|keyword| self.keyword(keyword))
    }

    /// The next word as it is written, in lower case unless it is quoted.
    pub(super) fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        self.next();
        Some(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() })
    }

    /// An identifier as the database stores it: PostgreSQL folds what is not quoted to lower case.
    pub(super) fn identifier(&mut self, what: &str) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() && self.dialect == SqlDialect::Postgres => word.value.to_lowercase(),
            Some(Token::Word(word)) => word.value.clone(),
            _ => return Err(self.expected(what)),
        };
        self.next();
        Ok(name)
    }

    /// `name`, `namespace.name` or `database.namespace.name`.
    pub(super) fn object_name(&mut self, what: &str) -> Result<ObjectName> {
        let mut name = ObjectName { namespace: None, name: self.identifier(what)? };
        while self.take(&Token::Period) {
            name = ObjectName { namespace: Some(name.name), name: self.identifier(what)? };
        }
        Ok(name)
    }

    /// What is inside of the parentheses that come next; `None` when none come.
    pub(super) fn parenthesised(&mut self) -> Result<Option<Tokens<'a>>> {
        if self.peek() != Some(&Token::LParen) {
            return Ok(None);
        }
        let length = group_length(self.rest).ok_or_else(|| self.expected("a closing parenthesis"))?;
        let (group, rest) = self.rest.split_at(length);
        let inside = group.get(1..length - 1).unwrap_or_default();
        let line = group.first().map_or(self.line, |token| token.span.start.line);
        self.rest = rest;
        self.line = group.last().map_or(self.line, |token| token.span.start.line);
        Ok(Some(Tokens { rest: inside, dialect: self.dialect, line }))
    }

    /// The tokens up to the next comma outside of parentheses, which is taken too.
    pub(super) fn until_comma(&mut self) -> Tokens<'a> {
        let mut depth = 0i32;
        let end = self.rest.iter().position(|token| {
            depth += nesting(&token.token);
            depth == 0 && token.token == Token::Comma
        });
        let (before, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let part = Tokens { rest: before, dialect: self.dialect, line: self.line };
        self.rest = after.get(1..).unwrap_or_default();
        part
    }

    /// The parts between commas.
    pub(super) fn parts(mut self) -> impl Iterator<Item = Tokens<'a>> {
        std::iter::from_fn(move || (!self.is_empty()).then(|| self.until_comma()))
    }
}

fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

fn nesting(token: &Token) -> i32 {
    match token {
        Token::LParen => 1,
        Token::RParen => -1,
        _ => 0,
    }
}

/// How many tokens the group takes that opens with the first one.
fn group_length(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += nesting(&token.token);
        depth == 0
    });
    end.map(|at| at + 1)
}
