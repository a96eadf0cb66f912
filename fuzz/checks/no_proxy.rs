//! `NO_PROXY`: any list decides about any host, and for all spellings of the host alike.

use http::Request;
use tower_transport::{proxy::ProxyRules, target::Target};

pub(crate) fn check(input: &str) {
    let Some((host, list)) = input.split_once('\n') else { return };
    let vars = |name: &str| match name {
        "http_proxy" => Some("http://proxy.example:3128".to_owned()),
        "no_proxy" => Some(list.to_owned()),
        _ => None,
    };
    let rules = ProxyRules::from_vars(vars);
    let target = |host: &str| {
        let uri: http::Uri = format!("http://{host}/").parse().ok()?;
        Target::of(&Request::get(uri).body(()).ok()?).ok()
    };
    let (Some(lower), Some(upper)) =
        (target(&host.to_ascii_lowercase()), target(&host.to_ascii_uppercase()))
    else {
        return;
    };
    let route = |target| rules.route(target).map(|route| format!("{route:?}")).ok();
    assert_eq!(route(&lower), route(&upper), "{host:?} in {list:?}");
}
