//! Every leaf of an honest node has an envelope in which its author signed it. So no node passes on, or shows, an entry that others could not check.

use sinergi_proto::admission::signing_key;

use super::{Broken, World};

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        for leaf in &node.ledger.leaves {
            let key = signing_key(&leaf.entry, node.ledger.charters());
            if !key.is_ok_and(|key| leaf.entry.verify(&key.public)) {
                return Err(("every_leaf_is_signed", format!("{:?} at {}", leaf.entry, node.id)));
            }
        }
    }
    Ok(())
}
