//! An agency's own certificate authority.
//!
//! Must not know the names of nodes.
//!
//! Invariant: certificate and key belong together, and the certificate may sign others.

use jiff::Timestamp;
use rcgen::{BasicConstraints, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use sinergi_proto::base::ids::AgencyId;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Pair, PkiError, params};

/// The organizational unit in the subject.
const UNIT: &str = "Sinergi authority";

/// A certificate authority that can sign.
pub struct Authority {
    pair: Pair,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority of an agency, valid for `days` from `now` on.
    ///
    /// # Errors
    /// `days` is out of bounds, or the library fails.
    pub fn new(agency: &AgencyId, now: Timestamp, days: u32) -> Result<Self, PkiError> {
        let mut params = params(agency.as_str(), UNIT, now, days)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(PkiError::Making)?;
        let certificate = params.self_signed(&key).map_err(PkiError::Making)?;
        Ok(Self {
            pair: Pair { certificate: certificate.pem(), key: key.serialize_pem() },
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads an authority from its PEM files.
    ///
    /// # Errors
    /// The files are not an authority's certificate and key, or do not belong together.
    pub fn read(pair: Pair) -> Result<Self, PkiError> {
        const WHAT: &str = "authority";
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes())
            .map_err(|_| PkiError::NotACertificate(WHAT))?;
        let Pem { contents: der, .. } = pem;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| PkiError::NotACertificate(WHAT))?;
        if !parsed.is_ca() {
            return Err(PkiError::NotAnAuthority);
        }
        let key = KeyPair::from_pem(&pair.key).map_err(|source| PkiError::NotAKey { what: WHAT, source })?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(PkiError::Mismatch(WHAT));
        }
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(PkiError::Making)?;
        Ok(Self { pair, der, issuer })
    }

    /// Certificate and key as PEM.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The certificate as DER, as the charter lists it.
    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}
