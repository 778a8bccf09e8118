use crate::conformance::{Lost, Subject, conformance};
use crate::faults::{Fault, Operation, Rule};
use crate::memory::MemoryCatalog;
use crate::world::World;

#[tokio::test]
async fn the_format_in_memory_conforms() {
    conformance(|| async {
        let world = World::in_memory(1);
        let catalog = MemoryCatalog::new("memory://lake/warehouse", world.faults.clone());
        Subject::new(std::sync::Arc::new(catalog), world.env).with_lost_answers(move |lost| {
            let fault = match lost {
                Lost::BeforeItLanded => Fault::Before,
                Lost::AfterItLanded => Fault::After,
            };
            world.faults.add(Rule::new(Operation::Swap, fault).once());
        })
    })
    .await;
}
