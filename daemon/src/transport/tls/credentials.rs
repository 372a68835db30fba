//! This node's own certificate and private key.
//!
//! Must not know peers or the charter.
//!
//! Invariants:
//! - certificate and key belong together;
//! - only the owner of the key's file can read it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;

use super::authorities::Authorities;
use super::identity::{PeerIdentity, peer_identity};
use super::provider;
use super::refusal::{Refusal, RefusalReason};
use super::verifier::{ShownBy, verify};
use crate::storage::keys::{self, KeyError};

/// This node's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read, or others can read the key.
    #[error(transparent)]
    File(#[from] KeyError),
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM (\"BEGIN CERTIFICATE\"): {reason}", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file holds no private key.
    #[error("{} holds no private key in PEM (\"BEGIN PRIVATE KEY\") that TLS can use: {reason}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Certificate and key do not belong together.
    #[error("{} is the certificate of another key than {}: put the matching pair in place", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate names another agency.
    #[error("{} is the certificate of {found}: this node is {own}; put the right one in place, or correct `agency`", path.display())]
    OtherAgency {
        /// The certificate's file.
        path: PathBuf,
        /// The agency in the certificate.
        found: AgencyId,
        /// The agency of this node.
        own: AgencyId,
    },
    /// The certificate breaks a rule or is not valid now, so every peer would refuse it.
    #[error("{}: every peer would refuse it: {refusal}", path.display())]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// The reason that a peer would give.
        refusal: Box<Refusal>,
    },
}

/// A certificate with its chain and key, and the path of the certificate's file.
#[derive(Clone, Debug)]
pub struct Credentials {
    certified: Arc<CertifiedKey>,
    path: PathBuf,
}

impl Credentials {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// One of the files cannot be used, or they do not belong together.
    pub fn load(files: &sinergi_config::Tls) -> Result<Self, CredentialsError> {
        let chain = load_certificates(&files.certificate)?;
        let pem = keys::read_private(&files.key)?;
        let not_a_key = |reason: String| CredentialsError::NotAKey { path: files.key.clone(), reason };
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| not_a_key(error.to_string()))?;
        let key = provider().key_provider.load_private_key(key).map_err(|error| not_a_key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self { certified: Arc::new(certified), path: files.certificate.clone() }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(CredentialsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() })
            }
            Err(error) => {
                Err(CredentialsError::NotACertificate { path: files.certificate.clone(), reason: error.to_string() })
            }
        }
    }

    /// Checks the certificate as a peer would, without the charter: it names `agency` of `federation`, follows the rules of a
    /// leaf, and is valid at `now`. The result also says when it expires.
    ///
    /// # Errors
    /// [`CredentialsError::OtherAgency`] or [`CredentialsError::Refused`].
    pub fn check(
        &self,
        federation: &Federation,
        agency: &AgencyId,
        now: Timestamp,
    ) -> Result<PeerIdentity, CredentialsError> {
        let refused = |refusal| CredentialsError::Refused { path: self.path.clone(), refusal: Box::new(refusal) };
        let identity = peer_identity(self.end_entity(), federation).map_err(refused)?;
        let certificate = &identity.certificate;
        if identity.agency != *agency {
            let path = self.path.clone();
            return Err(CredentialsError::OtherAgency { path, found: identity.agency, own: agency.clone() });
        }
        let reason = if now > certificate.not_after {
            RefusalReason::Expired(certificate.not_after)
        } else if now < certificate.not_before {
            RefusalReason::NotYetValid(certificate.not_before)
        } else {
            return Ok(identity);
        };
        Err(refused(Refusal::new(Some(identity.certificate), reason)))
    }

    /// Checks the certificate as a peer that holds these authorities would.
    ///
    /// # Errors
    /// [`CredentialsError::Refused`].
    pub fn check_under(&self, authorities: &Authorities, now: Timestamp) -> Result<PeerIdentity, CredentialsError> {
        let shown_by = |side| verify(authorities, self.end_entity(), self.intermediates(), side, now);
        shown_by(ShownBy::Client)
            .and_then(|_| shown_by(ShownBy::Server))
            .map_err(|refusal| CredentialsError::Refused { path: self.path.clone(), refusal: Box::new(refusal) })
    }

    /// The certificate itself.
    pub fn end_entity(&self) -> &CertificateDer<'static> {
        self.certified.cert.first().expect("loading refuses an empty chain")
    }

    /// The intermediate certificates that are shown with it.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert[1..]
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// Reads the certificates of a PEM file, at least one.
fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let pem = keys::read_public(path)?;
    let refused = |reason: String| CredentialsError::NotACertificate { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(error.to_string()))?;
    if chain.is_empty() { Err(refused("no such section".to_owned())) } else { Ok(chain) }
}
