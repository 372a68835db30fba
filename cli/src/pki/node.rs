//! The certificate of a node.
//!
//! It must not know where certificates are kept.
//!
//! Invariants: one URI name, the agency's SPIFFE id; usable on both sides of a connection; no authority.

use std::net::IpAddr;

use jiff::Timestamp;
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType};
use sinergi_config::Federation;
use sinergi_daemon::transport::tls::spiffe_id;
use sinergi_proto::base::ids::AgencyId;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Authority, Pair, PkiError, params};

/// What stands beside the agency's name in the subject.
const UNIT: &str = "Sinergi node";

/// A name of a node beside its SPIFFE id. Nodes do not look at it; other TLS tools do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl NodeName {
    /// The name that a host is: an address if it looks like one.
    pub fn of_host(host: &str) -> Self {
        host.parse().map_or_else(|_| Self::Dns(host.to_owned()), Self::Ip)
    }
}

/// What a node's certificate says.
#[derive(Clone, Debug)]
pub struct NodeCertificate {
    /// The federation.
    pub federation: Federation,
    /// The agency.
    pub agency: AgencyId,
    /// Further names.
    pub names: Vec<NodeName>,
    /// Days that it is valid.
    pub days: u32,
}

impl NodeCertificate {
    /// A certificate with a new key, signed by `authority`.
    ///
    /// # Errors
    /// A name or the validity cannot stand in a certificate, or the library fails.
    pub fn issue(&self, authority: &Authority, now: Timestamp) -> Result<Pair, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(PkiError::Making)?;
        Ok(Pair { certificate: self.sign(authority, &key, now)?, key: key.serialize_pem() })
    }

    fn sign(&self, authority: &Authority, key: &KeyPair, now: Timestamp) -> Result<String, PkiError> {
        let mut params = params(self.agency.as_str(), UNIT, now, self.days)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names.push(SanType::URI(ia5(&spiffe_id(&self.federation, &self.agency))?));
        for name in &self.names {
            params.subject_alt_names.push(match name {
                NodeName::Dns(name) => SanType::DnsName(ia5(name)?),
                NodeName::Ip(address) => SanType::IpAddress(*address),
            });
        }
        let certificate = params.signed_by(key, authority.issuer()).map_err(PkiError::Making)?;
        Ok(certificate.pem())
    }
}

/// The certificate of `node` anew, as PEM: same agency, names and key, valid for `days` from `now` on. Since the key stays,
/// one file is replaced, and certificate and key belong together at every moment.
///
/// # Errors
/// `node` is not a node's pair of this federation, or the validity is out of bounds.
pub fn reissue(
    node: &Pair,
    federation: &Federation,
    agency: &AgencyId,
    authority: &Authority,
    now: Timestamp,
    days: u32,
) -> Result<String, PkiError> {
    const WHAT: &str = "node";
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(node.certificate.as_bytes()).map_err(|_| PkiError::NotACertificate(WHAT))?;
    let (_, old) = X509Certificate::from_der(&pem.contents).map_err(|_| PkiError::NotACertificate(WHAT))?;
    let key = KeyPair::from_pem(&node.key).map_err(|source| PkiError::NotAKey { what: WHAT, source })?;
    if old.public_key().raw != key.subject_public_key_info() {
        return Err(PkiError::Mismatch(WHAT));
    }
    let certificate =
        NodeCertificate { federation: federation.clone(), agency: agency.clone(), names: names_of(&old), days };
    certificate.sign(authority, &key, now)
}

/// The DNS names and addresses of a certificate.
pub(super) fn names_of(certificate: &X509Certificate<'_>) -> Vec<NodeName> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(NodeName::Dns((*name).to_owned())),
            GeneralName::IPAddress(bytes) => address(bytes).map(NodeName::Ip),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn ia5(text: &str) -> Result<rcgen::string::Ia5String, PkiError> {
    text.try_into().map_err(|_| PkiError::BadName(text.to_owned()))
}
