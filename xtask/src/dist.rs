//! `cargo xtask dist`: the binary as it is given to users, built along a profile of itself under load.
//!
//! See <https://doc.rust-lang.org/rustc/profile-guided-optimization.html>.

mod compilers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use compilers::{Compilers, Profiling};

/// Where everything lies that is made here, below the root.
const FOLDER: &str = "target/dist";
/// What the instrumented binary is put through, by `larkspur-bench platform`. Only cases that end the platform in order are
/// of use, since a process that is killed writes no profile.
const TRAINING: [&[&str]; 2] = [
    &[
        "--seconds",
        "3",
        "--case",
        "webhook-single",
        "--case",
        "webhook-ndjson",
        "--case",
        "webhook-tls",
        "--case",
        "websocket-ndjson",
        "--case",
        "fan-out",
    ],
    // Seldom in operation, so short here: few events, failed pushes, pings.
    &["--smoke", "--case", "open-loop", "--case", "retry", "--case", "idle"],
];

/// Builds the binary twice: once to see what it does under load, once for what it was seen to do.
#[expect(clippy::print_stdout, reason = "what was built is the result")]
pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let folder = root.join(FOLDER);
    let profile = folder.join("profile");
    let compilers = Compilers::find()?;
    if !compilers.gcc {
        println!("== the C compiler is not GCC: C code is built without a profile");
    }

    let instrumented = Profiling::Generate(&profile);
    let instrumented = build_larkspur(root, &compilers, "instrumented", &instrumented)?;
    let bench = build_bench(root)?;
    clear(&profile)?;
    fs::create_dir_all(&profile)?;
    for arguments in TRAINING {
        step("train", &mut training(&bench, &instrumented, arguments))?;
    }
    merge(&compilers, &profile)?;

    // Cargo does not look into a profile, and would keep what was built along an earlier one.
    clear(&folder.join("optimized"))?;
    let optimized = build_larkspur(root, &compilers, "optimized", &Profiling::Use(&profile))?;
    let binary = path(root);
    let size = put(&optimized, &binary)?;
    println!(
        "{}  {}.{} MiB, profile-guided, made in {} s",
        binary.display(),
        size >> 20,
        ((size & 0xf_ffff) * 10) >> 20,
        started.elapsed().as_secs()
    );
    Ok(ExitCode::SUCCESS)
}

/// The binary that an earlier run made.
pub(crate) fn made(root: &Path) -> anyhow::Result<PathBuf> {
    let binary = path(root);
    ensure!(
        binary.is_file(),
        "there is no `{}`; run `cargo xtask dist` first, which makes it",
        binary.display()
    );
    Ok(binary)
}

fn path(root: &Path) -> PathBuf {
    root.join(FOLDER).join("larkspur")
}

fn build_larkspur(
    root: &Path,
    compilers: &Compilers,
    name: &str,
    profiling: &Profiling<'_>,
) -> anyhow::Result<PathBuf> {
    let (target, host) = (root.join(FOLDER).join(name), &compilers.host);
    let mut cargo = cargo(root, "larkspur-cli", &target);
    // With a target named, the flags are kept from build scripts and macros, which would write profiles of themselves.
    cargo.args(["--target", host]);
    compilers.set(&mut cargo, profiling)?;
    step(&format!("build, {name}"), &mut cargo)?;
    Ok(target.join(host).join("release/larkspur"))
}

fn build_bench(root: &Path) -> anyhow::Result<PathBuf> {
    let target = root.join(FOLDER).join("bench");
    step("build, the bench", &mut cargo(root, "larkspur-bench", &target))?;
    Ok(target.join("release/larkspur-bench"))
}

fn cargo(root: &Path, package: &str, target: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "-p", package, "--target-dir"]);
    cargo.arg(target).current_dir(root);
    cargo
}

fn training(bench: &Path, instrumented: &Path, arguments: &[&str]) -> Command {
    let mut training = Command::new(bench);
    training.args(["platform", "--build", "instrumented", "--binary"]);
    training.arg(instrumented).args(arguments);
    // They would send the profile elsewhere.
    for variable in ["LLVM_PROFILE_FILE", "GCOV_PREFIX", "GCOV_PREFIX_STRIP"] {
        training.env_remove(variable);
    }
    training
}

/// Makes one profile of those that the processes wrote, and removes them.
fn merge(compilers: &Compilers, profile: &Path) -> anyhow::Result<()> {
    let raw = with_extension(profile, "profraw")?;
    ensure!(
        !raw.is_empty(),
        "the training has left no profile in `{}`",
        profile.display()
    );
    if compilers.gcc && with_extension(profile, "gcda")?.is_empty() {
        bail!(
            "the training has left no profile of the C code in `{}`",
            profile.display()
        );
    }
    let mut merge = Command::new(&compilers.profdata);
    merge.args(["merge", "-o"]).arg(compilers::merged(profile)).args(&raw);
    step("merge", &mut merge)?;
    for file in raw {
        fs::remove_file(file)?;
    }
    Ok(())
}

fn with_extension(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Puts the binary in its place in one step, also while an earlier one runs; answers its size in bytes.
fn put(built: &Path, place: &Path) -> anyhow::Result<u64> {
    let beside = place.with_extension("new");
    let bytes = fs::copy(built, &beside).with_context(|| format!("cannot copy `{}`", built.display()))?;
    fs::rename(&beside, place).with_context(|| format!("cannot write `{}`", place.display()))?;
    Ok(bytes)
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "two builds take a while, and whoever waits wants to know for what"
)]
fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("== {name}");
    let started = Instant::now();
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("`{program}` cannot be run"))?;
    ensure!(status.success(), "`{name}` failed: `{program}` ended with {status}");
    println!("== {name}: {} s", started.elapsed().as_secs());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_was_not_made_is_refused_with_what_makes_it() {
        let root = tempfile::tempdir().unwrap();
        let error = made(root.path()).unwrap_err().to_string();
        assert!(error.contains("run `cargo xtask dist` first"), "{error}");
        fs::create_dir_all(root.path().join(FOLDER)).unwrap();
        fs::write(path(root.path()), b"").unwrap();
        assert_eq!(made(root.path()).unwrap(), root.path().join("target/dist/larkspur"));
    }

    #[test]
    fn a_binary_replaces_the_one_before_it_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let (built, place) = (folder.path().join("built"), folder.path().join("larkspur"));
        fs::write(&place, b"old").unwrap();
        fs::write(&built, b"newer").unwrap();
        assert_eq!(put(&built, &place).unwrap(), 5);
        assert_eq!(fs::read(&place).unwrap(), b"newer");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_step_that_fails_is_an_error_that_names_it() {
        let error = step("train", &mut Command::new("false")).unwrap_err().to_string();
        assert!(error.starts_with("`train` failed"), "{error}");
    }

    #[test]
    fn a_training_without_a_profile_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let compilers = Compilers {
            host: String::new(),
            profdata: "true".into(),
            gcc: true,
        };
        let merged = || merge(&compilers, folder.path()).map_err(|error| error.to_string());
        assert!(merged().unwrap_err().contains("no profile in"));
        fs::write(folder.path().join("default_1.profraw"), b"").unwrap();
        assert!(merged().unwrap_err().contains("no profile of the C code"));
        fs::write(folder.path().join("sqlite3.gcda"), b"").unwrap();
        merged().unwrap();
        assert!(with_extension(folder.path(), "profraw").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_there_is_cleared_already() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("profile");
        clear(&profile).unwrap();
        fs::create_dir(&profile).unwrap();
        fs::write(profile.join("default_1.profraw"), b"").unwrap();
        clear(&profile).unwrap();
        assert!(!profile.exists());
    }
}
