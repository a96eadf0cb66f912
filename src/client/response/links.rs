//! Reads `Link` fields (RFC 8288 §3). Pure.

use http::{HeaderMap, Uri, header::LINK};

use super::media_type::value;
use crate::client::resolve::{Reference, Resolved};

/// The links of a response.
#[derive(Clone, Debug, Default)]
pub struct Links {
    links: Vec<Link>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    target: String,
    parameters: Vec<(String, String)>,
}

impl Links {
    /// The links of all fields; their targets are resolved against the URL of the response. What is no link is left out.
    pub(crate) fn of(headers: &HeaderMap, url: Option<&Uri>) -> Self {
        let fields = headers.get_all(LINK).into_iter().filter_map(|field| field.to_str().ok());
        Self { links: fields.flat_map(|field| parse(field, url)).collect() }
    }

    /// The first link of this relation, as `next` for the next page: relations are compared without their case. A link with an
    /// `anchor` is one of another page (RFC 8288 §3.2), and only among [all](Self::iter).
    pub fn rel(&self, relation: &str) -> Option<&Link> {
        let is_of_this_page = |link: &&Link| link.parameter("anchor").is_none();
        self.links.iter().filter(is_of_this_page).find(|link| link.has_rel(relation))
    }

    /// All links in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Link> {
        self.links.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl<'a> IntoIterator for &'a Links {
    type Item = &'a Link;
    type IntoIter = std::slice::Iter<'a, Link>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Link {
    /// The URL that it leads to.
    pub fn url(&self) -> &str {
        &self.target
    }

    /// Its relations, separated by spaces.
    pub fn relation(&self) -> Option<&str> {
        self.parameter("rel")
    }

    /// Whether this is one of its relations.
    pub fn has_rel(&self, relation: &str) -> bool {
        let all = self.relation().unwrap_or_default();
        all.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(relation))
    }

    /// The first parameter of this name, in lower case: `title`, `type`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse(field: &str, url: Option<&Uri>) -> Vec<Link> {
    let (mut links, mut rest) = (Vec::new(), field);
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, after)) = after.split_once('>') else { break };
        let (parameters, after) = parameters(after);
        links.push(Link { target: resolved(target.trim(), url), parameters });
        rest = after;
    }
    links
}

/// The parameters of a link, and what follows the comma behind them.
fn parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let (mut parameters, mut rest) = (Vec::new(), text.trim_start());
    while let Some(after) = rest.strip_prefix(';') {
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let name = after[..end].trim().to_ascii_lowercase();
        let (value, after) = match after[end..].strip_prefix('=') {
            Some(after) => value(after.trim_start()),
            None => (String::new(), &after[end..]),
        };
        if !name.is_empty() {
            parameters.push((name, value));
        }
        rest = after.trim_start();
    }
    (parameters, rest.strip_prefix(',').unwrap_or(rest))
}

fn resolved(target: &str, url: Option<&Uri>) -> String {
    let Some(url) = url else { return target.to_owned() };
    let reference = Reference::parse(target);
    let Resolved { scheme, authority, path, query, fragment } =
        Reference::of(url).resolve(&reference);
    let mut text = String::new();
    if let Some(scheme) = scheme {
        text.extend([scheme, ":"]);
    }
    if let Some(authority) = authority {
        text.extend(["//", authority]);
    }
    text.push_str(&path);
    for (mark, part) in [("?", query), ("#", fragment)] {
        if let Some(part) = part {
            text.extend([mark, part]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(fields: &[&str]) -> Links {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(LINK, field.parse().unwrap());
        }
        Links::of(&headers, Some(&Uri::from_static("https://a/v1/users?page=1")))
    }

    #[test]
    fn the_next_page_is_found_in_any_field_and_resolved() {
        let links = links(&[
            "<?page=2>; rel=\"next\", </v1/users?page=9>;REL=last;title=\"a, <b>; c\"",
            "<https://b/x>; rel=\"author NEXT\"",
        ]);
        let urls: Vec<_> = links.iter().map(Link::url).collect();
        assert_eq!(urls, ["https://a/v1/users?page=2", "https://a/v1/users?page=9", "https://b/x"]);
        assert_eq!(links.rel("next").unwrap().url(), "https://a/v1/users?page=2");
        assert_eq!(links.rel("Last").unwrap().parameter("title"), Some("a, <b>; c"));
        assert!(links.rel("author").is_some() && links.rel("prev").is_none());
        assert_eq!((links.len(), links.is_empty()), (3, false));
        assert!((&links).into_iter().map(Link::url).eq(urls));
    }

    #[test]
    fn a_link_of_another_page_is_no_link_of_this_one() {
        let links = links(&["</other>; rel=next; anchor=\"/elsewhere\", </next>; rel=next"]);
        assert_eq!(links.rel("next").unwrap().url(), "https://a/next");
        assert_eq!(links.iter().next().unwrap().parameter("anchor"), Some("/elsewhere"));
    }

    #[test]
    fn what_is_no_link_is_left_out() {
        for field in
            ["", "next", "<a", ">", "<a>;", "<a>;;=;rel", "a, b", "<a>; rel=\"next", "<a>,,"]
        {
            assert!(links(&[field]).len() < 2, "{field}");
        }
        assert_eq!(links(&["<a>;;;rel=next"]).rel("next").unwrap().url(), "https://a/v1/a");
    }
}
