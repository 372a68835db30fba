//! Certificates: a node refuses a bad one with a reason that its operator sees. No other link is affected.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_cli::pki::NodeCertificate;
use sinergi_daemon::transport::tls::{self, Authorities, Credentials, SharedAuthorities};
use sinergi_tests::certificate::{authority_of, expired, foreign_authority, issued_by, of_two_agencies, uri_of};
use sinergi_tests::federation::{NAME, PATIENCE, TestFederation, TestNode, agency, province_and_city};
use sinergi_tests::peer::Impostor;
use sinergi_tests::program::run_on;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// A province that is linked with its city, and a ministry whose node does not run: the test dials the province in its place.
struct Scene {
    federation: TestFederation,
    ministry: Impostor,
}

impl Scene {
    async fn start() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency("kominfo"), Kind::Ministry));
        let mut federation = TestFederation::make(agencies);
        for id in ["prov-jabar", "kota-bandung"] {
            federation.start_node(id).await;
        }
        for (here, there) in [("kota-bandung", "prov-jabar"), ("prov-jabar", "kota-bandung")] {
            federation.node(here).await.sees_peer(there, |peer| peer.state == "linked").await;
        }
        let ministry = Impostor::of(&federation.folder_of("kominfo"));
        Self { federation, ministry }
    }

    async fn province(&self) -> TestNode {
        self.federation.node("prov-jabar").await
    }

    /// Waits until the province has logged a line with all these words.
    async fn province_logs(&self, words: &[&str]) {
        let logged = wait::until(PATIENCE, async || {
            let log = self.federation.log_of("prov-jabar");
            Ok::<_, ()>(log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(()))
        });
        assert_eq!(logged.await, Ok(Some(())), "no line with {words:?}: {}", self.federation.log_of("prov-jabar"));
    }

    /// Asserts that the province refuses this certificate, logs that, and shows the reason for the peer that the certificate names.
    async fn is_refused(&self, credentials: &Credentials, named: &str, reason: &str) {
        let address = self.federation.address_of("prov-jabar");
        let dialled = self.ministry.dial_with(credentials, &agency("prov-jabar"), &address).await;
        let told = dialled.err().expect("refused").to_string();
        assert!(!told.contains(reason), "the dialler must learn only that it was refused: {told}");
        self.province_logs(&["refused a connection", &uri_of(named), reason]).await;
        let peer = self.province().await.sees_peer("kominfo", |peer| peer.last_error.contains(reason)).await;
        assert!(peer.state != "linked" && peer.first_failure > 0, "{peer:?}");
        self.others_are_unaffected().await;
    }

    /// Asserts that a complaint passes over the link that was up the whole time.
    async fn others_are_unaffected(&self) {
        let (city, province) = (self.federation.node("kota-bandung").await, self.province().await);
        let lodged = city.lodges("Jalan rusak").await;
        city.forwards(lodged.complaint, "prov-jabar").await;
        province.accepts(lodged.complaint).await;
        city.sees(lodged.complaint, |seen| seen.holder == "prov-jabar").await;
        let peer = province.peer("kota-bandung").await;
        assert_eq!((peer.state.as_str(), peer.last_error.as_str()), ("linked", ""), "{peer:?}");
    }

    /// The output of `sinergi peer list` at a node, without line breaks.
    fn peer_list(&self, id: &str) -> String {
        let said = run_on(&self.federation.folder_of(id), &["peer", "list"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Begins TLS with the province, and returns the error that ends the connection.
    async fn raw_tls(&self, config: ClientConfig) -> std::io::Error {
        let stream = TcpStream::connect(self.federation.address_of("prov-jabar")).await.expect("it listens");
        let spoken = async {
            let mut stream = TlsConnector::from(Arc::new(config)).connect(tls::server_name(), stream).await?;
            // In TLS 1.3 the dialler's handshake has ended by now. It learns of a refusal only when it reads.
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
            stream.read_u8().await
        };
        let spoken = tokio::time::timeout(PATIENCE, spoken).await.expect("the node answers in time");
        spoken.expect_err("the node says nothing but an alert")
    }
}

/// Shows no certificate.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Accepts every certificate, because the test is about the other side's reaction.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::test]
async fn the_ministry_s_own_certificate_is_accepted() {
    let scene = Scene::start().await;
    let good = issued_by(&authority_of(&scene.federation.folder_of("kominfo")), "kominfo");
    let address = scene.federation.address_of("prov-jabar");
    let dialled = scene.ministry.dial_with(&good, &agency("prov-jabar"), &address).await;
    let mut connection =
        dialled.expect("an unchanged certificate is accepted, so the other tests fail for the reason they claim");
    connection.greet(&scene.ministry).await;
    scene.province().await.sees_peer("kominfo", |peer| peer.state == "linked" && peer.last_error.is_empty()).await;
}

#[tokio::test]
async fn a_dialler_without_a_certificate_is_refused() {
    let scene = Scene::start().await;
    let charter_store = &scene.ministry.member.charter_store;
    let (authorities, _) =
        Authorities::of_charter(scene.ministry.member.config.federation.clone(), &charter_store.newest());
    let own = Credentials::load(&scene.ministry.member.config.tls).expect("the ministry's own");
    let mut config = (*tls::client_config(&own, SharedAuthorities::new(authorities), agency("prov-jabar"))).clone();
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    let error = scene.raw_tls(config).await;
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    scene.province_logs(&["refused a connection: the peer showed no certificate: every node must show one"]).await;
    scene.others_are_unaffected().await;
}

#[tokio::test]
async fn a_dialler_that_speaks_only_tls_1_2_is_refused() {
    let scene = Scene::start().await;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .expect("the library can")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    let error = scene.raw_tls(config).await;
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    scene.province_logs(&["refused a connection: TLS: ", "127.0.0.1"]).await;
    scene.others_are_unaffected().await;
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_refused() {
    let scene = Scene::start().await;
    let mut stream = TcpStream::connect(scene.federation.address_of("prov-jabar")).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: prov-jabar\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the node ends the connection").ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    scene.province_logs(&["refused a connection: TLS: "]).await;
    scene.others_are_unaffected().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_end_and_the_agency_that_must_renew_it() {
    let scene = Scene::start().await;
    let certificate = expired(&authority_of(&scene.federation.folder_of("kominfo")), "kominfo");
    scene.is_refused(&certificate, "kominfo", "it expired at 20").await;
    assert!(scene.peer_list("prov-jabar").contains("its agency has to renew it (`sinergi pki renew`)"));
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_the_charter_does_not_list_is_refused() {
    let scene = Scene::start().await;
    let certificate = issued_by(&foreign_authority("kominfo"), "kominfo");
    let reason = "is none of the authorities that the charter lists for kominfo";
    scene.is_refused(&certificate, "kominfo", reason).await;
    assert!(scene.peer_list("prov-jabar").contains(reason));
}

#[tokio::test]
async fn an_authority_that_the_charter_lists_for_one_member_cannot_certify_another() {
    let scene = Scene::start().await;
    let certificate = issued_by(&authority_of(&scene.federation.folder_of("kota-bandung")), "kominfo");
    let reason =
        "(OU=Sinergi authority, CN=kota-bandung) is none of the authorities that the charter lists for kominfo";
    scene.is_refused(&certificate, "kominfo", reason).await;
}

#[tokio::test]
async fn a_certificate_that_names_two_agencies_is_refused() {
    let scene = Scene::start().await;
    let certificate = of_two_agencies(&scene.federation.folder_of("kominfo"), ["kominfo", "kota-bandung"]);
    let address = scene.federation.address_of("prov-jabar");
    let dialled = scene.ministry.dial_with(&certificate, &agency("prov-jabar"), &address).await;
    dialled.err().expect("refused");
    let reason = "it has 2 URI names: must have exactly one";
    scene.province_logs(&["refused a connection", &uri_of("kominfo"), &uri_of("kota-bandung"), reason]).await;
    // The city, whose name was abused, stays linked, and the province's operator sees what happened.
    let province = scene.province().await;
    for named in ["kominfo", "kota-bandung"] {
        province.sees_peer(named, |peer| peer.last_error.contains(reason)).await;
    }
    assert_eq!(province.peer("kota-bandung").await.state, "linked");
    let city = scene.federation.node("kota-bandung").await;
    let lodged = city.lodges("Jalan rusak").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
    city.sees(lodged.complaint, |seen| seen.holder == "prov-jabar").await;
}

#[tokio::test]
async fn a_certificate_of_an_agency_that_is_not_in_the_charter_is_refused() {
    let scene = Scene::start().await;
    let certificate = issued_by(&authority_of(&scene.federation.folder_of("kominfo")), "kab-garut");
    let address = scene.federation.address_of("prov-jabar");
    let dialled = scene.ministry.dial_with(&certificate, &agency("prov-jabar"), &address).await;
    dialled.err().expect("refused");
    let reason = "the charter in force here lists no agency kab-garut";
    scene.province_logs(&["refused a connection", &uri_of("kab-garut"), reason]).await;
    assert!(scene.province().await.peer("kominfo").await.last_error.is_empty(), "it does not name the ministry");
    scene.others_are_unaffected().await;
}

#[tokio::test]
async fn a_node_whose_certificate_a_peer_refuses_says_so_and_where_to_look() {
    let mut federation = TestFederation::make_with_links(province_and_city(), &[("kota-bandung", "prov-jabar")]);
    let (folder, files) = (federation.folder_of("kota-bandung"), ["keys/tls.crt", "keys/tls.key"]);
    let foreign = foreign_authority("kota-bandung");
    let federation_name = NAME.parse().expect("a federation name");
    let certificate =
        NodeCertificate { federation: federation_name, agency: agency("kota-bandung"), names: vec![], days: 9 };
    let pair = certificate.issue(&foreign, jiff::Timestamp::now()).expect("a certificate");
    for (file, text) in files.iter().zip([pair.certificate, pair.key]) {
        std::fs::write(folder.join(file), text).expect("written");
    }
    federation.start_node("prov-jabar").await;
    federation.start_node("kota-bandung").await;
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("peers will refuse this node"), "the operator is told before any peer refuses: {log}");
    let city = federation.node("kota-bandung").await;
    let refused = "the peer refused this node's certificate";
    city.sees_peer("prov-jabar", |peer| peer.last_error.contains(refused)).await;
}

#[tokio::test]
async fn a_node_that_reaches_another_agency_than_it_dialled_says_so_and_links_when_the_endpoint_is_right() {
    let mut agencies = province_and_city();
    agencies.insert(1, Agency::new(agency("kominfo"), Kind::Ministry));
    let links = [("kota-bandung", "prov-jabar"), ("kota-bandung", "kominfo")];
    let mut federation = TestFederation::make_with_links(agencies, &links);
    let file = federation.folder_of("kota-bandung").join("sinergid.toml");
    let right = std::fs::read_to_string(&file).expect("a configuration");
    let (province, ministry) = (federation.address_of("prov-jabar"), federation.address_of("kominfo"));
    let swapped = right.replace(&province, "?").replace(&ministry, &province).replace('?', &ministry);
    assert_ne!(swapped, right);
    std::fs::write(&file, swapped).expect("written");
    for id in ["prov-jabar", "kominfo", "kota-bandung"] {
        federation.start_node(id).await;
    }
    let city = federation.node("kota-bandung").await;
    for (dialled, found) in [("prov-jabar", "kominfo"), ("kominfo", "prov-jabar")] {
        let reason = format!("it belongs to {found}: {dialled} was dialled; is the endpoint in sinergid.toml right?");
        let peer = city.sees_peer(dialled, |peer| peer.last_error.contains(&reason)).await;
        assert!(peer.last_error.contains(&uri_of(found)) && peer.state != "linked", "{peer:?}");
        let shown = run_on(&federation.folder_of("kota-bandung"), &["peer", "list"]).out;
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(&reason), "{shown}");
    }
    federation.stop_node("kota-bandung").await;
    std::fs::write(&file, right).expect("written");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
}
