//! Certificates for the claims: right ones, and ones that are wrong in exactly one way.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use sinergi_config::{Federation, Tls};
use sinergi_proto::base::ids::AgencyId;

use crate::storage::keys::write_private;
use crate::transport::tls::{Credentials, spiffe_id};

pub(super) const FEDERATION: &str = "lapor.go.id";

pub(super) fn federation() -> Federation {
    FEDERATION.parse().expect("a trust domain")
}

pub(super) fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id")
}

/// What a leaf says. Days are year, month, day.
pub(super) struct Leaf {
    pub(super) uris: Vec<String>,
    pub(super) from: (i32, u8, u8),
    pub(super) until: (i32, u8, u8),
    pub(super) ca: IsCa,
    pub(super) usages: Vec<KeyUsagePurpose>,
    pub(super) extended: Vec<ExtendedKeyUsagePurpose>,
}

impl Leaf {
    /// As it should be.
    pub(super) fn of(id: &str) -> Self {
        Self {
            uris: vec![spiffe_id(&federation(), &agency(id))],
            from: (2020, 1, 1),
            until: (2100, 1, 1),
            ca: IsCa::ExplicitNoCa,
            usages: vec![KeyUsagePurpose::DigitalSignature],
            extended: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        }
    }
}

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A leaf with its key, written as a node keeps them.
    pub(super) fn write(&self, directory: &Path, leaf: &Leaf) -> Tls {
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            leaf.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().expect("ASCII"))).collect();
        params.not_before = date_time_ymd(leaf.from.0, leaf.from.1, leaf.from.2);
        params.not_after = date_time_ymd(leaf.until.0, leaf.until.1, leaf.until.2);
        params.is_ca = leaf.ca;
        params.key_usages.clone_from(&leaf.usages);
        params.extended_key_usages.clone_from(&leaf.extended);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let files = Tls { certificate: directory.join("tls.crt"), key: directory.join("tls.key") };
        write_private(&files.certificate, certificate.pem().as_bytes()).expect("written");
        write_private(&files.key, key.serialize_pem().as_bytes()).expect("written");
        files
    }

    pub(super) fn issue(&self, leaf: &Leaf) -> Credentials {
        let directory = tempfile::tempdir().expect("a directory");
        Credentials::load(&self.write(directory.path(), leaf)).expect("a matching pair")
    }
}
