//! Stands in for IDNA without its feature: host names must be ASCII.

use crate::error::Error;

pub(crate) fn to_ascii(host: &str) -> Result<String, Error> {
    let text =
        format!("the host `{host}` is not ASCII: enable the feature `idna`, or write it in ASCII");
    Err(Error::builder(text))
}
