//! What the clocks of the linked peers say of this node's, shared by the links and the writer.

use std::sync::Arc;

use parking_lot::RwLock;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::sync::PeerClocks;

use crate::base::time::clocks;

/// The clocks of the linked peers. Cheap to clone.
#[derive(Clone, Default)]
pub struct SharedPeerClocks(Arc<RwLock<PeerClocks>>);

impl SharedPeerClocks {
    /// A peer's clock is so many milliseconds ahead of this node's now.
    pub(crate) fn heard(&self, peer: &AgencyId, offset: i64) {
        self.0.write().heard(peer, offset, clocks());
    }

    /// The link with a peer has ended.
    pub(crate) fn forget(&self, peer: &AgencyId) {
        self.0.write().forget(peer);
    }

    /// By how much the clocks of most peers are ahead of this node's now, in milliseconds.
    pub fn offset(&self) -> i64 {
        self.0.read().offset(clocks())
    }
}
