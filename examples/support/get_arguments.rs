//! The command line of `get`, read by hand.

pub(crate) const USAGE: &str = "usage: get [options] URL
  -X METHOD     the method; by default GET, or POST with a body
  -d TEXT       a body, as a form sends it; -d @FILE sends a file
  --json TEXT   a body of JSON
  -H 'N: V'     a header field
  -u USER:PASS  who we are to the server, by Basic
  -x PROXY      a proxy, instead of those of the environment
  -L            follows redirects
  -o FILE       writes the body to a file
  -v            tells what is done on the way";

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) url: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) user: Option<(String, String)>,
    pub(crate) proxy: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) follows: bool,
    pub(crate) is_verbose: bool,
}

/// `None` for what cannot be meant.
pub(crate) fn parse(arguments: &[String]) -> Option<Arguments> {
    let mut parsed = Arguments::default();
    let mut rest = arguments.iter().cloned();
    while let Some(argument) = rest.next() {
        match &*argument {
            "-X" => parsed.method = Some(rest.next()?),
            "-d" => parsed.set_body(rest.next()?, "application/x-www-form-urlencoded"),
            "--json" => parsed.set_body(rest.next()?, "application/json"),
            "-H" => parsed.fields.push(pair(&rest.next()?)?),
            "-u" => parsed.user = Some(pair(&rest.next()?)?),
            "-x" => parsed.proxy = Some(rest.next()?),
            "-o" => parsed.file = Some(rest.next()?),
            "-L" => parsed.follows = true,
            "-v" => parsed.is_verbose = true,
            url if !url.starts_with('-') && parsed.url.is_none() => parsed.url = Some(argument),
            _ => return None,
        }
    }
    parsed.url.is_some().then_some(parsed)
}

fn pair(text: &str) -> Option<(String, String)> {
    text.split_once(':').map(|(name, value)| (name.to_owned(), value.trim_start().to_owned()))
}

impl Arguments {
    fn set_body(&mut self, body: String, content_type: &str) {
        self.body = Some(body);
        let is_named =
            self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !is_named {
            self.fields.push(("content-type".to_owned(), content_type.to_owned()));
        }
    }
}
