//! Why a connection between nodes failed, in words for the operator of this node.
//!
//! Must not know how certificates are checked, nor where the reasons are shown.
//!
//! Invariants:
//! - every refusal names the certificate (as far as it can be read) and one reason;
//! - the code of a reason is stable: operators count it and search for it;
//! - the peer gets only a TLS alert. [`explain`] tells this side's operator what a received alert means.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, OtherError};
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;

use super::certificate::{CertificateSummary, SPIFFE_ID_BYTES};

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// Not X.509, or malformed.
    #[error("it is not a readable X.509 certificate: {0}")]
    Unreadable(String),
    /// No URI name.
    #[error("it has no URI name: must have exactly one, spiffe://<federation>/agency/<id>")]
    NoUri,
    /// More than one URI name.
    #[error("it has {0} URI names: must have exactly one")]
    SeveralUris(usize),
    /// The URI name is too long.
    #[error("its URI name has {0} bytes: must be at most {SPIFFE_ID_BYTES}")]
    UriTooLong(usize),
    /// The URI name does not name an agency.
    #[error("its URI name {0} names no agency: must be spiffe://<federation>/agency/<id>")]
    NotAnAgency(String),
    /// The URI name is of another federation.
    #[error("it belongs to federation {found}: this node's is {own}")]
    OtherFederation {
        /// The federation in the certificate.
        found: String,
        /// The federation of this node.
        own: Federation,
    },
    /// The certificate of an authority (CA=true).
    #[error("it is an authority's certificate (CA=true): a node shows a leaf certificate")]
    IsAuthority,
    /// A key usage that the rules of a leaf do not allow.
    #[error("its key usage {0}: must be critical, with digitalSignature, without keyCertSign and cRLSign")]
    KeyUsage(&'static str),
    /// An extended key usage that the rules of a leaf do not allow.
    #[error("its extended key usage lacks {0}: must have serverAuth and clientAuth, since either side may dial")]
    ExtendedKeyUsage(&'static str),
    /// Not a member, or a member without authorities.
    #[error(
        "the charter in force here lists no agency {0} with a usable certificate authority: is a newer charter missing on one side?"
    )]
    UnknownAgency(AgencyId),
    /// Its issuer is not an authority of the agency that it names.
    #[error("its issuer ({issuer}) is none of the authorities that the charter lists for {agency}")]
    ForeignAuthority {
        /// The agency in the certificate.
        agency: AgencyId,
        /// The issuer's distinguished name.
        issuer: String,
    },
    /// Its validity has ended.
    #[error(
        "it expired at {0}: its agency has to renew it (`sinergi pki renew`), unless the clock of one of the two nodes is wrong"
    )]
    Expired(Timestamp),
    /// Its validity has not begun.
    #[error("it is valid from {0} on: it is too early, or the clock of one of the two nodes is wrong")]
    NotYetValid(Timestamp),
    /// Another agency answered than the one that was dialled.
    #[error("it belongs to {found}: {dialled} was dialled; is the endpoint in sinergid.toml right?")]
    OtherAgency {
        /// The agency that answered.
        found: AgencyId,
        /// The agency that was dialled.
        dialled: AgencyId,
    },
    /// Anything else that verification finds.
    #[error("its chain does not verify: {0}")]
    Chain(String),
}

impl RefusalReason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NoUri => "no-uri",
            Self::SeveralUris(_) => "several-uris",
            Self::UriTooLong(_) => "uri-too-long",
            Self::NotAnAgency(_) => "not-an-agency",
            Self::OtherFederation { .. } => "other-federation",
            Self::IsAuthority => "is-authority",
            Self::KeyUsage(_) => "key-usage",
            Self::ExtendedKeyUsage(_) => "extended-key-usage",
            Self::UnknownAgency(_) => "unknown-agency",
            Self::ForeignAuthority { .. } => "foreign-authority",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not-yet-valid",
            Self::OtherAgency { .. } => "other-agency",
            Self::Chain(_) => "chain",
        }
    }
}

/// A refused certificate, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The certificate, as far as it could be read.
    pub certificate: Option<Box<CertificateSummary>>,
    /// The reason.
    pub reason: RefusalReason,
}

impl Refusal {
    pub(super) fn new(certificate: Option<CertificateSummary>, reason: RefusalReason) -> Self {
        Self { certificate: certificate.map(Box::new), reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.certificate.as_deref() {
            Some(CertificateSummary { subject, uris, serial, .. }) => {
                write!(f, "certificate {} (subject {subject}, serial {serial}) refused: ", uris.join(" and "))?;
            }
            None => f.write_str("certificate refused: ")?,
        }
        self.reason.fmt(f)
    }
}

impl Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// Why a TLS connection failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandshakeFailure {
    /// This node refused the peer's certificate.
    #[error("{0}")]
    Refused(Refusal),
    /// The peer, who dialled in, showed no certificate.
    #[error("the peer showed no certificate: every node must show one")]
    NoCertificate,
    /// The peer refused this node's certificate. In TLS 1.3 a dialler learns this after its own handshake has ended.
    #[error(
        "the peer refused this node's certificate ({0:?}): its operator's log says why; see `sinergi pki show` here"
    )]
    RefusedByPeer(AlertDescription),
    /// Anything else about TLS, for example a peer without TLS 1.3.
    #[error("TLS: {0}")]
    Protocol(rustls::Error),
}

/// Finds the TLS error behind an error of a connection, an HTTP/2 stream or a gRPC call. `None` if TLS is not the cause.
pub fn explain(error: &(dyn Error + 'static)) -> Option<HandshakeFailure> {
    let error = tls_error(error)?;
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            match inner.downcast_ref::<Refusal>() {
                Some(refusal) => HandshakeFailure::Refused(refusal.clone()),
                None => HandshakeFailure::Protocol(error.clone()),
            }
        }
        rustls::Error::NoCertificatesPresented => HandshakeFailure::NoCertificate,
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => HandshakeFailure::RefusedByPeer(*alert),
        other => HandshakeFailure::Protocol(other.clone()),
    })
}

/// Causes that are followed: more than any real chain has. Without the bound, a chain that loops would never end.
const CAUSES: usize = 32;

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    for _ in 0..CAUSES {
        let error = cause?;
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `io::Error::source` skips the error that it wraps, which is the one wanted here.
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
