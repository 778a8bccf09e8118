//! Reading tables with SQL: answers are compared with values computed by hand.

mod deletes;
mod lake;
