//! What the choice of a route costs, without a request.

use http::Uri;
use tower_transport::{
    proxy::{Proxy, ProxyRules},
    target::Target,
};

use super::{Client, Outcome};

/// What is measured of the choice of a route alone.
pub(crate) const ROUTES: &[&str] = &[
    "no rules",
    "all through one proxy",
    "environment, 20 NO_PROXY",
    "host rules, the 20th fits",
    "host rules, an address",
];

/// No request: only the choice of its route.
pub(super) struct Choosing {
    rules: ProxyRules,
    target: Target,
}

impl Choosing {
    pub(super) fn of(name: &str) -> Outcome<Self> {
        let address = name.contains("address");
        let host = if address { "192.0.2.1" } else { "www.origin.example" };
        let uri: Uri = format!("http://{host}/").parse()?;
        let target = Target::new((&uri).try_into()?);
        Ok(Self { rules: rules(name)?, target })
    }
}

fn rules(name: &str) -> Outcome<ProxyRules> {
    let url = "http://user:password@proxy.example:3128";
    let hosts: Vec<String> = (1..20).map(|n| format!("host-{n}.example")).collect();
    let no_proxy = format!("{},10.0.0.0/8", hosts.join(","));
    let proxy: Proxy = url.parse()?;
    Ok(match name {
        "no rules" => ProxyRules::none(),
        "all through one proxy" => ProxyRules::all(proxy),
        "environment, 20 NO_PROXY" => ProxyRules::from_vars(|name| match name {
            "ALL_PROXY" => Some(url.to_owned()),
            "NO_PROXY" => Some(no_proxy.clone()),
            _ => None,
        }),
        _ => {
            let mut rules = ProxyRules::none();
            for host in hosts {
                rules = rules.host(&host, proxy.clone())?;
            }
            rules.host("origin.example", proxy)?
        }
    })
}

impl Client for Choosing {
    async fn send(&mut self) -> Outcome {
        let Self { rules, target } = self;
        std::hint::black_box(rules.route(std::hint::black_box(target))?);
        Ok(())
    }
}
