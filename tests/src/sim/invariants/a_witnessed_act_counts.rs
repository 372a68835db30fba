//! Where custody forks, an act that a witness had in time counts before one without a witness, and among equals an answer before the holder's acts.
//! An agency that has a deciding receipt of a witness has shown it with `Proven`.

use prost::Message;
use sinergi_proto::admission::check_receipt;
use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::complaint::{Complaint, KnownEntry, Standing};
use sinergi_proto::entry::{Body, CustodyAct, Proven};
use sinergi_proto::receipt::item_receipt;
use sinergi_proto::wire;

use super::Broken;
use crate::sim::node::Node;
use crate::sim::world::World;

pub(super) fn check(world: &World) -> Result<(), Broken> {
    for node in world.honest() {
        for case in node.ledger.cases.values() {
            let complaint = &case.complaint;
            for (entry, known) in complaint.timeline() {
                if let Some(winner) = worse_winner(complaint, &entry, known) {
                    let (id, author) = (&node.id, &known.author);
                    let what = format!("at {id}, {winner} was taken instead of {entry} of {author}");
                    return Err(("a_witnessed_act_counts", what));
                }
            }
            for (act, known) in complaint.acts_to_witness() {
                if let Some(peer) = unshown_witness(node, complaint, (act, known)) {
                    let what = format!("{} has a receipt of {peer} for {act} and does not show it", node.id);
                    return Err(("a_witnessed_act_counts", what));
                }
            }
        }
    }
    Ok(())
}

/// The entry that superseded this act at its own basis, although the act should have won.
fn worse_winner(complaint: &Complaint, entry: &EntryId, known: &KnownEntry) -> Option<EntryId> {
    let Body::Custody { basis, act } = &known.body else { return None };
    let Some(Standing::Superseded { by }) = complaint.standing(entry) else { return None };
    // The whole branch with the basis may be superseded: then the fork is elsewhere.
    let Body::Custody { basis: forked_at, act: winner } = &complaint.entry(&by)?.body else { return None };
    let (is_witnessed, is_winner_witnessed) = (complaint.is_witnessed(entry), complaint.is_witnessed(&by));
    let is_answer = matches!(act, CustodyAct::Accepted | CustodyAct::Returned { .. });
    let is_of_holder = matches!(winner, CustodyAct::Withdrawn | CustodyAct::Forwarded { .. });
    let should_win = match (is_witnessed, is_winner_witnessed) {
        (true, false) => true,
        (false, true) => false,
        _ => is_answer && is_of_holder,
    };
    (forked_at == basis && should_win).then_some(by)
}

/// A peer whose receipt, which the node has, makes the act witnessed.
fn unshown_witness(node: &Node, complaint: &Complaint, (id, act): (EntryId, &KnownEntry)) -> Option<AgencyId> {
    let leaf = *node.ledger.cases.get(&complaint.id())?.leaves.get(&id)?;
    let charters = node.charters();
    let is_shown_by = |ack: &wire::Ack| {
        let is_for_act =
            |result: &Vec<u8>| wire::ItemResult::decode(result.as_slice()).is_ok_and(|result| result.entry_id == id.0);
        let receipt = ack.results.iter().position(is_for_act).and_then(|index| item_receipt(ack, index));
        let proven = Proven::parse(wire::Proven { entry: id.0.to_vec(), receipt });
        proven.is_ok_and(|proven| {
            complaint.check_witness(&proven, charters).is_ok()
                && check_receipt(&proven, &charters.newest().name(), charters).is_ok()
        })
    };
    let mut witnesses = complaint.witnesses_of(act).into_iter();
    witnesses.find(|peer| node.ledger.receipts_after(peer, leaf).any(is_shown_by))
}
