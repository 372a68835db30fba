//! The certificate authorities of each member, as the charter lists them, ready for verification.
//!
//! Must not know how a charter came to be trusted.
//!
//! Invariants:
//! - an authority counts for the members that list it, and for nobody else;
//! - an authority that cannot be used is left out; all others still count;
//! - the next handshake sees a replacement.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::{Charter, MemberStatus};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The certificate authorities of each member of one charter version.
#[derive(Clone, Debug)]
pub struct Authorities {
    federation: Federation,
    by_agency: HashMap<AgencyId, Arc<RootCertStore>>,
}

/// An authority that the charter lists and that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("authority number {number} of {agency} in the charter is not used: {reason}")]
pub struct BadAuthority {
    /// The member that lists it.
    pub agency: AgencyId,
    /// Its place in the member's list, counted from 1.
    pub number: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Authorities {
    /// The authorities of these members. The second value lists the authorities that cannot be used and are left out. A member
    /// without a usable authority cannot connect.
    ///
    /// The validity dates of an authority's own certificate are not checked, as usual for trust anchors: an authority counts as
    /// long as the charter lists it.
    pub fn new(
        federation: Federation,
        members: impl IntoIterator<Item = (AgencyId, Vec<CertificateDer<'static>>)>,
    ) -> (Self, Vec<BadAuthority>) {
        let mut bad = Vec::new();
        let mut by_agency = HashMap::new();
        for (agency, certificates) in members {
            let mut store = RootCertStore::empty();
            for (index, certificate) in certificates.into_iter().enumerate() {
                if let Err(reason) = add(&mut store, certificate) {
                    bad.push(BadAuthority { agency: agency.clone(), number: index + 1, reason });
                }
            }
            if !store.is_empty() {
                by_agency.insert(agency, Arc::new(store));
            }
        }
        (Self { federation, by_agency }, bad)
    }

    /// The authorities in a charter, of every member that is not retired. The second value is as for [`Self::new`].
    pub fn of_charter(federation: Federation, charter: &Charter) -> (Self, Vec<BadAuthority>) {
        let members = charter.members().filter(|member| member.status != MemberStatus::Retired).map(|member| {
            let certificates = member.authorities.iter().cloned().map(CertificateDer::from).collect();
            (member.id.clone(), certificates)
        });
        Self::new(federation, members)
    }

    /// The federation of the members.
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The authorities of a member, if it has any.
    pub(super) fn of(&self, agency: &AgencyId) -> Option<&Arc<RootCertStore>> {
        self.by_agency.get(agency)
    }
}

fn add(store: &mut RootCertStore, certificate: CertificateDer<'static>) -> Result<(), String> {
    match X509Certificate::from_der(&certificate) {
        Ok(([], parsed)) if parsed.is_ca() => {}
        Ok(([], _)) => return Err("its certificate is not an authority's (CA=true is missing)".to_owned()),
        Ok((rest, _)) => return Err(format!("{} bytes follow the certificate", rest.len())),
        Err(error) => return Err(format!("it is not a readable X.509 certificate: {error}")),
    }
    store.add(certificate).map_err(|error| error.to_string())
}

/// The authorities in force, shared by every verifier. Adopting a charter replaces them; open links are then checked again
/// with [`super::verify`].
#[derive(Clone, Debug)]
pub struct SharedAuthorities(Arc<ArcSwap<Authorities>>);

impl SharedAuthorities {
    /// Shares these authorities.
    pub fn new(authorities: Authorities) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(authorities)))
    }

    /// The authorities in force.
    pub fn current(&self) -> Arc<Authorities> {
        self.0.load_full()
    }

    /// Replaces the authorities.
    pub fn replace(&self, authorities: Authorities) {
        self.0.store(Arc::new(authorities));
    }
}
