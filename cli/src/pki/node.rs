//! The certificate of a node.
//!
//! Must not know where certificates are stored.
//!
//! Invariant: a node certificate has one URI name, the agency's SPIFFE id; it serves both sides of a connection; it is no authority.

use std::net::IpAddr;

use jiff::Timestamp;
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType};
use sinergi_config::Federation;
use sinergi_daemon::transport::tls::spiffe_id;
use sinergi_proto::base::ids::AgencyId;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Authority, Pair, PkiError, params};

/// The organizational unit in the subject.
const UNIT: &str = "Sinergi node";

/// A name of a node in addition to its SPIFFE id. Nodes ignore it; other TLS tools use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl NodeName {
    /// The name for a host: an IP address if the text is one, or else a DNS name.
    pub fn of_host(host: &str) -> Self {
        host.parse().map_or_else(|_| Self::Dns(host.to_owned()), Self::Ip)
    }
}

/// The content of a node's certificate.
#[derive(Clone, Debug)]
pub struct NodeCertificate {
    /// The federation.
    pub federation: Federation,
    /// The agency.
    pub agency: AgencyId,
    /// The names in addition to the SPIFFE id.
    pub names: Vec<NodeName>,
    /// The validity in days.
    pub days: u32,
}

impl NodeCertificate {
    /// Makes a certificate with a new key, signed by `authority`.
    ///
    /// # Errors
    /// A name or the validity is not allowed, or the library fails.
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

/// Renews the certificate of `node`: same agency, names and key, valid for `days` from `now` on. Returns it as PEM.
///
/// The key stays the same, so only one file is replaced, and certificate and key belong together at every moment.
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
