//! `cargo xtask bench`: the real binary under load, and the SDK.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;

use crate::dist;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// `larkspur serve`.
    Platform,
    /// The SDK, and the official ones that `cargo xtask conformance` has installed.
    Sdk,
}

/// What is run, as it was asked for.
#[derive(Debug)]
struct Plan {
    /// Built before; the rest is built as the bench is.
    packages: &'static [&'static str],
    /// The short form takes the unoptimized build, which the tests have made already, since it judges no speed.
    profile: &'static [&'static str],
    /// The bench's own.
    arguments: Vec<OsString>,
}

/// Builds what is measured and the bench, and runs it with what was asked for.
pub(crate) fn run(root: &Path, what: What, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let plan = plan(root, what, arguments)?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "-q"]).args(plan.packages).args(plan.profile);
    let built = cargo.current_dir(root).status();
    if !built.context("cargo cannot be run")?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "-q", "-p", "larkspur-bench"]).args(plan.profile);
    let ran = cargo.arg("--").args(plan.arguments).current_dir(root).status();
    let passed = ran.context("cargo cannot be run")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `--dist` is ours and stands anywhere; everything else is passed on.
fn plan(root: &Path, what: What, arguments: &[String]) -> anyhow::Result<Plan> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let mut plan = Plan {
        packages: &["-p", "larkspur-bench"],
        profile: if has("--smoke") { &[] } else { &["--release"] },
        arguments: Vec::new(),
    };
    plan.arguments.push(match what {
        What::Platform => "platform".into(),
        What::Sdk => "sdk".into(),
    });
    if has("--dist") {
        ensure!(
            what == What::Platform,
            "`--dist` is a build of the platform; the SDK has none"
        );
        let binary = dist::made(root)?;
        plan.arguments.extend(["--build".into(), "profile-guided".into()]);
        plan.arguments.extend(["--binary".into(), binary.into()]);
    } else if what == What::Platform {
        plan.packages = &["-p", "larkspur-cli", "-p", "larkspur-bench"];
    }
    let passed_on = arguments.iter().filter(|argument| *argument != "--dist");
    plan.arguments.extend(passed_on.map(OsString::from));
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    #[test]
    fn the_ordinary_build_is_made_and_measured_unless_another_is_asked_for() {
        let root = Path::new("/nowhere");
        let plan = plan(root, What::Platform, &strings(&["--case", "webhook"])).unwrap();
        assert_eq!(plan.arguments, ["platform", "--case", "webhook"]);
        assert!(plan.packages.contains(&"larkspur-cli"));
        assert_eq!(plan.profile, ["--release"]);
    }

    #[test]
    fn the_profile_guided_build_is_named_wherever_the_flag_stands() {
        let root = tempfile::tempdir().unwrap();
        let binary = root.path().join("target/dist/larkspur");
        std::fs::create_dir_all(binary.parent().unwrap()).unwrap();
        std::fs::write(&binary, b"").unwrap();
        for arguments in [["--dist", "--json"], ["--json", "--dist"]] {
            let plan = plan(root.path(), What::Platform, &strings(&arguments)).unwrap();
            let binary = binary.to_str().unwrap();
            assert_eq!(
                plan.arguments,
                ["platform", "--build", "profile-guided", "--binary", binary, "--json"]
            );
            assert!(!plan.packages.contains(&"larkspur-cli"));
        }
    }

    #[test]
    fn the_profile_guided_build_has_to_be_made_first_and_is_the_platforms() {
        let root = tempfile::tempdir().unwrap();
        let error = |what| plan(root.path(), what, &strings(&["--dist"])).unwrap_err().to_string();
        assert!(error(What::Platform).contains("run `cargo xtask dist` first"));
        assert!(error(What::Sdk).contains("the SDK has none"));
    }
}
