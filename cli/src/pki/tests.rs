//! Tests of pilot certificates, checked by the code that nodes use.

use jiff::{Timestamp, ToSpan};
use sinergi_config::{Federation, Tls};
use sinergi_daemon::storage::keys::write_private;
use sinergi_daemon::transport::tls::{Authorities, Credentials};
use sinergi_proto::base::ids::AgencyId;

use super::*;
use crate::output::Output;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn agency() -> AgencyId {
    "kota-bandung".parse().expect("an agency id")
}

fn federation() -> Federation {
    "lapor.go.id".parse().expect("a federation")
}

fn request(days: u32) -> NodeCertificate {
    let names = ["sinergi.bandung.go.id", "10.0.0.1", "2001:db8::1"].map(NodeName::of_host).to_vec();
    NodeCertificate { federation: federation(), agency: agency(), names, days }
}

fn credentials(pair: &Pair) -> Credentials {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Tls { certificate: directory.path().join("tls.crt"), key: directory.path().join("tls.key") };
    write_private(&files.certificate, pair.certificate.as_bytes()).expect("written");
    write_private(&files.key, pair.key.as_bytes()).expect("written");
    Credentials::load(&files).expect("a matching pair")
}

fn listed(authority: &Authority) -> Authorities {
    let certificate = authority.certificate_der().to_vec().into();
    let (authorities, bad) = Authorities::new(federation(), [(agency(), vec![certificate])]);
    assert_eq!(bad, []);
    authorities
}

#[test]
fn nodes_accept_a_new_node_certificate() {
    let authority = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("an authority");
    let credentials = credentials(&request(NODE_DAYS).issue(&authority, now()).expect("a certificate"));
    credentials.check(&federation(), &agency(), now()).expect("a leaf");
    let identity = credentials.check_under(&listed(&authority), now()).expect("under its authority");
    assert_eq!(identity.agency, agency());
    assert_eq!(identity.certificate.not_after, now() + (24 * i64::from(NODE_DAYS)).hours());
    let foreign = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("another authority");
    credentials.check_under(&listed(&foreign), now()).expect_err("under another authority of the same name");
}

#[test]
fn an_authority_read_from_files_can_sign() {
    let authority = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("an authority");
    let read = Authority::read(authority.pair().clone()).expect("the same authority");
    assert_eq!(read.certificate_der(), authority.certificate_der());
    let credentials = credentials(&request(1).issue(&read, now()).expect("a certificate"));
    credentials.check_under(&listed(&authority), now()).expect("under the first one");
}

#[test]
fn files_that_are_no_authority_are_refused() {
    let authority = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("an authority");
    let node = request(1).issue(&authority, now()).expect("a certificate");
    assert!(matches!(Authority::read(node.clone()), Err(PkiError::NotAnAuthority)));
    let mixed = Pair { certificate: authority.pair().certificate.clone(), key: node.key.clone() };
    assert!(matches!(Authority::read(mixed), Err(PkiError::Mismatch(_))));
    let swapped = Pair { certificate: node.key, key: node.certificate };
    assert!(matches!(Authority::read(swapped), Err(PkiError::NotACertificate(_))));
}

#[test]
fn a_renewed_certificate_keeps_key_and_names() {
    let authority = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("an authority");
    let old = request(10).issue(&authority, now()).expect("a certificate");
    let later = now() + (24 * 9).hours();
    let certificate = reissue(&old, &federation(), &agency(), &authority, later, 100).expect("anew");
    let new = Pair { certificate, key: old.key.clone() };
    credentials(&new).check_under(&listed(&authority), later).expect("under the same authority");
    let view = |pair: &Pair| read_certificates(&pair.certificate, now()).expect("readable").remove(0);
    let (old, new) = (view(&old), view(&new));
    assert_eq!(new.names, ["sinergi.bandung.go.id", "10.0.0.1", "2001:db8::1"]);
    assert_eq!((&new.uris, &new.names), (&old.uris, &old.names));
    assert_eq!(new.expires_in_days, 109);
    assert_ne!(new.serial, old.serial);
}

#[test]
fn a_validity_out_of_bounds_is_refused() {
    for days in [0, MAX_DAYS + 1] {
        assert!(matches!(Authority::new(&agency(), now(), days), Err(PkiError::BadValidity(_))));
    }
}

#[test]
fn a_certificate_is_shown_with_its_end() {
    let authority = Authority::new(&agency(), now(), AUTHORITY_DAYS).expect("an authority");
    let pem = request(10).issue(&authority, now()).expect("a certificate").certificate + &authority.pair().certificate;
    let shown = read_certificates(&pem, now()).expect("two certificates");
    let screen = screen(&Output::fixed(now()), &shown);
    for words in [
        "uri       spiffe://lapor.go.id/agency/kota-bandung",
        "issuer    OU=Sinergi authority, CN=kota-bandung",
        "valid     2026-03-01 11:00 to 2026-03-11 12:00",
        "expires   in 10 days: renew it",
        "expires   in 3650 days",
    ] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
    let over = read_certificates(&pem, now() + (24 * 12).hours()).expect("two certificates");
    assert_eq!(over[0].expires_in_days, -2);
    assert!(read_certificates("nothing", now()).is_err());
}
