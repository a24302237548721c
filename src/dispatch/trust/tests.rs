//! Certificates made for the purpose, and servers that show them.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// A file of certificates in memory.
pub fn pem(name: &str, bytes: &[u8], hosts: &[&str]) -> PemFile {
    PemFile {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
    }
}

/// A certificate and its key.
pub struct Made {
    pub pem: String,
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

/// The certificate of the tests' relay: for localhost, and it vouches for itself.
pub fn fixture() -> Made {
    use rustls::pki_types::pem::PemObject;
    let pem = include_str!("../../../tests/fixtures/relay-cert.pem");
    let key = include_bytes!("../../../tests/fixtures/relay-key.pem");
    Made {
        pem: pem.to_owned(),
        certificate: CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"),
        key: PrivateKeyDer::from_pem_slice(key).expect("a key"),
    }
}

/// What a certificate is to be like.
pub struct Wanted {
    name: &'static str,
    hosts: &'static [&'static str],
    years: (i32, i32),
    is_authority: bool,
}

const LEAF: Wanted = Wanted {
    name: "hooks",
    hosts: &["localhost"],
    years: (2020, 2100),
    is_authority: false,
};

impl Wanted {
    fn parameters(&self) -> CertificateParams {
        let hosts: Vec<String> = self.hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).expect("host names");
        parameters.distinguished_name.push(DnType::CommonName, self.name);
        parameters.not_before = date_time_ymd(self.years.0, 1, 1);
        parameters.not_after = date_time_ymd(self.years.1, 1, 1);
        if self.is_authority {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        parameters
    }

    /// Vouches for itself.
    pub fn self_signed(&self) -> Made {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.parameters().self_signed(&key).expect("a certificate");
        Made {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    /// With an authority that vouches for it; the authority's certificate is the second.
    pub fn vouched(&self) -> (Made, String) {
        let authority = Wanted {
            name: "Contoso Root",
            hosts: &[],
            years: (2020, 2100),
            is_authority: true,
        };
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(authority.parameters(), key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = self.parameters().signed_by(&key, &issuer).expect("a certificate");
        let made = Made {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        };
        (made, issuer.pem())
    }
}

/// What a server inside TLS needs.
pub fn acceptor(made: &Made) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let chain = vec![made.certificate.clone()];
            builder
                .with_no_client_auth()
                .with_single_cert(chain, made.key.clone_key())
        });
    TlsAcceptor::from(Arc::new(config.expect("a configuration")))
}

/// What a client that trusts these files says of a server that shows this certificate, asked for as `host`.
async fn met(made: &Made, files: &[PemFile], host: &'static str) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let acceptor = acceptor(made);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.is_ok()
    });
    let client = Trust::new(files).expect("certificates").client().expect("TLS");
    let stream = TcpStream::connect(address).await.expect("connects");
    let name = ServerName::try_from(host).expect("a name");
    let met = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
    let met = met
        .map(drop)
        .map_err(|error| Untrusted::of(&error).unwrap_or_else(|| format!("no reason: {error}")));
    assert_eq!(server.await.expect("a server"), met.is_ok());
    met
}

#[tokio::test]
async fn an_authority_of_one_s_own_vouches_for_its_servers_only() {
    let (leaf, authority) = LEAF.vouched();
    let said = met(&leaf, &[], "localhost").await.expect_err("not trusted");
    assert!(said.contains("nobody who is trusted here vouches for it"), "{said}");
    assert!(
        said.contains("subject `CN=hooks`, issued by `CN=Contoso Root`"),
        "{said}"
    );
    assert!(
        said.contains("valid from 2020-01-01 to 2100-01-01") && said.contains("`trust: FILE.pem`"),
        "{said}"
    );
    let file = pem("ca.pem", authority.as_bytes(), &[]);
    assert_eq!(met(&leaf, std::slice::from_ref(&file), "localhost").await, Ok(()));
    let (other, _) = LEAF.vouched();
    assert!(met(&other, &[file], "localhost").await.is_err());
}

#[tokio::test]
async fn an_authority_for_one_host_counts_there_only() {
    let hosts = Wanted {
        hosts: &["localhost", "other.example"],
        ..LEAF
    };
    let (leaf, authority) = hosts.vouched();
    let files = [pem("ca.pem", authority.as_bytes(), &["localhost"])];
    assert_eq!(met(&leaf, &files, "localhost").await, Ok(()));
    assert!(met(&leaf, &files, "other.example").await.is_err());
}

#[tokio::test]
async fn a_leaf_that_vouches_for_itself_is_pinned_exactly() {
    let leaf = LEAF.self_signed();
    let said = met(&leaf, &[], "localhost").await.expect_err("not trusted");
    assert!(
        said.contains("it vouches for itself") && said.contains("for: localhost"),
        "{said}"
    );
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &[]);
    assert_eq!(met(&leaf, std::slice::from_ref(&file), "localhost").await, Ok(()));
    // another one with the same names
    let other = LEAF.self_signed();
    assert!(met(&other, &[file], "localhost").await.is_err());
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &["localhost"]);
    let said = met(&other, &[file], "localhost").await.expect_err("another one");
    assert!(said.contains("another one than in leaf.pem"), "{said}");
}

#[tokio::test]
async fn a_leaf_made_by_one_command_says_that_it_is_an_authority_and_is_pinned_all_the_same() {
    let leaf = Wanted {
        is_authority: true,
        ..LEAF
    };
    let leaf = leaf.self_signed();
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &[]);
    assert_eq!(met(&leaf, &[file], "localhost").await, Ok(()));
}

#[tokio::test]
async fn a_pinned_leaf_vouches_for_nobody() {
    let issuer = CertifiedIssuer::self_signed(LEAF.parameters(), KeyPair::generate().expect("a key")).expect("one");
    let key = KeyPair::generate().expect("a key");
    let signed = LEAF.parameters().signed_by(&key, &issuer).expect("a certificate");
    let made = Made {
        pem: signed.pem(),
        certificate: signed.der().clone(),
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    let file = pem("leaf.pem", issuer.pem().as_bytes(), &[]);
    assert!(met(&made, &[file], "localhost").await.is_err());
}

#[tokio::test]
async fn a_leaf_pinned_for_all_must_be_for_the_host_and_one_pinned_for_a_host_need_not() {
    let nameless = Wanted { hosts: &[], ..LEAF };
    let leaf = nameless.self_signed();
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &[]);
    let said = met(&leaf, &[file], "localhost").await.expect_err("not for it");
    assert!(said.contains("it is for no host"), "{said}");
    assert!(
        said.contains("trust: [{ certificates: leaf.pem, for: localhost }]"),
        "{said}"
    );
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &["localhost"]);
    assert_eq!(met(&leaf, std::slice::from_ref(&file), "localhost").await, Ok(()));
    assert!(met(&leaf, &[file], "other.example").await.is_err());
}

#[tokio::test]
async fn a_certificate_out_of_its_time_or_for_another_host_says_so() {
    let expired = Wanted {
        years: (2020, 2021),
        ..LEAF
    };
    let (leaf, authority) = expired.vouched();
    let files = [pem("ca.pem", authority.as_bytes(), &[])];
    let said = met(&leaf, &files, "localhost").await.expect_err("expired");
    assert!(
        said.contains("it expired on 2021-01-01") && said.contains("must renew it"),
        "{said}"
    );
    let early = Wanted {
        years: (2090, 2100),
        ..LEAF
    };
    let (leaf, authority) = early.vouched();
    let files = [pem("ca.pem", authority.as_bytes(), &[])];
    let said = met(&leaf, &files, "localhost").await.expect_err("too early");
    assert!(
        said.contains("it is not valid before 2090-01-01") && said.contains("clock"),
        "{said}"
    );
    let (leaf, authority) = LEAF.vouched();
    let files = [pem("ca.pem", authority.as_bytes(), &[])];
    let said = met(&leaf, &files, "other.example").await.expect_err("for another");
    assert!(said.contains("it is for localhost, not for `other.example`"), "{said}");
    let leaf = expired.self_signed();
    let file = pem("leaf.pem", leaf.pem.as_bytes(), &["localhost"]);
    let said = met(&leaf, &[file], "localhost").await.expect_err("expired");
    assert!(
        said.contains("out of its time") && said.contains("put the new one into leaf.pem"),
        "{said}"
    );
}

#[tokio::test]
async fn a_certificate_s_names_are_shown_without_controls() {
    let hostile = Wanted {
        name: "a\r\nb\u{1b}[31m",
        ..LEAF
    };
    let said = met(&hostile.self_signed(), &[], "localhost")
        .await
        .expect_err("not trusted");
    assert!(!said.contains(['\r', '\n', '\u{1b}']), "{said:?}");
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    let error = Trust::new(&[pem("/etc/ca.pem", b"no certificate", &[])]).expect_err("none");
    assert!(
        error.to_string().contains("/etc/ca.pem holds no certificate"),
        "{error}"
    );
}
