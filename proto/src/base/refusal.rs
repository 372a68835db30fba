//! The stable codes of refusals, deferrals and faults: a number and a name each.
//!
//! Must not know the rules that give these codes.
//!
//! Invariants:
//! - a number never changes its meaning and is used once;
//! - a refusal 1xx to 3xx depends only on the entry's bytes, its ancestors and the charter version that it names, so every node gives the same;
//! - 401 and 402 are about a content alone and are never the result of an item: 401 depends on the item, 402 on the entries that have come;
//! - a limit of a node is no refusal: the item is deferred without being kept, and comes again (606);
//! - an item that may become right later (a parent is missing) is deferred and not refused;
//! - an envelope that does not verify says nothing about the entry, so the item is deferred without being kept (605);
//! - a conflict of state is no refusal: the entry is kept, shown as superseded, and has no effect.

use std::fmt;

/// A refusal: a code, and a reason for people. Only the code is stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// The reason for people: the value that was found and the bound.
    pub detail: String,
}

impl Refusal {
    /// A refusal with this reason.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }

        impl $name {
            /// All codes, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable number.
            pub fn number(self) -> u32 { self as u32 }

            /// The stable name, in words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The code with this number, if this version knows it.
            pub fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.number(), self.name())
            }
        }
    };
}

codes! {
    /// The reason why an item is refused. The item is judged again only at an operator's word.
    RefusalCode {
        /// The bytes are no signed entry.
        Undecodable = 101, "undecodable";
        /// Larger than a limit allows.
        TooLarge = 102, "too-large";
        /// An entry version from before the federation began. A later version than this node knows is deferred.
        UnsupportedVersion = 103, "unsupported-version";
        /// The entry was made for another federation.
        OtherFederation = 104, "other-federation";
        /// A field is missing or malformed.
        Malformed = 105, "malformed";
        /// The author is no member under the charter that the entry names.
        UnknownAuthor = 201, "unknown-author";
        /// The author has no entry key with this key id.
        UnknownKey = 202, "unknown-key";
        /// The receipt that the entry shows does not verify.
        BadShownReceipt = 203, "bad-shown-receipt";
        /// The key was not valid at the entry's time.
        KeyNotValidThen = 204, "key-not-valid-then";
        /// The author has no role in the complaint.
        NoRole = 205, "no-role";
        /// A parent belongs to another complaint.
        ForeignParent = 301, "foreign-parent";
        /// The clock does not exceed a parent's.
        ClockNotAfterParents = 302, "clock-not-after-parents";
        /// The entry has no parents although it needs one.
        NoParents = 303, "no-parents";
        /// The basis is no custody entry among the entry's ancestors.
        ForeignBasis = 304, "foreign-basis";
        /// The author has written too many entries of this complaint.
        AuthorQuota = 305, "author-quota";
        /// The entry names an older charter than one of its parents.
        OlderCharter = 306, "older-charter";
        /// A content does not fit the entry's commitment.
        ContentMismatch = 401, "content-mismatch";
        /// The content was erased on two signatures.
        ContentErased = 402, "content-erased";
    }
}

codes! {
    /// The reason why an item waits. A kept item is durable and is judged again later.
    DeferralCode {
        /// A parent has not arrived yet.
        MissingParent = 601, "missing-parent";
        /// The charter that the entry names has not arrived yet, or another charter of its version is trusted here.
        MissingCharter = 602, "missing-charter";
        /// The entry's clock is too far ahead of this node's clock.
        ClockAhead = 603, "clock-ahead";
        /// The entry is of a later version than this program knows.
        LaterVersion = 604, "later-version";
        /// The item has no envelope that verifies under the author's key. It is not kept: another copy of the entry may have one.
        Unsigned = 605, "unsigned";
        /// A share of this node is used up: that of the peer in what waits, or that of the author on the disk. The item is not kept.
        OverShare = 606, "over-share";
    }
}

codes! {
    /// The reason why a side ends a link.
    FaultCode {
        /// The two sides have no protocol version in common.
        NoCommonVersion = 701, "no-common-version";
        /// The name in `Hello` is not the name in the certificate.
        IdentityMismatch = 702, "identity-mismatch";
        /// A frame came that is not allowed now, or of an unknown kind.
        UnexpectedFrame = 703, "unexpected-frame";
        /// A frame or item is over a limit.
        LimitExceeded = 704, "limit-exceeded";
        /// A cursor goes back, or beyond the ledger.
        BadCursor = 705, "bad-cursor";
        /// A receipt is for something that was never sent, or has a wrong signature.
        BadReceipt = 706, "bad-receipt";
        /// The peer has more of this node's ledger than this node, or something else.
        AheadOfLedger = 707, "ahead-of-ledger";
        /// The peer was silent for too long.
        Idle = 708, "idle";
        /// Another connection between the same two nodes takes over.
        Superseded = 709, "superseded";
        /// The node is stopping.
        Stopping = 710, "stopping";
        /// The node itself has failed.
        Internal = 711, "internal";
        /// The charter in force does not permit the link.
        NotPermitted = 712, "not-permitted";
        /// The peer shows no valid checkpoint of its ledger.
        NoCheckpoint = 714, "no-checkpoint";
        /// The time in the peer's checkpoint contradicts this node's confirmed clock, or a time that the peer showed before.
        CheckpointTime = 715, "checkpoint-time";
        /// The peer's checkpoint is signed under a key of a charter that this node lacks.
        CharterBehind = 716, "charter-behind";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_no_number_is_used_twice() {
        let mut numbers: Vec<u32> = RefusalCode::ALL.iter().map(|code| code.number()).collect();
        numbers.extend(DeferralCode::ALL.iter().map(|code| code.number()));
        numbers.extend(FaultCode::ALL.iter().map(|code| code.number()));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        for &code in RefusalCode::ALL {
            assert_eq!(RefusalCode::from_number(code.number()), Some(code));
        }
        assert_eq!(RefusalCode::from_number(999), None);
    }
}
