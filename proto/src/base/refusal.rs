//! Why an item is not taken: stable numbers, names and reasons.
//!
//! A refusal depends on nothing but the entry's bytes, its ancestors and the charter version that it names, so it is the same on every
//! node. What may change later (a parent that has not arrived) is deferred, not refused. Conflicts of state are neither:
//! such an entry is kept, shown as superseded, and has no effect.

use std::fmt;

/// A refusal: code and human reason. The code is stable, the words are not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// What was found, naming the value and the bound.
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
    /// Why an item is refused for good.
    RefusalCode {
        /// The bytes are no signed entry.
        Undecodable = 101, "undecodable";
        /// Larger than a limit allows.
        TooLarge = 102, "too-large";
        /// An entry version that this node does not know.
        UnsupportedVersion = 103, "unsupported-version";
        /// Made for another federation.
        OtherFederation = 104, "other-federation";
        /// A field is missing or malformed.
        Malformed = 105, "malformed";
        /// The author is no member under the charter that the entry names.
        UnknownAuthor = 201, "unknown-author";
        /// The author has no entry key with this key id.
        UnknownKey = 202, "unknown-key";
        /// The signature does not verify.
        BadSignature = 203, "bad-signature";
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
        /// It names an older charter than one of its parents.
        OlderCharter = 306, "older-charter";
        /// A content is not what the entry committed to.
        ContentMismatch = 401, "content-mismatch";
        /// A content that was erased on two signatures.
        ContentErased = 402, "content-erased";
        /// The peer has as many items waiting here as it may.
        DeferredFull = 501, "deferred-full";
    }
}

codes! {
    /// What an item waits for. It is kept durably and judged again when that comes.
    DeferralCode {
        /// A parent that is not here yet.
        MissingParent = 601, "missing-parent";
        /// A charter version that is not here yet.
        MissingCharter = 602, "missing-charter";
        /// Its clock is too far ahead of ours.
        ClockAhead = 603, "clock-ahead";
    }
}

codes! {
    /// Why a side ends a link.
    FaultCode {
        /// No protocol version in common.
        NoCommonVersion = 701, "no-common-version";
        /// The name in Hello is not the certificate's.
        IdentityMismatch = 702, "identity-mismatch";
        /// A frame that is not allowed now, or of no known kind.
        UnexpectedFrame = 703, "unexpected-frame";
        /// A frame or item over a limit.
        LimitExceeded = 704, "limit-exceeded";
        /// A cursor that goes back, or beyond what can be.
        BadCursor = 705, "bad-cursor";
        /// An acknowledgement of something that was never sent, or with a wrong signature.
        BadReceipt = 706, "bad-receipt";
        /// The peer says that it has more of our ledger than there is.
        AheadOfLedger = 707, "ahead-of-ledger";
        /// Silence for too long.
        Idle = 708, "idle";
        /// Another connection of the same pair takes over.
        Superseded = 709, "superseded";
        /// The node is stopping.
        Stopping = 710, "stopping";
        /// The node itself has failed.
        Internal = 711, "internal";
        /// The charter in force does not permit the link.
        NotPermitted = 712, "not-permitted";
        /// Too much of what the peer delivered waits for something.
        TooMuchDeferred = 713, "too-much-deferred";
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
