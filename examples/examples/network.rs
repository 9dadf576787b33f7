//! Connects from a network with rules of its own: through a proxy, to a platform whose certificate comes from an authority
//! of the house, giving up steps early and coming back fast.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… FEISHU_PROXY=http://proxy:3128 CA=ca.pem cargo run --example network`; a proxy
//! may also be `socks5://…`, with user and password, and none is asked when the variable is not set.

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::time::Duration;

use larkspur::{App, Meta, Router, ctrl_c};

async fn on_event(meta: Meta) {
    println!("{} came through", meta.event_type);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `from_env` has read the proxy; `App::proxy` sets one that is not in the environment.
    let mut app = App::from_env()?
        .io_timeout(Duration::from_secs(5))
        .reconnect_waits(Duration::from_millis(100)..=Duration::from_mins(1));
    if let Ok(ca) = std::env::var("CA") {
        app = app.root_certificates(ca);
    }
    let client = app.connect(Router::new().fallback(on_event));
    println!("{}", client.with_graceful_shutdown(ctrl_c()).await?);
    Ok(())
}
