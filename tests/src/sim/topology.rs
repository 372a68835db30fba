//! The federation of a run. The ministries and the Ombudsman are linked with each other, the provinces with the first ministry, and each
//! city only with its province. Some agencies become members during a run, see [`Newcomer`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{Charters, MemberKind, MemberStatus, MemberText};

use super::checks::Checks;
use super::managers::{Managers, listed_keys, signing_keys};
use super::signatures::Signatures;

pub use super::names::FEDERATION;

const OVERSIGHT: &str = "ombudsman";
/// Start and end of a validity period that is longer than any run.
pub const ALWAYS: [&str; 2] = ["2025-01-01T00:00:00Z", "2036-01-01T00:00:00Z"];

/// The federation of a run.
pub struct Topology {
    /// The managers, who sign the charters.
    pub managers: Managers,
    /// The kind of signatures that the members use.
    pub signatures: Signatures,
    /// The cache of signature checks.
    pub checks: Rc<Checks>,
    /// The peers of each agency. Links go both ways.
    pub adjacent: BTreeMap<AgencyId, BTreeSet<AgencyId>>,
    /// Agencies that are not members yet.
    pub newcomers: Vec<Newcomer>,
    /// Number of key changes of each agency that has changed its keys.
    pub generations: BTreeMap<AgencyId, u32>,
}

/// An agency that may become a member.
#[derive(Clone)]
pub struct Newcomer {
    /// The member as the charter will list it.
    pub member: MemberText,
    /// Its future peers.
    pub peers: BTreeSet<AgencyId>,
}

fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id")
}

impl Topology {
    /// A federation of `nodes` agencies, at least five, with this kind of signatures.
    pub fn of(nodes: usize, signatures: Signatures) -> Self {
        let ministries = 2 + nodes / 16;
        let provinces = 1 + (nodes - ministries) / 5;
        let cities = nodes.saturating_sub(1 + ministries + provinces);
        let hub = "kementerian-0";
        let mut members = vec![(OVERSIGHT.to_owned(), MemberKind::Institution, None)];
        members.extend((0..ministries).map(|n| (format!("kementerian-{n}"), MemberKind::Ministry, None)));
        members.extend((0..provinces).map(|n| (format!("provinsi-{n}"), MemberKind::Province, Some(hub.to_owned()))));
        let province_of = |n: usize| Some(format!("provinsi-{}", n % provinces));
        members.extend((0..cities).map(|n| (format!("kota-{n}"), MemberKind::City, province_of(n))));

        let mut adjacent: BTreeMap<AgencyId, BTreeSet<AgencyId>> =
            members.iter().map(|(id, ..)| (agency(id), BTreeSet::new())).collect();
        let mut link = |a: &str, b: &str| {
            for (from, to) in [(a, b), (b, a)] {
                adjacent.entry(agency(from)).or_default().insert(agency(to));
            }
        };
        for n in 0..ministries {
            link(OVERSIGHT, &format!("kementerian-{n}"));
            (0..n).for_each(|other| link(&format!("kementerian-{n}"), &format!("kementerian-{other}")));
        }
        for (id, _, parent) in &members {
            if let Some(parent) = parent {
                link(id, parent);
            }
        }
        let newcomers = vec![
            Newcomer::of("kota-baru", MemberKind::City, Some("provinsi-0"), ["provinsi-0"]),
            Newcomer::of(
                "inspektorat",
                MemberKind::Institution,
                None,
                (0..ministries).map(|n| format!("kementerian-{n}")).chain([OVERSIGHT.to_owned()]),
            ),
        ];
        let members = members.iter().map(|(id, kind, parent)| member(id, *kind, parent.as_deref())).collect();
        let checks = Rc::new(Checks::new(signatures == Signatures::Hashed));
        let managers = Managers::found(members, signatures);
        Self { managers, signatures, checks, adjacent, newcomers, generations: BTreeMap::new() }
    }

    /// All charters that the managers have signed.
    pub fn charters(&self) -> &Arc<Charters> {
        self.managers.charters()
    }

    /// Number of key changes of an agency, by the newest charter.
    pub fn generation(&self, agency: &AgencyId) -> u32 {
        self.generations.get(agency).copied().unwrap_or_default()
    }

    /// The key for the entries of an agency, by the newest charter.
    pub fn key(&self, agency: &AgencyId) -> SigningKey {
        let [entry, ..] = signing_keys(agency, self.generation(agency), self.signatures);
        entry
    }
}

impl Newcomer {
    fn of(id: &str, kind: MemberKind, parent: Option<&str>, peers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { member: member(id, kind, parent), peers: peers.into_iter().map(|id| agency(id.as_ref())).collect() }
    }
}

fn member(id: &str, kind: MemberKind, parent: Option<&str>) -> MemberText {
    let [from, until] = ALWAYS;
    MemberText {
        id: agency(id),
        name: id.to_owned(),
        kind,
        parent: parent.map(agency),
        area: String::new(),
        endpoints: Vec::new(),
        oversight: id == OVERSIGHT,
        status: MemberStatus::Active,
        authorities: vec![data_encoding::BASE64.encode(format!("authority of {id}").as_bytes())],
        key: listed_keys(&agency(id), 0, from, until),
    }
}
