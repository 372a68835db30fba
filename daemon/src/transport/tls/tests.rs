//! Which certificates may connect: real handshakes, with certificates that the tests make.

mod pki;

use std::sync::Arc;

use rustls::{ClientConfig, NamedGroup, ProtocolVersion, ServerConfig};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;
use pki::{Authority, FEDERATION, Leaf, agency, federation};

type Accepted = std::io::Result<server::TlsStream<DuplexStream>>;
type Dialled = std::io::Result<client::TlsStream<DuplexStream>>;

/// Two members with an authority each, and the charter that lists them.
struct Members {
    bandung: Authority,
    jabar: Authority,
    listed: SharedAuthorities,
}

impl Members {
    fn new() -> Self {
        let (bandung, jabar) = (Authority::new("CA Bandung"), Authority::new("CA Jabar"));
        let listed = SharedAuthorities::new(authorities([("kota-bandung", &bandung), ("prov-jabar", &jabar)]));
        Self { bandung, jabar, listed }
    }

    fn server(&self) -> Arc<ServerConfig> {
        server_config(&self.jabar.issue(&Leaf::of("prov-jabar")), self.listed.clone())
    }

    fn client(&self, own: &Credentials) -> Arc<ClientConfig> {
        client_config(own, self.listed.clone(), agency("prov-jabar"))
    }

    /// The code and text with which the province refuses a dialler with this certificate.
    async fn says_to(&self, own: &Credentials) -> (&'static str, String) {
        let (accepted, dialled) = handshake(self.server(), self.client(own)).await;
        let refusal = refusal(accepted.expect_err("must be refused"));
        let told = explain(&dialled.expect_err("must fail")).expect("a TLS alert");
        assert!(matches!(told, HandshakeFailure::RefusedByPeer(_)), "{told}");
        (refusal.reason.code(), refusal.to_string())
    }

    /// The code and text with which the city refuses the province, which answers with this certificate.
    async fn hears_from(&self, province: &Credentials) -> (&'static str, String) {
        let own = self.bandung.issue(&Leaf::of("kota-bandung"));
        let server = server_config(province, self.listed.clone());
        let (_, dialled) = handshake(server, self.client(&own)).await;
        let refusal = refusal(dialled.expect_err("must be refused"));
        (refusal.reason.code(), refusal.to_string())
    }
}

fn authorities<'a>(listed: impl IntoIterator<Item = (&'a str, &'a Authority)>) -> Authorities {
    let listed = listed.into_iter().map(|(id, authority)| (agency(id), vec![authority.certificate()]));
    let (authorities, bad) = Authorities::new(federation(), listed);
    assert_eq!(bad, []);
    authorities
}

fn refusal(error: std::io::Error) -> Refusal {
    match explain(&error) {
        Some(HandshakeFailure::Refused(refusal)) => refusal,
        other => panic!("{error}: {other:?}"),
    }
}

/// Both sides of a connection, up to the first byte in each direction: a TLS 1.3 dialler learns only then whether it was refused.
async fn handshake(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> (Accepted, Dialled) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, b'?');
        Ok(stream)
    };
    let dial = async {
        let mut stream = TlsConnector::from(client).connect(server_name(), near).await?;
        stream.write_all(b"?").await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, b'!');
        Ok(stream)
    };
    tokio::join!(accept, dial)
}

#[tokio::test]
async fn members_connect_over_tls_1_3_with_the_hybrid_key_exchange_and_nothing_to_resume() {
    let members = Members::new();
    let own = members.bandung.issue(&Leaf::of("kota-bandung"));
    let (accepted, dialled) = handshake(members.server(), members.client(&own)).await;
    let (accepted, dialled) = (accepted.expect("accepted"), dialled.expect("dialled"));

    let (_, server) = accepted.get_ref();
    let (_, client) = dialled.get_ref();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(client.negotiated_key_exchange_group().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
    assert_eq!(client.alpn_protocol(), Some(ALPN));
    assert_eq!(client.tls13_tickets_received(), 0);
    assert_eq!(server.handshake_kind(), Some(rustls::HandshakeKind::Full));

    let identity = |certificates: Option<&[CertificateDer<'static>]>| {
        peer_identity(&certificates.expect("shown")[0], &federation()).expect("verified").agency
    };
    assert_eq!(identity(server.peer_certificates()), agency("kota-bandung"));
    assert_eq!(identity(client.peer_certificates()), agency("prov-jabar"));
}

#[tokio::test]
async fn a_dialler_without_a_certificate_is_refused() {
    let members = Members::new();
    let anonymous = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier::Dialled {
            authorities: members.listed.clone(),
            agency: agency("prov-jabar"),
        }))
        .with_no_client_auth();
    let (accepted, _) = handshake(members.server(), Arc::new(anonymous)).await;
    let failure = explain(&accepted.expect_err("refused")).expect("TLS");
    assert!(matches!(failure, HandshakeFailure::NoCertificate), "{failure}");
}

#[tokio::test]
async fn a_dialler_without_tls_1_3_is_refused() {
    let members = Members::new();
    let old = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier::Dialled {
            authorities: members.listed.clone(),
            agency: agency("prov-jabar"),
        }))
        .with_no_client_auth();
    let (accepted, dialled) = handshake(members.server(), Arc::new(old)).await;
    let failure = explain(&accepted.expect_err("refused")).expect("TLS");
    assert!(matches!(failure, HandshakeFailure::Protocol(rustls::Error::PeerIncompatible(_))), "{failure}");
    assert!(dialled.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_on_either_side_with_the_day() {
    let members = Members::new();
    let expired = |id| Leaf { until: (2021, 2, 3), ..Leaf::of(id) };
    for (code, text) in [
        members.says_to(&members.bandung.issue(&expired("kota-bandung"))).await,
        members.hears_from(&members.jabar.issue(&expired("prov-jabar"))).await,
    ] {
        assert_eq!(code, "expired");
        assert!(text.contains("it expired at 2021-02-03T00:00:00Z"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_from_the_future_is_refused() {
    let members = Members::new();
    let early = Leaf { from: (2150, 1, 1), until: (2200, 1, 1), ..Leaf::of("kota-bandung") };
    assert_eq!(members.says_to(&members.bandung.issue(&early)).await.0, "not-yet-valid");
}

#[tokio::test]
async fn an_authority_outside_the_charter_counts_for_nobody() {
    let members = Members::new();
    for name in ["CA Elsewhere", "CA Bandung"] {
        let foreign = Authority::new(name);
        let (code, text) = members.says_to(&foreign.issue(&Leaf::of("kota-bandung"))).await;
        assert_eq!(code, "foreign-authority", "{text}");
        assert!(text.contains("spiffe://lapor.go.id/agency/kota-bandung") && text.contains(name), "{text}");
        assert_eq!(members.hears_from(&foreign.issue(&Leaf::of("prov-jabar"))).await.0, "foreign-authority");
    }
}

#[tokio::test]
async fn a_members_authority_counts_for_that_member_alone() {
    let members = Members::new();
    let forged = members.jabar.issue(&Leaf::of("kota-bandung"));
    let (code, text) = members.says_to(&forged).await;
    assert_eq!(code, "foreign-authority");
    assert!(
        text.contains("its issuer (CN=CA Jabar) is none of the authorities that the charter lists for kota-bandung")
    );
    assert_eq!(members.hears_from(&members.bandung.issue(&Leaf::of("prov-jabar"))).await.0, "foreign-authority");
}

#[tokio::test]
async fn an_agency_that_the_charter_does_not_list_is_refused() {
    let members = Members::new();
    let (code, text) = members.says_to(&members.bandung.issue(&Leaf::of("kota-cimahi"))).await;
    assert_eq!(code, "unknown-agency");
    assert!(text.contains("kota-cimahi"), "{text}");
}

#[tokio::test]
async fn a_certificate_with_two_uri_names_is_refused() {
    let members = Members::new();
    let mut two = Leaf::of("kota-bandung");
    two.uris.push(spiffe_id(&federation(), &agency("prov-jabar")));
    let (code, text) = members.says_to(&members.bandung.issue(&two)).await;
    assert_eq!(code, "several-uris");
    assert!(text.contains("agency/kota-bandung and spiffe://lapor.go.id/agency/prov-jabar"), "{text}");
}

#[tokio::test]
async fn an_agency_that_was_not_dialled_is_refused() {
    let members = Members::new();
    let (code, text) = members.hears_from(&members.bandung.issue(&Leaf::of("kota-bandung"))).await;
    assert_eq!(code, "other-agency");
    assert!(text.contains("it belongs to kota-bandung: prov-jabar was dialled"), "{text}");
}

#[tokio::test]
async fn replaced_authorities_count_from_the_next_handshake_on() {
    let members = Members::new();
    let own = members.bandung.issue(&Leaf::of("kota-bandung"));
    let (server, client) = (members.server(), members.client(&own));
    assert!(handshake(server.clone(), client.clone()).await.0.is_ok());
    members.listed.replace(authorities([("prov-jabar", &members.jabar)]));
    let (accepted, _) = handshake(server.clone(), client.clone()).await;
    assert_eq!(refusal(accepted.expect_err("no longer a member")).reason.code(), "unknown-agency");
    members.listed.replace(authorities([("kota-bandung", &members.bandung), ("prov-jabar", &members.jabar)]));
    assert!(handshake(server, client).await.0.is_ok());
}

#[test]
fn a_leaf_follows_the_rules_of_an_x509_svid() {
    use rcgen::{ExtendedKeyUsagePurpose as Extended, IsCa, KeyUsagePurpose as Usage};
    let authority = Authority::new("CA Bandung");
    let code = |leaf: Leaf| match peer_identity(authority.issue(&leaf).end_entity(), &federation()) {
        Ok(_) => "ok",
        Err(refusal) => refusal.reason.code(),
    };
    let leaf = || Leaf::of("kota-bandung");
    let uri = |uri: &str| Leaf { uris: vec![uri.to_owned()], ..leaf() };
    assert_eq!(code(leaf()), "ok");
    assert_eq!(code(Leaf { extended: vec![], ..leaf() }), "ok");
    assert_eq!(code(Leaf { uris: vec![], ..leaf() }), "no-uri");
    assert_eq!(code(Leaf { ca: IsCa::Ca(rcgen::BasicConstraints::Unconstrained), ..leaf() }), "is-authority");
    assert_eq!(code(Leaf { usages: vec![], ..leaf() }), "key-usage");
    assert_eq!(code(Leaf { usages: vec![Usage::KeyEncipherment], ..leaf() }), "key-usage");
    assert_eq!(code(Leaf { usages: vec![Usage::DigitalSignature, Usage::KeyCertSign], ..leaf() }), "key-usage");
    assert_eq!(code(Leaf { usages: vec![Usage::DigitalSignature, Usage::CrlSign], ..leaf() }), "key-usage");
    assert_eq!(code(Leaf { extended: vec![Extended::ServerAuth], ..leaf() }), "extended-key-usage");
    assert_eq!(code(Leaf { extended: vec![Extended::ClientAuth], ..leaf() }), "extended-key-usage");
    assert_eq!(code(uri("spiffe://other.go.id/agency/kota-bandung")), "other-federation");
    for bad in [
        "spiffe://LAPOR.go.id/agency/kota-bandung",
        "spiffe://lapor.go.id:443/agency/kota-bandung",
        "spiffe://u@lapor.go.id/agency/kota-bandung",
    ] {
        assert_eq!(code(uri(bad)), "other-federation", "{bad}");
    }
    for bad in ["", "/", "/agency", "/agency/", "/agency/kota-bandung/", "/agency/kota-bandung/x", "/agency/../x1"] {
        assert_eq!(code(uri(&format!("spiffe://{FEDERATION}{bad}"))), "not-an-agency", "{bad}");
    }
    for bad in ["?q", "#f", "%41", "/.", "//"] {
        assert_eq!(code(uri(&format!("spiffe://{FEDERATION}/agency/kota-bandung{bad}"))), "not-an-agency", "{bad}");
    }
    assert_eq!(code(uri("https://lapor.go.id/agency/kota-bandung")), "not-an-agency");
    assert_eq!(code(uri(&format!("spiffe://{FEDERATION}/{}", "a".repeat(SPIFFE_ID_BYTES)))), "uri-too-long");
}

#[test]
fn bytes_that_are_not_a_certificate_are_refused() {
    let refusal = peer_identity(&CertificateDer::from(vec![0x30, 0x00]), &federation()).expect_err("not X.509");
    assert_eq!(refusal.reason.code(), "unreadable");
    let mut long = Authority::new("CA").issue(&Leaf::of("kota-bandung")).end_entity().to_vec();
    long.push(0);
    assert_eq!(peer_identity(&long.into(), &federation()).expect_err("too long").reason.code(), "unreadable");
}

#[test]
fn an_unusable_authority_is_reported_and_all_others_still_count() {
    let (good, other) = (Authority::new("CA Bandung"), Authority::new("CA Jabar"));
    let leaf = good.issue(&Leaf::of("kota-bandung")).end_entity().clone();
    let broken = CertificateDer::from(vec![1, 2, 3]);
    let (listed, bad) = Authorities::new(
        federation(),
        [
            (agency("kota-bandung"), vec![leaf.clone(), good.certificate()]),
            (agency("prov-jabar"), vec![broken]),
            (agency("kab-bogor"), vec![other.certificate()]),
        ],
    );
    let bad: Vec<_> = bad.iter().map(|bad| (bad.agency.as_str(), bad.number)).collect();
    assert_eq!(bad, [("kota-bandung", 1), ("prov-jabar", 1)]);
    let now = jiff::Timestamp::from_second(1_750_000_000).expect("a time");
    assert!(verify(&listed, &leaf, &[], ShownBy::Client, now).is_ok());
}

#[test]
fn own_credentials_are_checked_before_a_peer_sees_them() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("CA Bandung");
    let files = authority.write(directory.path(), &Leaf::of("kota-bandung"));
    let credentials = Credentials::load(&files).expect("a matching pair");
    let at = |text: &str| text.parse().expect("a time");
    let check = |agency: &AgencyId, now| credentials.check(&federation(), agency, now);
    let identity = check(&agency("kota-bandung"), at("2026-01-01T00:00:00Z")).expect("valid");
    assert_eq!(identity.certificate.not_after, at("2100-01-01T00:00:00Z"));
    let error = check(&agency("kota-cimahi"), at("2026-01-01T00:00:00Z")).expect_err("not ours");
    assert!(matches!(error, CredentialsError::OtherAgency { .. }), "{error}");
    for (now, words) in
        [("2101-01-01T00:00:00Z", "it expired at 2100-"), ("2019-01-01T00:00:00Z", "it is valid from 2020-")]
    {
        let error = check(&agency("kota-bandung"), at(now)).expect_err("out of time").to_string();
        assert!(error.contains(words), "{error}");
    }

    let other = tempfile::tempdir().unwrap();
    let key = authority.write(other.path(), &Leaf::of("kota-bandung")).key;
    let error = Credentials::load(&sinergi_config::Tls { key, ..files.clone() }).expect_err("of another key");
    assert!(matches!(error, CredentialsError::Mismatch { .. }), "{error}");
    let swapped = sinergi_config::Tls { certificate: files.key.clone(), key: files.key };
    let error = Credentials::load(&swapped).expect_err("no certificate");
    assert!(matches!(error, CredentialsError::NotACertificate { .. }), "{error}");
}
