//! The end of a link: the reason, and the last frame that tells it to the peer.
//!
//! Invariant: the peer is told nothing about this node's files.

use crate::base::refusal::FaultCode;
use crate::wire;

/// The maximum number of characters of a peer's reason. Longer ones are cut.
const REASON_CHARS: usize = 500;

/// The reason why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The connection broke.
    #[error("the connection ended: {0}")]
    Broken(String),
    /// The peer ended the link.
    #[error("the peer ended the link: {}: {reason}", code_name(*code))]
    ByPeer {
        /// The peer's code, which this version may not know.
        code: u32,
        /// The peer's reason, in words.
        reason: String,
    },
    /// This side ended the link, for this reason.
    #[error("ended the link: {0}: {1}")]
    Fault(FaultCode, String),
    /// The node's own data cannot be read. The peer is not told the details.
    #[error("this node's own data: {0}")]
    OwnData(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// The reason why no frame can come any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The peer closed the stream.
    ByPeer,
    /// The connection broke.
    Broken(String),
    /// The received bytes are no frame, or too large for one. This is the peer's fault.
    NoFrame(FaultCode, String),
}

impl End {
    /// The end that a peer's last frame announces.
    pub(super) fn by_peer(fault: &wire::Fault) -> Self {
        Self::ByPeer { code: fault.code, reason: fault.reason.chars().take(REASON_CHARS).collect() }
    }

    /// A frame that is not allowed now.
    pub(super) fn unexpected(what: &str) -> Self {
        Self::Fault(FaultCode::UnexpectedFrame, what.to_owned())
    }

    /// The peer exceeded a limit.
    pub(super) fn over_limit(what: String) -> Self {
        Self::Fault(FaultCode::LimitExceeded, what)
    }

    /// Whether the end is a normal one, which needs no operator.
    pub fn is_orderly(&self) -> bool {
        let code = match self {
            Self::Stopped => return true,
            Self::Fault(code, _) => Some(*code),
            Self::ByPeer { code, .. } => FaultCode::from_number(*code),
            Self::Broken(_) | Self::OwnData(_) => None,
        };
        matches!(code, Some(FaultCode::Stopping | FaultCode::Superseded))
    }

    /// The last frame, which tells the peer the reason. `None` if the peer is gone or has ended the link itself.
    pub fn farewell(&self) -> Option<wire::Fault> {
        let (code, reason) = match self {
            Self::Fault(code, reason) => (*code, reason.clone()),
            Self::Stopped => (FaultCode::Stopping, "the node is stopping".to_owned()),
            Self::OwnData(_) => (FaultCode::Internal, "the node cannot read its own data".to_owned()),
            Self::Broken(_) | Self::ByPeer { .. } => return None,
        };
        Some(wire::Fault { code: code.number(), reason })
    }
}

/// The name of a fault that a peer sent, or its number if this version does not know it.
fn code_name(code: u32) -> String {
    FaultCode::from_number(code).map_or_else(|| code.to_string(), |code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_tells_the_peer_this_side_s_decision_and_no_details_of_its_data() {
        let code = |end: End| end.farewell().map(|fault| fault.code);
        assert_eq!(code(End::Fault(FaultCode::Idle, String::new())), Some(708));
        assert_eq!(code(End::Stopped), Some(710));
        assert_eq!(code(End::OwnData("leaf 7 of /secret".to_owned())), Some(711));
        assert!(!End::OwnData("/secret".to_owned()).farewell().expect("a fault").reason.contains("secret"));
        assert_eq!(code(End::Broken(String::new())), None);
        assert_eq!(code(End::ByPeer { code: 708, reason: String::new() }), None);
    }

    #[test]
    fn only_a_node_that_stops_and_a_link_that_is_replaced_end_in_good_order() {
        let by_peer = |code: u32| End::ByPeer { code, reason: String::new() }.is_orderly();
        assert_eq!([710, 709, 708, 999].map(by_peer), [true, true, false, false]);
        assert!(End::Stopped.is_orderly() && !End::Broken(String::new()).is_orderly());
    }

    #[test]
    fn a_long_reason_of_a_peer_is_cut() {
        let end = End::by_peer(&wire::Fault { code: 1, reason: "x".repeat(9_000) });
        assert!(matches!(end, End::ByPeer { reason, .. } if reason.len() == REASON_CHARS));
    }
}
