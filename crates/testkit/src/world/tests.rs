use object_store::ObjectStoreExt;
use waterline_env::{Clock, Ids};

use super::*;

#[test]
fn the_clock_does_what_it_is_told() {
    let clock = TestClock::at(1_000);
    assert_eq!([clock.now_us(), clock.now_us()], [1_000, 1_000]);
    clock.advance_us(-400);
    assert_eq!(clock.now_us(), 600);
    clock.tick_us(-10);
    assert_eq!([clock.now_us(), clock.now_us(), clock.now_us()], [600, 590, 580]);
    clock.set_us(5);
    assert_eq!(clock.now_us(), 5);
}

#[test]
fn a_seed_repeats_its_ids() {
    let ids = |seed| [(); 3].map(|()| SeededIds::new(seed)).map(|ids| [ids.uuid(), ids.uuid()]);
    let [one, two, _] = ids(1);
    assert_eq!(one, two);
    assert_ne!(one[0], one[1]);
    assert_ne!(one, ids(2)[0]);
    assert_eq!(one[0].get_version_num(), 4);
}

#[tokio::test]
async fn a_location_in_memory_is_one_object_for_all() {
    let world = World::in_memory(1);
    let (store, path) = world.env.stores.resolve("memory://lake/a/day=x%2Fy/z").expect("a location");
    store.put(&path, "bytes".into()).await.expect("a put");
    let (below, same) = world.stores.resolve("memory://lake/a/day=x%2Fy/z").expect("a location");
    assert_eq!(same.as_ref(), "a/day=x%2Fy/z");
    assert_eq!(below.get(&same).await.expect("a get").bytes().await.expect("bytes"), "bytes");
    let (elsewhere, path) = world.stores.resolve("memory://other/a/day=x%2Fy/z").expect("a location");
    assert!(elsewhere.get(&path).await.is_err());
    assert!(world.stores.resolve("no-url").is_err());
}
