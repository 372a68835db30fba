//! Reads the agency from a certificate, by the rules of a SPIFFE X509-SVID leaf and our own.
//!
//! Must not know authorities or time. It reads one certificate; the verifier decides whether to trust it.
//!
//! Invariants:
//! - the agency comes from the only URI name, `spiffe://<federation>/agency/<id>`, and from nothing else;
//! - texts from a certificate are cut and escaped before they are shown.

use rustls_pki_types::CertificateDer;
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_EXT_BASIC_CONSTRAINTS;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::{CertificateSummary, SPIFFE_ID_BYTES, shown};
use super::refusal::{Refusal, RefusalReason};

/// The agency of a peer, with the certificate that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The agency.
    pub agency: AgencyId,
    /// The certificate.
    pub certificate: CertificateSummary,
}

/// The SPIFFE id of an agency's node.
pub fn spiffe_id(federation: &Federation, agency: &AgencyId) -> String {
    format!("spiffe://{federation}/agency/{agency}")
}

/// Reads the identity in an end-entity certificate. It is not verified here.
///
/// # Errors
/// The certificate is not readable, or breaks a rule of the X509-SVID leaf.
pub fn peer_identity(certificate: &CertificateDer<'_>, federation: &Federation) -> Result<PeerIdentity, Refusal> {
    let parsed = match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => parsed,
        Ok((rest, _)) => return Err(unreadable(format!("{} bytes follow it", rest.len()))),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let summary = CertificateSummary::of(&parsed);
    match agency_of(&parsed, federation).and_then(|agency| leaf_rules(&parsed).map(|()| agency)) {
        Ok(agency) => Ok(PeerIdentity { agency, certificate: summary }),
        Err(reason) => Err(Refusal::new(Some(summary), reason)),
    }
}

fn unreadable(reason: String) -> Refusal {
    Refusal::new(None, RefusalReason::Unreadable(shown(&reason)))
}

fn agency_of(certificate: &X509Certificate<'_>, federation: &Federation) -> Result<AgencyId, RefusalReason> {
    let unreadable = |_| RefusalReason::Unreadable("its subject alternative names are malformed".to_owned());
    let names = certificate.subject_alternative_name().map_err(unreadable)?;
    let mut uris = Vec::new();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(..) => {
                return Err(RefusalReason::Unreadable("one of its alternative names is malformed".to_owned()));
            }
            _ => {}
        }
    }
    let uri = match uris.as_slice() {
        [] => return Err(RefusalReason::NoUri),
        [uri] => *uri,
        several => return Err(RefusalReason::SeveralUris(several.len())),
    };
    if uri.len() > SPIFFE_ID_BYTES {
        return Err(RefusalReason::UriTooLong(uri.len()));
    }
    // The URI is compared byte for byte. So another case, a port, a query, a fragment, an escape or a dot segment never matches.
    let (domain, path) = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| RefusalReason::NotAnAgency(shown(uri)))?;
    if domain != federation.as_str() {
        return Err(RefusalReason::OtherFederation { found: shown(domain), own: federation.clone() });
    }
    path.strip_prefix("agency/").and_then(|id| id.parse().ok()).ok_or_else(|| RefusalReason::NotAnAgency(shown(uri)))
}

/// SPIFFE X509-SVID, section 4: not an authority; key usage critical and for signatures alone; usable on both sides.
fn leaf_rules(certificate: &X509Certificate<'_>) -> Result<(), RefusalReason> {
    let malformed = |_| RefusalReason::Unreadable("an extension of it is malformed or stands twice".to_owned());
    if let Some(constraints) = certificate.get_extension_unique(&OID_X509_EXT_BASIC_CONSTRAINTS).map_err(malformed)?
        && !matches!(constraints.parsed_extension(), ParsedExtension::BasicConstraints(value) if !value.ca)
    {
        return Err(RefusalReason::IsAuthority);
    }
    let usage = certificate.key_usage().map_err(malformed)?;
    match usage {
        None => return Err(RefusalReason::KeyUsage("is missing")),
        Some(usage) if !usage.critical => return Err(RefusalReason::KeyUsage("is not critical")),
        Some(usage) if !usage.value.digital_signature() => {
            return Err(RefusalReason::KeyUsage("lacks digitalSignature"));
        }
        Some(usage) if usage.value.key_cert_sign() || usage.value.crl_sign() => {
            return Err(RefusalReason::KeyUsage("allows to sign certificates or revocation lists"));
        }
        Some(_) => {}
    }
    match certificate.extended_key_usage().map_err(malformed)? {
        Some(usage) if !usage.value.server_auth => Err(RefusalReason::ExtendedKeyUsage("serverAuth")),
        Some(usage) if !usage.value.client_auth => Err(RefusalReason::ExtendedKeyUsage("clientAuth")),
        _ => Ok(()),
    }
}
