//! Host names that are not ASCII, by the rules of UTS 46.

use crate::error::Error;

pub(crate) fn to_ascii(host: &str) -> Result<String, Error> {
    let wrong = |_| Error::builder(format!("the host `{host}` is not a valid name (IDNA)"));
    idna::domain_to_ascii_strict(host).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use crate::request::IntoUrl;

    #[test]
    fn a_host_that_is_not_ascii_is_converted() {
        let uri = "https://Bücher.example:8443/a".into_url().unwrap();
        assert_eq!(uri, "https://xn--bcher-kva.example:8443/a");
    }

    #[test]
    fn a_host_that_is_no_name_is_refused() {
        assert!("https://ü..example/".into_url().unwrap_err().is_builder());
    }
}
