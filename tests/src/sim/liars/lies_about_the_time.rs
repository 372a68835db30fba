//! The liar tells its peers that its clock is a day ahead. Neither one peer nor half of them may move or stop another node's time.

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Detection, HonestNodes, Lie, LieKind, any_agency};
use crate::sim::node::{Broken, Node};

pub(super) const KIND: LieKind = LieKind {
    name: "lies_about_the_time",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Lies),
};

/// How far the told times are ahead, in milliseconds.
const AHEAD: u64 = 24 * 3600 * 1000;

struct Lies;

impl Lie for Lies {
    fn on_send(&mut self, _: &Node, _: &AgencyId, frame: Frame) -> Vec<Frame> {
        let kind = frame.kind.map(|kind| match kind {
            Kind::Hello(hello) => Kind::Hello(wire::Hello { now: hello.now + AHEAD, ..hello }),
            Kind::Ping(ping) => Kind::Ping(wire::Ping { now: ping.now + AHEAD, ..ping }),
            other => other,
        });
        vec![Frame { kind }]
    }

    /// Those that the lie reaches.
    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        honest.all().filter(|node| node.links.contains_key(&liar.id)).collect()
    }

    /// At the end each node that has an honest peer as well signs times again.
    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            let has_an_honest_peer = node.links.keys().any(|peer| *peer != liar.id);
            if has_an_honest_peer && node.signed().is_none_or(|signed| signed.seen.seconds.is_none()) {
                return Err((
                    "one_liar_stops_no_clock",
                    format!("the newest checkpoint of {} carries no time", node.id),
                ));
            }
        }
        Ok(())
    }
}
