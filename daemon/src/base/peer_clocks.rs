//! The offsets of the linked peers' clocks from this node's clock. The links note them, the writer reads them.

use std::sync::Arc;

use parking_lot::RwLock;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::sync::PeerClocks;

use crate::base::time::clocks;

/// The clocks of the linked peers. Cheap to clone.
#[derive(Clone, Default)]
pub struct SharedPeerClocks(Arc<RwLock<PeerClocks>>);

impl SharedPeerClocks {
    /// Notes that a peer's clock is `offset` milliseconds ahead of this node's clock.
    pub(crate) fn heard(&self, peer: &AgencyId, offset: i64) {
        self.0.write().heard(peer, offset, clocks());
    }

    /// Forgets a peer's clock: its link has ended.
    pub(crate) fn forget(&self, peer: &AgencyId) {
        self.0.write().forget(peer);
    }

    /// How far the clocks of most peers are ahead of this node's clock now, in milliseconds.
    pub fn offset(&self) -> i64 {
        self.0.read().offset(clocks())
    }
}
