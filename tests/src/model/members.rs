//! The agencies of the model, with entry keys, a charter, and clocks that differ.
//!
//! Invariant: two clocks differ by less than a receiver allows ([`sinergi_proto::base::limits::CLOCK_AHEAD`]), in the direction that makes forks
//! most likely: the first holder's clock is fast, the addressee's slow.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use ed25519_zebra::VerificationKeyBytes;
use sinergi_cli::charter::{draft, verifier_key};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{
    Charter, CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberKind, MemberStatus, MemberText,
};

/// Name of the federation.
pub const FEDERATION: &str = "lapor.example";
const VALID_FROM: &str = "2025-01-01T00:00:00Z";
const VALID_UNTIL: &str = "2035-01-01T00:00:00Z";
const MANAGER: &str = "kemenpanrb";
const MANAGER_KEY: [u8; 32] = [200; 32];

/// An agency of the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agency {
    /// Lodges the complaint.
    City,
    /// The city's supervisor.
    Province,
    /// Is offered the complaint.
    Ministry,
    /// Oversight, and the supervisor of agencies without a parent.
    Ombudsman,
}

impl Agency {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::City, Self::Province, Self::Ministry, Self::Ombudsman];

    /// Its place in tables.
    pub fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        match self {
            Self::City => "kota-bandung",
            Self::Province => "prov-jabar",
            Self::Ministry => "kominfo",
            Self::Ombudsman => "ombudsman",
        }
    }

    /// How far its clock is ahead of the true time, in minutes.
    pub fn minutes_ahead(self) -> i64 {
        match self {
            Self::City => 2,
            Self::Province => 1,
            Self::Ministry => -2,
            Self::Ombudsman => 0,
        }
    }

    fn key(self) -> SigningKey {
        SigningKey::from([10 + self as u8; 32])
    }

    fn member(self) -> MemberText {
        let kind = match self {
            Self::City => MemberKind::City,
            Self::Province => MemberKind::Province,
            Self::Ministry => MemberKind::Ministry,
            Self::Ombudsman => MemberKind::Institution,
        };
        MemberText {
            id: id_of(self),
            name: format!("Agency {}", self.name()),
            kind,
            parent: (self == Self::City).then(|| id_of(Self::Province)),
            area: String::new(),
            endpoints: Vec::new(),
            oversight: self == Self::Ombudsman,
            status: MemberStatus::Active,
            authorities: Vec::new(),
            key: vec![MemberKeyText {
                key_use: KeyUse::Entry,
                public: BASE64.encode(VerificationKeyBytes::from(&self.key()).as_ref()),
                valid_from: VALID_FROM.to_owned(),
                valid_until: VALID_UNTIL.to_owned(),
            }],
        }
    }
}

impl fmt::Debug for Agency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn id_of(agency: Agency) -> AgencyId {
    agency.name().parse().expect("an agency id")
}

/// The members of the federation.
pub struct Members {
    agencies: Vec<(Agency, AgencyId, SigningKey)>,
    charters: Charters,
}

impl Members {
    /// The first `count` of [`Agency::ALL`], under a charter of their own.
    ///
    /// # Panics
    /// `count` is less than 3.
    pub fn first(count: usize) -> Self {
        let agencies = &Agency::ALL[..count];
        assert!(agencies.contains(&Agency::Ministry), "{count} agencies: city, province and ministry at least");
        let manager_key = SigningKey::from(MANAGER_KEY);
        let key_name = format!("{FEDERATION}/manager/{MANAGER}");
        let text = CharterText {
            federation: FEDERATION.to_owned(),
            version: 1,
            predecessor: None,
            valid_from: VALID_FROM.to_owned(),
            valid_until: VALID_UNTIL.to_owned(),
            grace_days: 30,
            threshold: 1,
            mediator: None,
            revocation: Vec::new(),
            rules: Default::default(),
            manager: vec![ManagerText {
                name: MANAGER.to_owned(),
                keys: vec![verifier_key(&key_name, &manager_key).to_string()],
            }],
            member: agencies.iter().map(|agency| agency.member()).collect(),
        };
        let signed = draft(&text).and_then(|paper| paper.sign(Some(MANAGER), &manager_key)).expect("a whole charter");
        Self {
            agencies: agencies.iter().map(|agency| (*agency, id_of(*agency), agency.key())).collect(),
            charters: Charters::self_signed(&signed.note).expect("its only manager signed it"),
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Agency> {
        self.agencies.iter().map(|(agency, ..)| *agency)
    }

    /// The id of a member.
    pub fn id(&self, agency: Agency) -> &AgencyId {
        &self.agencies[agency.index()].1
    }

    /// The member with an id.
    pub fn agency(&self, id: &AgencyId) -> Agency {
        self.agencies.iter().find(|(_, known, _)| known == id).expect("a member").0
    }

    /// A member's entry key.
    pub fn key(&self, agency: Agency) -> &SigningKey {
        &self.agencies[agency.index()].2
    }

    /// The charters.
    pub fn charters(&self) -> &Charters {
        &self.charters
    }

    /// The only charter.
    pub fn charter(&self) -> &Arc<Charter> {
        self.charters.newest()
    }
}
