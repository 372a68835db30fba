//! Who takes part: ministries that know each other, provinces under the first of them, cities that can only dial their province, and the
//! Ombudsman.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sinergi_cli::charter::{Paper, draft, manager_key_name, verifier_key};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::{Scheme, SigningKey};
use sinergi_proto::charter::{
    CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberKind, MemberStatus, MemberText,
};

use super::checks::Checks;
use super::signatures::Signatures;

/// The name of the federation.
pub const FEDERATION: &str = "sim.example";
const MANAGER: &str = "simulator";
const OVERSIGHT: &str = "ombudsman";

/// The federation of a run.
pub struct Topology {
    /// Its charter.
    pub charters: Arc<Charters>,
    /// The checks of signatures by it.
    pub checks: Rc<Checks>,
    /// Who is linked with whom, both ways.
    pub adjacent: BTreeMap<AgencyId, BTreeSet<AgencyId>>,
    keys: BTreeMap<AgencyId, SigningKey>,
    scheme: Option<Arc<dyn Scheme>>,
}

fn key(name: &str) -> SigningKey {
    SigningKey::from(<[u8; 32]>::from(Sha256::digest(format!("sinergi simulation key {name}"))))
}

fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id")
}

impl Topology {
    /// A federation of so many agencies, at least five, which sign like this.
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
        let scheme = signatures.scheme();
        let entry_key = |id: &str| under(scheme.as_ref(), key(&format!("{id} entry")));
        let keys = members.iter().map(|(id, ..)| (agency(id), entry_key(id))).collect();
        let charters = charters(&members);
        let charters = Arc::new(match &scheme {
            Some(scheme) => charters.under(scheme),
            None => charters,
        });
        let checks = Rc::new(Checks::new(Arc::clone(&charters), scheme.is_some()));
        Self { charters, checks, adjacent, keys, scheme }
    }

    /// The keys with which an agency signs checkpoints, and their time.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> [SigningKey; 2] {
        ["checkpoint", "time"].map(|name| under(self.scheme.as_ref(), key(&format!("{agency} {name}"))))
    }

    /// The key with which an agency signs entries.
    pub fn key(&self, agency: &AgencyId) -> &SigningKey {
        &self.keys[agency]
    }
}

fn under(scheme: Option<&Arc<dyn Scheme>>, key: SigningKey) -> SigningKey {
    match scheme {
        Some(scheme) => key.under(scheme),
        None => key,
    }
}

fn charters(members: &[(String, MemberKind, Option<String>)]) -> Charters {
    let manager = key(MANAGER);
    let name = manager_key_name(&FEDERATION.parse().expect("a federation name"), MANAGER);
    let text = CharterText {
        federation: FEDERATION.to_owned(),
        version: 1,
        predecessor: None,
        valid_from: "2025-01-01T00:00:00Z".to_owned(),
        valid_until: "2036-01-01T00:00:00Z".to_owned(),
        grace_days: 30,
        threshold: 1,
        offers_before_alarm: None,
        manager: vec![ManagerText { name: MANAGER.to_owned(), keys: vec![verifier_key(&name, &manager).to_string()] }],
        member: members.iter().map(member).collect(),
    };
    let paper = draft(&text).expect("a whole charter");
    let signed = Paper::Note(paper.sign(None, &manager).expect("the manager's key").note);
    Charters::self_signed(signed.bytes()).expect("the threshold signed it")
}

fn member((id, kind, parent): &(String, MemberKind, Option<String>)) -> MemberText {
    let key = |key_use: KeyUse, name: &str| MemberKeyText {
        key_use,
        public: data_encoding::BASE64.encode(key(&format!("{id} {name}")).verification_key().as_ref()),
        valid_from: "2025-01-01T00:00:00Z".to_owned(),
        valid_until: "2036-01-01T00:00:00Z".to_owned(),
    };
    MemberText {
        id: agency(id),
        name: id.clone(),
        kind: *kind,
        parent: parent.as_deref().map(agency),
        area: String::new(),
        endpoints: Vec::new(),
        oversight: id == OVERSIGHT,
        status: MemberStatus::Active,
        authorities: vec![data_encoding::BASE64.encode(format!("authority of {id}").as_bytes())],
        key: vec![key(KeyUse::Entry, "entry"), key(KeyUse::Checkpoint, "checkpoint"), key(KeyUse::Time, "time")],
    }
}
