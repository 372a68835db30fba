//! The holder of a complaint has lodged or accepted it itself.

use sinergi_proto::entry::{Body, CustodyAct};

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        for case in node.ledger.cases.values() {
            let complaint = &case.complaint;
            let holder = &complaint.custody().holder;
            let took_it = complaint.path().any(|(_, known)| {
                let takes = matches!(known.body, Body::Lodged(_) | Body::Custody { act: CustodyAct::Accepted, .. });
                takes && known.author == *holder
            });
            if !took_it {
                return Err((
                    "one_holder",
                    format!("at {id}, {holder} holds {:?} without its own word", complaint.id()),
                ));
            }
        }
    }
    Ok(())
}
