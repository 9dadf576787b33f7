//! Two apps in one process, with one router: each has a connection of its own, and neither knows of the other's trouble.
//!
//! `FEISHU_APP_ID=… FEISHU_APP_SECRET=… SECOND_APP_ID=… SECOND_APP_SECRET=… cargo run --example several_apps`

#![expect(clippy::print_stdout, reason = "an example shows what arrives")]

use std::env::var;

use larkspur::events::hire::EcoBackgroundCheckCreatedV1;
use larkspur::{App, Domain, Event, Meta, Router, ctrl_c};

async fn on_check(_: Event<EcoBackgroundCheckCreatedV1>, meta: Meta) {
    println!("a check for {}", meta.app_id);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut second = App::new(&var("SECOND_APP_ID")?, var("SECOND_APP_SECRET")?)?;
    if let Ok(url) = var("FEISHU_BASE_URL") {
        second = second.domain(Domain::parse(&url)?);
    }
    let router = Router::new().on(on_check);
    let connect = |app: App| app.connect(router.clone()).with_graceful_shutdown(ctrl_c());
    let (first, second) = (connect(App::from_env()?), connect(second));
    let (first, second) = tokio::try_join!(first.into_future(), second.into_future())?;
    println!("{first}\n{second}");
    Ok(())
}
