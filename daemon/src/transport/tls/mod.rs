//! TLS between nodes: decides which agency is at the other end of a connection.
//!
//! It knows certificates and the authorities that the charter lists for each member. It must not know what is sent over
//! the connection, nor how the charter is stored or adopted.
//!
//! ```text
//! charter --authorities--> SharedAuthorities --(each handshake)--> verifier --> PeerIdentity | Refusal
//! own files ------------> Credentials ------> server_config / client_config
//! failed connection ----> explain ----------> the reason, for the operator
//! ```
//!
//! Invariants:
//! - TLS 1.3 alone, X25519MLKEM768 preferred, one provider (aws-lc-rs), always named explicitly;
//! - both sides show a certificate, and the agency comes from it;
//! - a certificate counts under the authorities listed for the member that it names, and under no others;
//! - no TLS session is resumed: a resumed session skips the certificate check, so an expired certificate or a newer charter would not count.

mod authorities;
mod certificate;
mod credentials;
mod failure_recorder;
mod identity;
mod refusal;
#[cfg(test)]
mod tests;
mod verifier;

use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use sinergi_proto::base::ids::AgencyId;

pub use authorities::{Authorities, BadAuthority, SharedAuthorities};
pub use certificate::{CertificateSummary, SPIFFE_ID_BYTES};
pub use credentials::{Credentials, CredentialsError};
pub use failure_recorder::{FailureRecorder, FirstFailure};
pub use identity::{PeerIdentity, peer_identity, spiffe_id};
pub use refusal::{HandshakeFailure, Refusal, RefusalReason, explain};
pub use verifier::{ShownBy, verify};

/// The application protocol: HTTP/2, for gRPC.
const ALPN: &[u8] = b"h2";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    use aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![X25519MLKEM768, X25519, SECP256R1];
    provider.cipher_suites.retain(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_256_GCM_SHA384
                | CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        )
    });
    Arc::new(provider)
});

/// The only cryptography provider of the daemon, with our order of key exchanges.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// The TLS configuration for accepting connections. Build it again when the credentials change. A change of the authorities
/// needs no new one, because they are shared.
pub fn server_config(credentials: &Credentials, authorities: SharedAuthorities) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites and key exchanges")
        .with_client_cert_verifier(Arc::new(verifier::Dialler { authorities }))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Arc::new(config)
}

/// The TLS configuration for dialling `agency`. The handshake fails if another agency answers.
pub fn client_config(credentials: &Credentials, authorities: SharedAuthorities, agency: AgencyId) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites and key exchanges")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier::Dialled { authorities, agency }))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The server name has no use here (the verifier checks the URI) and would be readable on the wire.
    config.enable_sni = false;
    Arc::new(config)
}

/// The server name that rustls requires for a connection with [`client_config`]. It is neither sent nor checked.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("node.invalid").expect("a DNS name")
}
