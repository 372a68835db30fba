//! Whether to believe a certificate: the chain, under the authorities of the member that it names, now.
//!
//! It must not know connections; rustls calls it once in every handshake, and whoever adopts a charter calls [`verify`] for
//! the links that are up.
//!
//! Invariants: no authority is asked about a member that does not list it; who was dialled must be who answers; every
//! refusal is a [`Refusal`].

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
    /// The one that dialled.
    Client,
    /// The one that was dialled.
    Server,
}

/// Decides on a peer's certificate: `end_entity`, with the `intermediates` that came with it.
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
        // Another authority of the same name: the name fits and the signature does not.
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

/// Judges who dials in.
#[derive(Debug)]
pub(super) struct Dialler {
    pub(super) authorities: SharedAuthorities,
}

impl ClientCertVerifier for Dialler {
    /// None: a dialler shows the certificate that it has, so that this side can say what is wrong with it.
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

/// Judges who answers where an agency was dialled.
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
