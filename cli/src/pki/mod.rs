//! Certificates for a pilot: an agency's own authority, and node certificates under it.
//!
//! For an agency that has a certificate authority already, that one belongs into the charter and this is not needed. It must
//! not know node directories or the command line: PEM text in, PEM text out.
//!
//! Invariants:
//! - a node certificate follows the rules of a SPIFFE X509-SVID leaf, as `sinergi_daemon::transport::tls` checks them;
//! - an authority signs nodes and no further authorities (path length 0);
//! - time is an argument; validity begins an hour earlier, for clocks that are behind.

mod authority;
mod node;
mod show;

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber, date_time_ymd};

pub use authority::Authority;
pub use node::{NodeCertificate, NodeName, reissue};
pub use show::{CertificateView, read_certificates, screen};

/// Days that a new authority is valid: as long as a pilot may last.
pub const AUTHORITY_DAYS: u32 = 3650;
/// Days that a new node certificate is valid.
pub const NODE_DAYS: u32 = 365;
/// The longest validity that can be asked for.
pub const MAX_DAYS: u32 = 7300;
const SECONDS_A_DAY: i64 = 86_400;
const BACKDATED_SECONDS: i64 = 3600;

/// A certificate and its private key, as PEM text.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Not PEM, or not a certificate.
    #[error("the {0} is no certificate in PEM (\"BEGIN CERTIFICATE\")")]
    NotACertificate(&'static str),
    /// Not a private key.
    #[error("the key of the {what} is no private key in PKCS#8 PEM (\"BEGIN PRIVATE KEY\")")]
    NotAKey {
        /// Whose.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
    /// The certificate is of another key.
    #[error("the certificate of the {0} is of another key: give the two files that belong together")]
    Mismatch(&'static str),
    /// It may not sign certificates.
    #[error(
        "the authority's certificate is not an authority's (CA=true is missing): give the one made by `sinergi pki ca`"
    )]
    NotAnAuthority,
    /// A name that cannot stand in a certificate.
    #[error("{0:?} cannot stand in a certificate: must be a DNS name in ASCII or an IP address")]
    BadName(String),
    /// A validity outside the bounds.
    #[error("a certificate of {0} days: must be 1 to {MAX_DAYS}")]
    BadValidity(u32),
    /// The library failed.
    #[error("the certificate cannot be made")]
    Making(#[source] rcgen::Error),
}

/// What every certificate of ours has: subject, random serial number, validity.
fn params(agency: &str, unit: &str, now: Timestamp, days: u32) -> Result<CertificateParams, PkiError> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(PkiError::BadValidity(days));
    }
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |seconds: i64| epoch + std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    params.distinguished_name.push(DnType::CommonName, agency);
    params.serial_number = Some(serial());
    params.not_before = at(now.as_second() - BACKDATED_SECONDS);
    params.not_after = at(now.as_second() + i64::from(days) * SECONDS_A_DAY);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// 126 random bits: positive, of constant length, never used twice (RFC 5280, section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests;
