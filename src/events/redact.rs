//! Shows URLs without credentials and signatures.

use http::Uri;

/// Query parameters whose values grant access, in lower case.
const SECRET: [&str; 7] = [
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
];

pub(crate) fn shown(uri: &Uri) -> String {
    let mut shown = String::new();
    if let Some(scheme) = uri.scheme_str() {
        shown.push_str(scheme);
        shown.push_str("://");
    }
    if let Some(authority) = uri.authority() {
        let authority = authority.as_str();
        shown.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
    }
    shown.push_str(uri.path());
    if let Some(query) = uri.query() {
        shown.push('?');
        let parameters: Vec<_> = query.split('&').map(parameter).collect();
        shown.push_str(&parameters.join("&"));
    }
    shown
}

fn parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=***"),
        _ => parameter.to_owned(),
    }
}

/// Decodes percent-encoding first, which could hide the name.
fn is_secret(name: &str) -> bool {
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_signatures_are_not_shown() {
        let table = [
            ("https://example.com/a?b=c", "https://example.com/a?b=c"),
            ("https://me:secret@example.com/", "https://example.com/"),
            ("https://me@secret@example.com:8443/", "https://example.com:8443/"),
            ("https://a/?X-Amz-Signature=secret&x=1", "https://a/?X-Amz-Signature=***&x=1"),
            ("https://a/?x-amz-credential=secret", "https://a/?x-amz-credential=***"),
            ("https://a/?X-Amz-Security-Token=secret", "https://a/?X-Amz-Security-Token=***"),
            ("https://a/?AWSAccessKeyId=secret", "https://a/?AWSAccessKeyId=***"),
            ("https://a/?Signature=secret=secret", "https://a/?Signature=***"),
            ("https://a/?y=2&sig=secret", "https://a/?y=2&sig=***"),
            ("https://a/?X-Goog-Signature=secret", "https://a/?X-Goog-Signature=***"),
            ("https://a/?s%69g=secret", "https://a/?s%69g=***"),
            ("https://a/?sig", "https://a/?sig"),
            ("https://a/?signal=1&a=sig", "https://a/?signal=1&a=sig"),
            ("/path?sig=secret", "/path?sig=***"),
            ("example.com:443", "example.com:443"),
            ("*", "*"),
        ];
        for (url, expected) in table {
            let Ok(uri) = url.parse() else { continue };
            assert_eq!(shown(&uri), expected, "{url}");
        }
    }
}
