//! The `larkspur` binary: a Feishu/Lark event platform, and the tools to develop against it.

mod admin;
mod command;
mod config;
mod failure;
mod home;
mod ui;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// A Feishu/Lark event platform, offline and without sign-up.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 the platform cannot be reached, 5 timed out.
#[derive(Parser)]
#[command(name = "larkspur", version, arg_required_else_help = true)]
struct Cli {
    /// Print JSON, one value a line, instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Log more: once for what the platform does, twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log at this level: error, warn, info, debug, trace, or a filter such as `larkspur=debug`.
    #[arg(long, global = true, value_name = "LEVEL", env = "LARKSPUR_LOG")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dev(command::dev::Dev),
    Serve(command::serve::Serve),
    Trigger(command::trigger::Trigger),
    Listen(command::listen::Listen),
    #[command(subcommand)]
    App(command::app::App),
    #[command(subcommand)]
    Event(command::event::Event),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    log(&cli);
    let ui = Ui::new(cli.json);
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, error))
        .and_then(|runtime| runtime.block_on(run(cli.command, &ui)));
    match ended {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}

async fn run(command: Command, ui: &Ui) -> Result<(), Failure> {
    match command {
        Command::Dev(dev) => dev.run(ui).await,
        Command::Serve(serve) => serve.run(ui).await,
        Command::Trigger(trigger) => trigger.run(ui).await,
        Command::Listen(listen) => listen.run(ui).await,
        Command::App(app) => app.run(ui).await,
        Command::Event(event) => event.run(ui),
    }
}

fn log(cli: &Cli) {
    let level = match (&cli.log_level, cli.verbose) {
        (Some(level), _) => level.clone(),
        (None, 0) => "error".to_owned(),
        (None, 1) => "info".to_owned(),
        (None, _) => "debug".to_owned(),
    };
    // The WebSocket library's trace lines print whole frames, and these hold Verification Tokens.
    let filter = EnvFilter::try_new(format!("{level},tungstenite=info,tokio_tungstenite=info"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
