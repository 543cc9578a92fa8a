//! The TLS configuration that all workers share: trusted certificates and client certificate; and what every client
//! offers and keeps.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::Error;
use crate::plan::{Auth, HttpChoice, Plan};

/// The TLS tickets that a virtual user keeps, of all servers.
pub(crate) const TICKETS: usize = 32;

/// The protocols that a handshake offers to a server (ALPN), which chooses one.
pub(crate) fn protocols(version: HttpChoice) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match version {
        HttpChoice::Auto => &[b"h2", b"http/1.1"],
        HttpChoice::Http1 => &[b"http/1.1"],
        HttpChoice::Http2 => &[b"h2"],
    };
    names.iter().map(|name| name.to_vec()).collect()
}

/// The TLS configuration that all workers share.
#[derive(Clone)]
pub struct TlsConfig {
    /// Without its own store of sessions: each virtual user has one.
    pub config: rustls::ClientConfig,
    /// What `config` verifies certificates with; `None` if it accepts none.
    pub verifier: Option<Arc<dyn ServerCertVerifier>>,
}

/// The TLS configuration that all workers share: the certificates this machine and the plan trust,
/// and the client's own.
///
/// # Errors
/// When this machine has no certificates and `plan` needs some.
pub(super) fn tls_config(plan: &Plan, base: &str) -> Result<TlsConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = || {
        rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Tls(error.to_string()))
    };
    let tls = &plan.transport.tls;
    let extra = || tls.authorities.iter().flat_map(|one| &one.certificates);
    let verifier: Option<Arc<dyn ServerCertVerifier>> = if tls.insecure {
        Some(Arc::new(NoVerification::new(&provider)))
    } else {
        match Verifier::new_with_extra_roots(extra().cloned(), provider.clone()) {
            Ok(verifier) => Some(Arc::new(TrustVerifier {
                verifier,
                given: extra().cloned().collect(),
            })),
            Err(error) if needs_certificates(plan, base) => {
                return Err(Error::Certificates(error.to_string()));
            }
            // Nothing is verified: no URL of the plan is https.
            Err(_) => None,
        }
    };
    let trusting = match &verifier {
        Some(verifier) => builder()?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone()),
        None => builder()?.with_root_certificates(rustls::RootCertStore::empty()),
    };
    let mut config = match &tls.identity {
        None => trusting.with_no_client_auth(),
        Some(identity) => trusting.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
            identity.certified.clone(),
        ))),
    };
    config.alpn_protocols = protocols(HttpChoice::Auto);
    Ok(TlsConfig { config, verifier })
}

fn needs_certificates(plan: &Plan, base: &str) -> bool {
    let is_https = |url: &str| url.starts_with("https:");
    let has_token = |auth: &Auth| auth.token_url().is_some_and(is_https);
    is_https(base)
        || (plan.transport.proxy.iter()).any(|proxy| is_https(&proxy.url))
        || (plan.endpoints.iter()).any(|endpoint| {
            is_https(endpoint.url.source()) || endpoint.auth.as_deref().is_some_and(has_token)
        })
}

/// Trusts what the machine trusts and the certificates that the plan names: as CAs, and where a server
/// shows one of them itself. `openssl req -x509` makes such a certificate, which is its own CA.
#[derive(Debug)]
struct TrustVerifier {
    verifier: Verifier,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for TrustVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = (self.verifier).verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if is_ca(&error) && self.given.contains(end_entity) => {
                // Its time was looked at before; its name was not.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        (self.verifier).verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        (self.verifier).verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Whether a certificate was refused only because it is that of a CA.
fn is_ca(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    let cause = other.0.downcast_ref::<webpki::Error>();
    cause == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Accepts any certificate, but still requires the handshake to be signed with its key.
#[derive(Debug)]
struct NoVerification(WebPkiSupportedAlgorithms);

impl NoVerification {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
