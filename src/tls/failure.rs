//! Describes handshake failures in a sentence.

use std::{borrow::Cow, io};

use rustls::{
    AlertDescription, CertificateError, Error as TlsError, InvalidMessage, PeerMisbehaved,
};

use crate::{
    error::{Error, Kind},
    io::closed,
    target::Target,
};

/// The error of a handshake: target and reason in the text, rustls's or the stream's own error as the source.
pub(super) fn described(error: io::Error, target: &Target) -> Error {
    let doing = |why: &str| Error::new(Kind::Tls, format!("TLS handshake with {target}: {why}"));
    match error.downcast::<rustls::Error>() {
        Ok(error) => doing(&tls(&error)).because(error),
        Err(error) => doing(stream(&error)).because(error),
    }
}

fn stream(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection",
        kind if closed::is_reset(kind) => "the server reset the connection",
        _ => "the connection failed",
    }
}

fn tls(error: &TlsError) -> Cow<'static, str> {
    match error {
        TlsError::InvalidCertificate(error) => certificate(error),
        TlsError::NoCertificatesPresented => "the server showed no certificate".into(),
        TlsError::AlertReceived(alert) => received(*alert),
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS".into()
        }
        TlsError::InvalidMessage(_)
        | TlsError::DecryptError
        | TlsError::PeerSentOversizedRecord => "the server sent something that is not TLS".into(),
        TlsError::InappropriateMessage { .. } | TlsError::InappropriateHandshakeMessage { .. } => {
            "the server sent something out of turn".into()
        }
        TlsError::PeerIncompatible(_) => "there is no version or cipher of TLS in common".into(),
        TlsError::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            "the server chose a protocol that was not offered".into()
        }
        TlsError::PeerMisbehaved(_) => "the server does not keep to the rules of TLS".into(),
        TlsError::NoApplicationProtocol => "the server speaks none of the protocols offered".into(),
        _ => "TLS failed".into(),
    }
}

fn certificate(error: &CertificateError) -> Cow<'static, str> {
    use CertificateError::*;
    let why = match error {
        NotValidForName | NotValidForNameContext { .. } => {
            "the certificate is not valid for this name"
        }
        Expired | ExpiredContext { .. } => "the certificate has expired",
        NotValidYet | NotValidYetContext { .. } => "the certificate is not valid yet",
        UnknownIssuer => "the certificate is not from an issuer that is trusted",
        Revoked => "the certificate was revoked",
        InvalidPurpose | InvalidPurposeContext { .. } => "the certificate is not one for servers",
        BadSignature => "the signature of the certificate is wrong",
        BadEncoding => "the certificate cannot be read",
        UnhandledCriticalExtension => {
            "the certificate has a critical extension that is unknown here"
        }
        UnsupportedSignatureAlgorithmContext { .. }
        | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the signature algorithm of the certificate is not supported"
        }
        Other(other) => return other_certificate(&*other.0),
        _ => "the certificate was refused",
    };
    why.into()
}

/// Reasons of a verifier's own error type, whose texts are no sentences.
fn other_certificate(error: &(dyn std::error::Error + 'static)) -> Cow<'static, str> {
    use webpki::Error::*;
    let why = match error.downcast_ref::<webpki::Error>() {
        Some(CaUsedAsEndEntity) => {
            "the certificate is self-signed, or that of an authority (CA): it is marked as a CA and not as a server's"
        }
        Some(EndEntityUsedAsCa) => "the certificate was issued by one that is no authority (CA)",
        Some(NameConstraintViolation) => {
            "the certificate has a name that its authority (CA) may not certify (name constraints)"
        }
        Some(PathLenConstraintViolated) => {
            "the certificate has more authorities (CAs) above it than the path length of one allows"
        }
        Some(_) => return format!("the certificate was refused: {error}").into(),
        // The platform's verifier returns a type that cannot be named here.
        None if error.to_string() == EKU => "the certificate is not one for servers",
        None => return format!("the certificate was refused: {error}").into(),
    };
    why.into()
}

/// The text of `rustls-platform-verifier` for a certificate with another extended key usage.
const EKU: &str = "certificate had invalid extensions";

fn received(alert: AlertDescription) -> Cow<'static, str> {
    match alert {
        AlertDescription::HandshakeFailure => "the server refused what was offered".into(),
        AlertDescription::ProtocolVersion => "the server speaks no version of TLS in common".into(),
        AlertDescription::UnrecognisedName => "the server does not know this name".into(),
        AlertDescription::NoApplicationProtocol => {
            "the server speaks none of the protocols offered".into()
        }
        AlertDescription::CertificateRequired => "the server wants a client certificate".into(),
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => "the server refused the client certificate".into(),
        other => format!("the server ended it with the alert {other:?}").into(),
    }
}
