//! Proxies behind proxies, of different kinds.

use crate::{
    matrix::Running,
    microsocks::microsocks,
    nghttpx::nghttpx,
    server::USER,
    squid::{BASIC, DIGEST, Squid},
    tinyproxy::tinyproxy,
};

async fn socks() -> Running {
    microsocks("socks5h", &[], "").await
}

rows!(socks5h_then_http, socks().await.then(tinyproxy("", "").await));
rows!(http_then_http, tinyproxy("", "").await.then(Squid::open_to(BASIC).await.by_http(USER)));
rows!(https_then_socks5h, Squid::start().await.by_https("").then(socks().await));
rows!(
    https_then_https_each_with_its_password,
    Squid::open_to(BASIC).await.by_https(USER).then(Squid::open_to(DIGEST).await.by_https(USER))
);
rows!(
    http2_then_socks5h_then_http,
    nghttpx(Squid::start().await, "")
        .await
        .then(socks().await)
        .then(Squid::start().await.by_http(""))
);
