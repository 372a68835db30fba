//! Shows certificates to people and scripts.
//!
//! Must not know whether a certificate is trusted.
//!
//! Invariant: text from a foreign certificate is made safe before it is printed.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_daemon::transport::tls::CertificateSummary;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::node::{NodeName, names_of};
use super::{PkiError, SECONDS_A_DAY};
use crate::output::{Output, Tone};
use crate::safe;

/// A certificate that ends within this many days gives a warning.
const SOON_DAYS: i64 = 30;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateView {
    /// The distinguished name of the subject.
    pub subject: String,
    /// The URI names. A node's certificate has exactly one.
    pub uris: Vec<String>,
    /// The DNS names and IP addresses.
    pub names: Vec<String>,
    /// Whether it may sign certificates.
    pub authority: bool,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Serial number, hexadecimal pairs.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The number of whole days until the end; negative if it has passed.
    pub expires_in_days: i64,
}

/// Reads all certificates of a PEM text.
///
/// # Errors
/// There is no certificate, or one cannot be read.
pub fn read_certificates(pem: &str, now: Timestamp) -> Result<Vec<CertificateView>, PkiError> {
    const WHAT: &str = "file";
    let mut views = Vec::new();
    for section in Pem::iter_from_buffer(pem.as_bytes()) {
        let section = section.map_err(|_| PkiError::NotACertificate(WHAT))?;
        if section.label == "CERTIFICATE" {
            let (_, parsed) =
                X509Certificate::from_der(&section.contents).map_err(|_| PkiError::NotACertificate(WHAT))?;
            views.push(view(&parsed, now));
        }
    }
    if views.is_empty() { Err(PkiError::NotACertificate(WHAT)) } else { Ok(views) }
}

fn view(certificate: &X509Certificate<'_>, now: Timestamp) -> CertificateView {
    let summary = CertificateSummary::of(certificate);
    let names = names_of(certificate).into_iter().map(|name| match name {
        NodeName::Dns(name) => safe::line(&name),
        NodeName::Ip(address) => address.to_string(),
    });
    CertificateView {
        subject: summary.subject,
        uris: summary.uris,
        names: names.collect(),
        authority: certificate.is_ca(),
        issuer: summary.issuer,
        serial: summary.serial,
        not_before: summary.not_before,
        not_after: summary.not_after,
        expires_in_days: summary.not_after.duration_since(now).as_secs().div_euclid(SECONDS_A_DAY),
    }
}

/// The certificates as text, one block each.
pub fn screen(output: &Output, certificates: &[CertificateView]) -> String {
    let blocks: Vec<String> = certificates.iter().map(|certificate| block(output, certificate)).collect();
    blocks.join("\n\n")
}

fn block(output: &Output, certificate: &CertificateView) -> String {
    let row = |label: &str, value: &str| format!("{}{value}", output.paint(Tone::Faint, &format!("{label:<10}")));
    let kind = if certificate.authority { "authority" } else { "node" };
    let mut lines = vec![row("kind", kind), row("subject", &certificate.subject)];
    lines.extend(certificate.uris.iter().map(|uri| row("uri", uri)));
    if !certificate.names.is_empty() {
        lines.push(row("names", &certificate.names.join(", ")));
    }
    lines.push(row("issuer", &certificate.issuer));
    lines.push(row("serial", &certificate.serial));
    lines.push(row(
        "valid",
        &format!("{} to {}", output.minute(certificate.not_before), output.minute(certificate.not_after)),
    ));
    lines.push(row("expires", &expiry(output, certificate)));
    lines.join("\n")
}

fn expiry(output: &Output, certificate: &CertificateView) -> String {
    match certificate.expires_in_days {
        days @ ..0 => output.paint(Tone::Alarm, &format!("expired {} days ago", -days)),
        days @ 0..=SOON_DAYS => {
            output.paint(Tone::Warning, &format!("in {days} days: renew it with `sinergi pki renew`"))
        }
        days => format!("in {days} days"),
    }
}
