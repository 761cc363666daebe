//! What the handshake does with clients' certificates: proves the key, and hands them on.

use std::future::Future;
use std::io;
use std::pin::Pin;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio_rustls::server::TlsStream;
use tower::Layer as _;

use crate::authenticate::Peer;

/// Takes any certificate, or none, if the client proves that it has the key.
///
/// This says nothing of who it is: [`crate::authenticate`] asks the authorities with every request,
/// where a refusal has a reason and is counted.
#[derive(Debug)]
pub(super) struct Shown(WebPkiSupportedAlgorithms);

impl Shown {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ClientCertVerifier for Shown {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Accepts TLS connections, and gives each of their requests what the client has shown.
#[derive(Debug, Clone)]
pub(crate) struct PeerAcceptor<A>(pub(crate) RustlsAcceptor<A>);

impl<A, I, S, T> Accept<I, S> for PeerAcceptor<A>
where
    RustlsAcceptor<A>: Accept<I, S, Stream = TlsStream<T>, Service = S>,
    <RustlsAcceptor<A> as Accept<I, S>>::Future: Send + 'static,
    S: 'static,
{
    type Stream = TlsStream<T>;
    type Service = AddExtension<S, Option<Peer>>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let peer = Peer::of(stream.get_ref().1.peer_certificates());
            Ok((stream, Extension(peer).layer(service)))
        })
    }
}
