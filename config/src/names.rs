//! Values with a rule of their own: the federation's name, a peer's endpoint, the pin of the first charter.
//!
//! They must not know the file or the field that they come from.
//!
//! Invariants: every value follows its rule, and its `Display` text parses to an equal value.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use sinergi_proto::base::limits;

/// The reason why a text is not a valid value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Not a federation name.
    #[error(
        "federation {0:?} is not a SPIFFE trust domain: 1 to 255 characters of a-z, 0-9, '-', '_' and inner single dots"
    )]
    Federation(String),
    /// Not an endpoint.
    #[error(
        "endpoint {0:?} is not \"host:port\" with a host name or address (IPv6 in brackets) and a port from 1 to 65535"
    )]
    Endpoint(String),
    /// Not a pin.
    #[error("charter pin {0:?} is not the 64 hexadecimal digits of a SHA-256")]
    Pin(String),
}

/// Shortens a value for an error message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The name of a federation: a SPIFFE trust domain, for example `lapor.go.id`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Federation(Arc<str>);

impl Federation {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Federation {
    type Err = NameError;

    /// SPIFFE-ID, section 2.1. Empty labels are refused as well, because the name is also a part of checkpoint origins.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=limits::FEDERATION_BYTES).contains(&text.len())
            && text.bytes().all(allowed)
            && text.split('.').all(|label| !label.is_empty())
        {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Federation(shown(text)))
        }
    }
}

impl fmt::Display for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address to dial a node at: a host name or IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Host name, IPv4 address, or IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, at least 1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError::Endpoint(shown(text));
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(refused)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| refused())?.to_string(),
            None => Some(host).filter(|host| is_host_name(host)).ok_or_else(refused)?.to_owned(),
        };
        Ok(Self { host, port })
    }
}

/// Whether a text is labels of letters, digits, inner hyphens and underscores. IPv4 addresses have this form too.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// SHA-256 of the first charter's text. All trust of a node begins here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CharterPin(pub [u8; 32]);

impl FromStr for CharterPin {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| NameError::Pin(shown(text)))
    }
}

impl fmt::Display for CharterPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl fmt::Debug for CharterPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_federation_is_a_trust_domain() {
        for good in ["lapor.go.id", "jabar", "a_b-1"] {
            assert_eq!(good.parse::<Federation>().expect(good).to_string(), good);
        }
        for bad in ["", "Lapor", "a..b", ".a", "a.", "a/b", "a:1", "a b", "a%20", "a+b", &"a".repeat(256)] {
            assert_eq!(bad.parse::<Federation>(), Err(NameError::Federation(shown(bad))));
        }
    }

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        for good in ["sinergi.bandung.go.id:7443", "127.0.0.1:1", "[2001:db8::1]:65535", "localhost:7443"] {
            assert_eq!(good.parse::<Endpoint>().expect(good).to_string(), good);
        }
        for bad in ["", "host", "host:", ":7443", "host:0", "host:65536", "::1:7443", "[::1", "https://h:1", "a b:1"] {
            assert_eq!(bad.parse::<Endpoint>(), Err(NameError::Endpoint(bad.to_owned())));
        }
    }

    #[test]
    fn a_pin_is_a_sha_256_in_hexadecimal() {
        let text = "0f".repeat(32);
        assert_eq!(text.parse::<CharterPin>().expect("64 digits"), CharterPin([0x0f; 32]));
        assert_eq!(text.to_uppercase().parse::<CharterPin>().expect("upper case").to_string(), text);
        assert!(text[1..].parse::<CharterPin>().is_err());
        assert!("zz".repeat(32).parse::<CharterPin>().is_err());
    }
}
