//! Verifies a certificate: its chain must lead to an authority of the member that it names, and it must be valid now.
//!
//! Must not know connections. rustls calls it once in every handshake. When a charter is adopted, [`verify`] is called for the
//! open links.
//!
//! Invariants:
//! - an authority is used only for the members that list it;
//! - the agency that answers must be the one that was dialled;
//! - every refusal is a [`Refusal`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::verify_tls13_signature;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, PeerIncompatible, RootCertStore};
use rustls::{Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sinergi_proto::base::ids::AgencyId;

use super::authorities::{Authorities, SharedAuthorities};
use super::identity::{PeerIdentity, peer_identity};
use super::provider;
use super::refusal::{Refusal, RefusalReason};

/// Which side of a connection showed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// The side that dialled.
    Client,
    /// The side that was dialled.
    Server,
}

/// Verifies a peer's certificate `end_entity`, with the `intermediates` that came with it, at the time `now`.
///
/// # Errors
/// The certificate is refused.
pub fn verify(
    authorities: &Authorities,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    shown_by: ShownBy,
    now: Timestamp,
) -> Result<PeerIdentity, Refusal> {
    let identity = peer_identity(end_entity, authorities.federation())?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)));
    let decided = match authorities.of(&identity.agency) {
        Some(roots) => verify_chain(roots, end_entity, intermediates, shown_by, now)
            .map_err(|error| chain_reason(error, &identity)),
        None => Err(RefusalReason::UnknownAgency(identity.agency.clone())),
    };
    match decided {
        Ok(()) => Ok(identity),
        Err(reason) => Err(Refusal::new(Some(identity.certificate), reason)),
    }
}

fn verify_chain(
    roots: &Arc<RootCertStore>,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    shown_by: ShownBy,
    now: UnixTime,
) -> Result<(), Error> {
    match shown_by {
        ShownBy::Client => WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_client_cert(end_entity, intermediates, now)
            .map(|_| ()),
        ShownBy::Server => verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            roots,
            intermediates,
            now,
            provider().signature_verification_algorithms.all,
        ),
    }
}

fn chain_reason(error: Error, identity: &PeerIdentity) -> RefusalReason {
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            RefusalReason::Expired(moment(not_after))
        }
        Error::InvalidCertificate(CertificateError::Expired) => RefusalReason::Expired(identity.certificate.not_after),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            RefusalReason::NotYetValid(moment(not_before))
        }
        // `BadSignature`: another authority has the same name.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            RefusalReason::ForeignAuthority {
                agency: identity.agency.clone(),
                issuer: identity.certificate.issuer.clone(),
            }
        }
        other => RefusalReason::Chain(other.to_string()),
    }
}

fn moment(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Verifies the certificate of a peer that dials in.
#[derive(Debug)]
pub(super) struct Dialler {
    pub(super) authorities: SharedAuthorities,
}

impl ClientCertVerifier for Dialler {
    /// No hints, so that every dialler shows its certificate, and this side can say what is wrong with it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify(&self.authorities.current(), end_entity, intermediates, ShownBy::Client, moment(now))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies the certificate of the peer that answers when an agency was dialled.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) authorities: SharedAuthorities,
    pub(super) agency: AgencyId,
}

impl ServerCertVerifier for Dialled {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authorities = self.authorities.current();
        let PeerIdentity { agency: found, certificate } =
            verify(&authorities, end_entity, intermediates, ShownBy::Server, moment(now))?;
        if found != self.agency {
            let reason = RefusalReason::OtherAgency { found, dialled: self.agency.clone() };
            return Err(Refusal::new(Some(certificate), reason).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
