//! Pilot certificates: an agency's own authority, and node certificates under it.
//!
//! An agency with an existing certificate authority lists that one in the charter and does not need this. Must not know node folders or
//! the command line: PEM text in, PEM text out.
//!
//! Invariants:
//! - a node certificate follows the rules of a SPIFFE X509-SVID leaf, as `sinergi_daemon::transport::tls` checks them;
//! - an authority signs only node certificates and no other authority (path length 0);
//! - the time is an argument; validity starts an hour earlier, for peers whose clocks are behind.

mod authority;
mod node;
mod show;

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber, date_time_ymd};

pub use authority::Authority;
pub use node::{NodeCertificate, NodeName, reissue};
pub use show::{CertificateView, read_certificates, screen};

/// The validity of a new authority in days: longer than a pilot.
pub const AUTHORITY_DAYS: u32 = 3650;
/// The validity of a new node certificate in days.
pub const NODE_DAYS: u32 = 365;
/// The longest allowed validity in days.
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

/// The reason why a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The file is not PEM, or not a certificate.
    #[error("the {0} is no certificate in PEM (\"BEGIN CERTIFICATE\")")]
    NotACertificate(&'static str),
    /// The file is not a private key.
    #[error("the key of the {what} is no private key in PKCS#8 PEM (\"BEGIN PRIVATE KEY\")")]
    NotAKey {
        /// The owner of the key, in words.
        what: &'static str,
        /// The cause.
        source: rcgen::Error,
    },
    /// The certificate belongs to another key.
    #[error("the certificate of the {0} belongs to another key: give two files that belong together")]
    Mismatch(&'static str),
    /// The certificate may not sign other certificates.
    #[error(
        "the authority's certificate is not an authority's (CA=true is missing): give the one made by `sinergi pki ca`"
    )]
    NotAnAuthority,
    /// A name that is not allowed in a certificate.
    #[error("{0:?} is not allowed in a certificate: must be a DNS name in ASCII or an IP address")]
    BadName(String),
    /// The validity is out of bounds.
    #[error("a validity of {0} days: must be 1 to {MAX_DAYS}")]
    BadValidity(u32),
    /// The certificate library failed.
    #[error("the certificate cannot be made")]
    Making(#[source] rcgen::Error),
}

/// The parameters that all certificates share: subject, random serial number, validity.
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

/// A serial number of 126 random bits: positive, of constant length and unique (RFC 5280, section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests;
