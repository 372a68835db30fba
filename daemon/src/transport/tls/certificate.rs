//! A summary of a certificate for people: names, serial number, validity.
//!
//! Must not know authorities, time or agencies.
//!
//! Invariant: texts from a certificate are cut and escaped before they are shown.

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;
use x509_parser::time::ASN1Time;

/// The longest SPIFFE id (SPIFFE-ID, section 2.3).
pub const SPIFFE_ID_BYTES: usize = 2048;
/// Characters of each name that are shown.
const SHOWN_CHARS: usize = 120;
/// How many URI names of a certificate are shown.
const SHOWN_URIS: usize = 4;

/// A certificate as people identify it. All texts are safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The URI names, the first few.
    pub uris: Vec<String>,
    /// The serial number, as hexadecimal pairs.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

impl CertificateSummary {
    /// Summarises a certificate.
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let names = certificate.subject_alternative_name().ok().flatten();
        let uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some(shown(uri)),
            _ => None,
        });
        Self {
            subject: shown(&certificate.subject().to_string()),
            issuer: shown(&certificate.issuer().to_string()),
            uris: uris.take(SHOWN_URIS).collect(),
            serial: shown(&certificate.raw_serial_as_string()),
            not_before: timestamp(certificate.validity().not_before),
            not_after: timestamp(certificate.validity().not_after),
        }
    }
}

/// X.509 knows the last day of 9999, which a `Timestamp` does not reach: it stands for "no end".
fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(if time.timestamp() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// A text of a certificate, cut and made safe to print.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).filter(|c| !c.is_control()).collect()
}
