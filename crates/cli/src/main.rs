//! The `larkspur` binary: a Feishu/Lark event platform, and the tools to develop against it.

mod admin;
mod command;
mod config;
mod duration;
mod failure;
mod home;
mod log;
mod moment;
mod platform;
mod ui;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// An event makes a hundred small allocations, on threads that free each other's; the system's allocator took a fifth of
/// the processor's time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const AFTER_HELP: &str = "\
Start with two terminals in one folder:
  larkspur dev --demo                                            a platform, and events that arrive
  larkspur trigger hire.eco_exam.created_v1 --wait               an event of your own

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 the platform cannot be reached, 5 timed out.
Results go to stdout, everything else to stderr. NO_COLOR is obeyed.";

/// A Feishu/Lark event platform, offline and without sign-up.
#[derive(Parser)]
#[command(name = "larkspur", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args)]
#[command(next_help_heading = "Every command")]
struct Common {
    /// Print JSON, one value a line, instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Log more: once for what the platform does, twice for every step of it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log at this level: error, warn, info, debug, trace; or more of one part, such as `larkspur_engine=debug`.
    #[arg(long, global = true, value_name = "LEVEL", env = "LARKSPUR_LOG")]
    log_level: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    Dev(command::dev::Dev),
    Serve(command::serve::Serve),
    Trigger(command::trigger::Trigger),
    Listen(command::listen::Listen),
    Tail(command::tail::Tail),
    Show(command::show::Show),
    Resend(command::again::Resend),
    Recover(command::again::Recover),
    Replay(command::again::Replay),
    #[command(subcommand)]
    App(command::app::App),
    #[command(subcommand)]
    Event(command::event::Event),
    Clock(command::clock::Clock),
    #[command(subcommand)]
    Store(command::store::Store),
}

fn main() -> std::process::ExitCode {
    let Cli { common, command } = Cli::parse();
    let ui = Ui::new(common.json);
    // Whoever listens wants to know whether it is connected, and whoever operates a platform what goes wrong in it; all
    // other commands say themselves what they do.
    let quiet = match command {
        Command::Listen(_) => "error,larkspur::ws=info,larkspur::dispatch=off",
        Command::Serve(_) => "warn",
        _ => "error,larkspur::ws=warn",
    };
    let ended = log::start(common.log_level.as_deref(), common.verbose, quiet)
        .and_then(|()| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.map_err(|error| Failure::new(Exit::Failed, error))
        })
        .and_then(|runtime| runtime.block_on(run(command, &ui)));
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
        Command::Tail(tail) => tail.run(ui).await,
        Command::Show(show) => show.run(ui).await,
        Command::Resend(resend) => resend.run(ui).await,
        Command::Recover(recover) => recover.run(ui).await,
        Command::Replay(replay) => replay.run(ui).await,
        Command::App(app) => app.run(ui).await,
        Command::Event(event) => event.run(ui),
        Command::Clock(clock) => clock.run(ui).await,
        Command::Store(store) => store.run(ui).await,
    }
}
