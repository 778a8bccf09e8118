//! What every table format must do, as checks that each implementation runs from its own tests:
//!
//! ```ignore
//! #[tokio::test]
//! async fn conforms() {
//!     waterline_testkit::conformance::conformance(|| async { Subject::new(catalog, env) }).await;
//! }
//! ```
//!
//! The suite writes and reads data files itself, without the engine, and compares values.

mod aside;
mod catalog;
mod conflicts;
mod deletes;
mod evolution;
mod lake;
mod outcomes;
mod pruning;
mod rows;
mod sample;
#[cfg(test)]
mod tests;
mod upkeep;
mod versions;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use waterline_core::error::Result;
use waterline_core::format::Catalog;
use waterline_core::value::Value;
use waterline_env::Env;

/// A table format under test: an empty catalog, and the environment that it works in.
#[derive(Clone)]
pub struct Subject {
    catalog: Arc<dyn Catalog>,
    env: Env,
    properties: BTreeMap<String, String>,
    refused: Vec<(&'static str, Option<Value>)>,
    lose_answer: Option<Arc<dyn Fn(Lost) + Send + Sync>>,
}

/// What became of a commit whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    BeforeItLanded,
    AfterItLanded,
}

impl Subject {
    pub fn new(catalog: Arc<dyn Catalog>, env: Env) -> Self {
        Self { catalog, env, properties: BTreeMap::new(), refused: Vec::new(), lose_answer: None }
    }

    /// Tables are created with this property, such as a format version.
    #[must_use]
    pub fn with_property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// The format has no partitions by this field, or none for this value of it, and says so instead of losing it.
    #[must_use]
    pub fn refusing_partition(mut self, field: &'static str, value: Option<Value>) -> Self {
        self.refused.push((field, value));
        self
    }

    /// `lose_answer` makes the catalog lose its answer to the very next commit, once, as a rule of a
    /// [`FaultPlan`](crate::faults::FaultPlan) does for a catalog that commits through the store. Without it, the checks
    /// of unknown outcomes are left out.
    #[must_use]
    pub fn with_lost_answers(self, lose_answer: impl Fn(Lost) + Send + Sync + 'static) -> Self {
        Self { lose_answer: Some(Arc::new(lose_answer)), ..self }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

type Check = fn(&Subject) -> LocalBoxFuture<'_, Result<()>>;

/// The checks by name.
macro_rules! checks {
    ($($module:ident: $($check:ident),+;)+) => {
        const CHECKS: &[(&str, Check)] = &[$($((
            concat!(stringify!($module), "::", stringify!($check)),
            |subject| $module::$check(subject).boxed_local(),
        )),+),+];
    };
}

checks! {
    catalog: a_table_keeps_its_definition, names_are_kept_as_they_are, a_table_exists_once_created, a_table_can_be_written_before_it_is_made, creators_who_race_get_one_table, a_definition_without_sense_is_refused;
    rows: appended_rows_are_read_back, extreme_values_are_read_back, removed_files_are_gone, everything_can_be_replaced, a_replaced_file_keeps_its_rows, two_hundred_files_in_one_commit, many_small_commits;
    deletes: deleted_rows_are_gone, deletes_of_one_file_add_up, a_row_deleted_twice_is_gone_once, deletes_far_apart_in_a_file, deletes_and_new_rows_in_one_commit, rows_of_a_file_that_comes_are_deleted_at_once, deletes_leave_with_their_file, a_file_without_live_rows;
    conflicts: a_stale_commit_leaves_nothing, an_empty_table_has_one_first_commit, a_past_state_is_no_base, a_commit_before_a_schema_change_is_stale, of_racing_commits_one_wins, racing_appends_all_land, racing_deletes_all_land;
    outcomes: a_commit_is_found_by_its_id, a_landed_commit_without_an_answer_is_found, a_lost_commit_is_submitted_again, a_lost_commit_gives_way_to_another, a_landed_commit_is_found_below_others;
    versions: a_commit_without_files_is_a_version, summaries_are_kept, properties_and_tags_come_with_the_commit, tags_move_without_a_version, versions_form_a_chain, an_older_version_shows_its_own_rows, an_unknown_version_is_not_found, commit_times_never_go_back;
    aside: an_older_version_is_gone_on_from, a_snapshot_stands_alone, files_of_the_parent_leave, they_build_on_each_other, the_main_branch_moves_meanwhile, racing_commits_all_land, a_tag_is_replaced_and_removed, a_new_snapshot_has_the_newest_schema, what_would_be_lost_is_refused, a_lost_answer_is_settled;
    upkeep: expired_versions_are_gone, a_named_version_does_not_expire, a_stale_expiry_changes_nothing, reachable_files_are_enough, a_version_that_is_not_there_is_not_reached, a_rollback_goes_on_from_an_older_version;
    evolution: new_columns_and_wider_types, old_versions_keep_their_schema, nothing_new_changes_nothing, a_type_that_does_not_fit_is_refused, an_evolution_loses_no_rows, nested_columns_evolve, ids_are_not_used_twice;
    pruning: bounds_contain_all_values, bounds_contain_extreme_values, bounds_survive_evolution, a_file_that_may_matter_is_kept, nothing_is_kept_against_the_pruner, partition_values_come_back, partitions_prune, partitions_that_cannot_be_are_refused, deleted_rows_do_not_hide_others;
}

/// Runs every check on a subject of its own, and panics with the names of those that failed.
pub async fn conformance<F, S>(make: F)
where
    F: Fn() -> S,
    S: Future<Output = Subject>,
{
    let failed = failed_checks(CHECKS, &make).await;
    assert!(failed.is_empty(), "{} of {} checks failed:\n{}", failed.len(), CHECKS.len(), failed.join("\n"));
}

/// What failed, each with its reason.
async fn failed_checks<F, S>(checks: &[(&str, Check)], make: &F) -> Vec<String>
where
    F: Fn() -> S,
    S: Future<Output = Subject>,
{
    let mut failed = Vec::new();
    for (name, check) in checks {
        let subject = make().await;
        match AssertUnwindSafe(check(&subject)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed.push(format!("{name}: {error}")),
            Err(panic) => failed.push(format!("{name}: {}", message(panic.as_ref()))),
        }
    }
    failed
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".into())
}
