//! Reading tables with SQL: answers are compared with values computed by hand.

mod columns;
mod deletes;
mod equality;
mod files;
mod lake;
mod prune;
mod session;
