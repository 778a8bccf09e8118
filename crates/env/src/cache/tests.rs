use std::sync::Arc;

use super::Cache;

#[test]
fn the_least_recently_used_goes_first() {
    let cache = Cache::new(3);
    for name in ["a", "b", "c"] {
        cache.insert(name.into(), Arc::new(name), 1);
    }
    assert_eq!(cache.get("a").as_deref(), Some(&"a"));
    cache.insert("d".into(), Arc::new("d"), 1);
    assert_eq!(cache.get("b"), None);
    assert_eq!(cache.get("a").as_deref(), Some(&"a"));
    assert_eq!(cache.get("d").as_deref(), Some(&"d"));
}

#[test]
fn what_is_too_heavy_is_not_kept_and_displaces_nothing() {
    let cache = Cache::new(3);
    cache.insert("a".into(), Arc::new(1), 3);
    cache.insert("b".into(), Arc::new(2), 4);
    assert_eq!(cache.get("a").as_deref(), Some(&1));
    assert_eq!(cache.get("b"), None);
}
