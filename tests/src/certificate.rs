//! Certificates for tests: good ones, and every kind that a node must refuse.
//!
//! A certificate that breaks only a rule of the federation is signed by the right authority, so that nothing else is wrong with it.

use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use sinergi_cli::pki::{AUTHORITY_DAYS, Authority, NodeCertificate, Pair};
use sinergi_config::Tls;
use sinergi_daemon::storage::keys::write_private;
use sinergi_daemon::transport::tls::{Credentials, spiffe_id};

use crate::federation::{NAME, agency};

/// The authority that the charter lists for the agency whose node has this folder.
pub fn authority_of(folder: &Path) -> Authority {
    Authority::read(authority_files(folder)).expect("an authority")
}

/// Another authority, which uses the agency's name.
pub fn foreign_authority(id: &str) -> Authority {
    Authority::new(&agency(id), Timestamp::now(), AUTHORITY_DAYS).expect("an authority")
}

/// A valid certificate of an agency.
pub fn issued_by(authority: &Authority, id: &str) -> Credentials {
    issued_at(authority, id, Timestamp::now())
}

/// A certificate of an agency that was valid for ten days and expired a year ago.
pub fn expired(authority: &Authority, id: &str) -> Credentials {
    issued_at(authority, id, Timestamp::now() - (24 * 375).hours())
}

/// A certificate that names two agencies and is otherwise good.
pub fn of_two_agencies(folder: &Path, ids: [&str; 2]) -> Credentials {
    let files = authority_files(folder);
    let authority_key = KeyPair::from_pem(&files.key).expect("the authority's key");
    let issuer = Issuer::from_ca_cert_pem(&files.certificate, authority_key).expect("the authority's certificate");
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, ids.join(" and "));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = ids.map(|id| SanType::URI(uri_of(id).try_into().expect("ASCII"))).to_vec();
    let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
    credentials(&Pair { certificate, key: key.serialize_pem() })
}

/// The URI that names an agency in certificates.
pub fn uri_of(id: &str) -> String {
    spiffe_id(&NAME.parse().expect("a federation name"), &agency(id))
}

fn issued_at(authority: &Authority, id: &str, now: Timestamp) -> Credentials {
    let federation = NAME.parse().expect("a federation name");
    let certificate = NodeCertificate { federation, agency: agency(id), names: Vec::new(), days: 10 };
    credentials(&certificate.issue(authority, now).expect("a certificate"))
}

fn authority_files(folder: &Path) -> Pair {
    let read = |name| std::fs::read_to_string(folder.join("keys").join(name)).expect("a file of `sinergi init`");
    Pair { certificate: read("ca.crt"), key: read("ca.key") }
}

fn credentials(pair: &Pair) -> Credentials {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = Tls { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    write_private(&files.certificate, pair.certificate.as_bytes()).expect("written");
    write_private(&files.key, pair.key.as_bytes()).expect("written");
    Credentials::load(&files).expect("certificate and key belong together")
}
