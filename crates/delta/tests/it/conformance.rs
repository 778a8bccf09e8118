use std::sync::Arc;

use waterline_core::value::Value;
use waterline_delta::DeltaCatalog;
use waterline_testkit::conformance::{Lost, Subject, conformance};
use waterline_testkit::faults::{Fault, Operation, Rule};
use waterline_testkit::world::World;

fn subject() -> Subject {
    let world = World::in_memory(1);
    let catalog = DeltaCatalog::new("memory://lake/warehouse", world.env.clone()).unwrap();
    Subject::new(Arc::new(catalog), world.env)
        .with_property("delta.enableTypeWidening", "true")
        .refusing_partition("raw", None)
        .refusing_partition("name", Some(Value::Text(String::new())))
        .with_lost_answers(move |lost| {
            let fault = match lost {
                Lost::BeforeItLanded => Fault::Before,
                Lost::AfterItLanded => Fault::After,
            };
            world.faults.add(Rule::new(Operation::Create, fault).on_path("_delta_log/").once());
        })
}

#[tokio::test]
async fn delta_in_a_folder_conforms() {
    conformance(|| async { subject() }).await;
}
