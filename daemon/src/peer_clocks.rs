//! What the clocks of the linked peers say of this node's, shared by the links, the writer and the operator API.

use std::sync::{Arc, PoisonError, RwLock};

use sinergi_proto::ids::AgencyId;
use sinergi_proto::sync;

use crate::time::clocks;

/// The clocks of the linked peers. Cheap to clone.
#[derive(Clone, Default)]
pub struct PeerClocks(Arc<RwLock<sync::PeerClocks>>);

impl PeerClocks {
    /// A peer's clock is so many milliseconds ahead of this node's now.
    pub(crate) fn heard(&self, peer: &AgencyId, offset: i64) {
        self.change(|clocks| clocks.heard(peer, offset, self::clocks()));
    }

    /// The link with a peer has ended.
    pub(crate) fn forget(&self, peer: &AgencyId) {
        self.change(|clocks| clocks.forget(peer));
    }

    /// By how much the clocks of most peers are ahead of this node's now, in milliseconds.
    pub fn offset(&self) -> i64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).offset(clocks())
    }

    fn change(&self, change: impl FnOnce(&mut sync::PeerClocks)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
