//! Two nodes with the same entries of a complaint and the same charters have the same state of it. An agency that has left gets no new charters.

use std::collections::BTreeMap;

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    let mut known = BTreeMap::new();
    for node in world.honest() {
        let id = &node.id;
        for case in node.ledger.cases.values() {
            let complaint = &case.complaint;
            let standings: Vec<_> = complaint.timeline().map(|(id, _)| (id, complaint.standing(&id))).collect();
            let state = (complaint.custody().clone(), complaint.tip(), complaint.case().clone(), standings);
            let charter = node.ledger.charters().newest().name();
            let same = (complaint.id(), complaint.digest(), charter);
            let first = known.entry(same).or_insert_with(|| (id.clone(), state.clone()));
            if first.1 != state {
                return Err((
                    "equal_sets_equal_states",
                    format!("{} and {id} differ over {:?}", first.0, complaint.id()),
                ));
            }
        }
    }
    Ok(())
}
