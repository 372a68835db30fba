//! Where custody forks, the answer that the addressee gave in time counts. It supersedes other custody acts on the same offer.

use sinergi_proto::complaint::Standing;
use sinergi_proto::entry::{Body, CustodyAct};

use super::Broken;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        let id = &node.id;
        for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
            for (entry, known) in complaint.timeline() {
                let Body::Custody { basis, act: CustodyAct::Accepted | CustodyAct::Returned { .. } } = &known.body
                else {
                    continue;
                };
                let Some(Standing::Superseded { by }) = complaint.standing(&entry) else { continue };
                // Only a fork at the answer's own offer counts. The whole branch with the offer may be superseded.
                let winner = complaint.entry(&by).map(|winner| &winner.body);
                let Some(Body::Custody { basis: forked_at, act }) = winner else { continue };
                if forked_at == basis && !matches!(act, CustodyAct::Accepted | CustodyAct::Returned { .. }) {
                    let what = format!("at {id}, {by} was taken instead of the answer {entry} of {}", known.author);
                    return Err(("the_addressee_has_the_last_word", what));
                }
            }
        }
    }
    Ok(())
}
