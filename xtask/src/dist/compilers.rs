//! The compilers of Rust and C, and how each is told to make a profile or to build along one.
//!
//! See <https://gcc.gnu.org/onlinedocs/gcc/Instrumentation-Options.html> for the C side, which is SQLite most of all.

use std::env::{self, VarError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// What stands between two flags in cargo's variable, so that a flag may have spaces.
const SEPARATOR: char = '\u{1f}';

/// What there is to build with.
#[derive(Debug)]
pub(super) struct Compilers {
    /// The platform that is built for, as Rust names it: this one.
    pub(super) host: String,
    /// The program that merges profiles.
    pub(super) profdata: PathBuf,
    /// Whether the C compiler is GCC, the only one whose profiles we know to use.
    pub(super) gcc: bool,
}

/// What is done about profiles, and the folder that they are in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Profiling<'a> {
    /// Write one whenever the process ends.
    Generate(&'a Path),
    /// Build along the one there is.
    Use(&'a Path),
}

/// The profile of the Rust code, made of those that the processes wrote.
pub(super) fn merged(profile: &Path) -> PathBuf {
    profile.join("merged.profdata")
}

impl Compilers {
    /// Looks at what is installed, and adds what merges profiles if it is missing.
    pub(super) fn find() -> anyhow::Result<Self> {
        let version = output(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("`rustc -vV` names no host")?.to_owned();
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(&host).join("bin");
        let profdata = find_profdata(&tools, "rustup")?;
        let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let gcc = output(Command::new(cc).arg("--version")).is_ok_and(|version| is_gcc(&version));
        Ok(Self { host, profdata, gcc })
    }

    /// Adds the flags to those that the environment has.
    pub(super) fn set(&self, cargo: &mut Command, profiling: &Profiling<'_>) -> anyhow::Result<()> {
        let before = match read("CARGO_ENCODED_RUSTFLAGS")? {
            Some(encoded) => encoded,
            None => encode(&read("RUSTFLAGS")?.unwrap_or_default()),
        };
        cargo.env(
            "CARGO_ENCODED_RUSTFLAGS",
            with(before, self.rust_flags(profiling)?, SEPARATOR),
        );
        if self.gcc {
            let before = read("CFLAGS")?.unwrap_or_default();
            cargo.env("CFLAGS", with(before, [c_flags(profiling)?], ' '));
            // The folder's name may have spaces, and is quoted.
            cargo.env("CC_SHELL_ESCAPED_FLAGS", "1");
        }
        Ok(())
    }

    fn rust_flags(&self, profiling: &Profiling<'_>) -> anyhow::Result<Vec<String>> {
        Ok(match profiling {
            Profiling::Generate(folder) => {
                let mut flags = vec![format!("-Cprofile-generate={}", text(folder)?)];
                // What GCC puts into the code calls its library, which Rust does not link.
                flags.extend(self.gcc.then(|| "-Clink-arg=-lgcov".to_owned()));
                flags
            }
            Profiling::Use(folder) => vec![format!("-Cprofile-use={}", text(&merged(folder))?)],
        })
    }
}

/// The profile of an object lies under the object's name in the folder, since the object itself does not have the same path
/// in both builds. Code that the training does not reach, such as most of TLS, is built as it would be without a profile, and
/// not for size.
fn c_flags(profiling: &Profiling<'_>) -> anyhow::Result<String> {
    let (flags, folder) = match profiling {
        Profiling::Generate(folder) => ("-fprofile-generate -fprofile-update=atomic", text(folder)?),
        Profiling::Use(folder) => ("-fprofile-use -fprofile-partial-training", text(folder)?),
    };
    ensure!(
        !folder.contains('\''),
        "`{folder}` has a quote in it, which no C flag can have"
    );
    Ok(format!("{flags} -dumpdir '{folder}/'"))
}

/// The program that merges profiles, which a component of Rust brings.
#[expect(clippy::print_stdout, reason = "what is installed is to be known")]
fn find_profdata(tools: &Path, rustup: &str) -> anyhow::Result<PathBuf> {
    let profdata = tools.join("llvm-profdata");
    if profdata.is_file() {
        return Ok(profdata);
    }
    println!("== {rustup} component add llvm-tools");
    match Command::new(rustup).args(["component", "add", "llvm-tools"]).status() {
        Ok(status) if status.success() && profdata.is_file() => Ok(profdata),
        Ok(status) => bail!(
            "there is no `{}`, and `rustup component add llvm-tools`, which should bring it, ended with {status}",
            profdata.display()
        ),
        Err(_) => bail!(
            "there is no `{}`, and no rustup to add it; install Rust with rustup (https://rustup.rs), \
             or put the llvm-profdata there that belongs to the LLVM of `rustc -vV`",
            profdata.display()
        ),
    }
}

fn is_gcc(version: &str) -> bool {
    version.contains("Free Software Foundation")
}

fn read(variable: &str) -> anyhow::Result<Option<String>> {
    match env::var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the variable `{variable}`")),
    }
}

/// Flags as in `RUSTFLAGS`, which none with a space can be in.
fn encode(flags: &str) -> String {
    flags.split_whitespace().collect::<Vec<_>>().join("\u{1f}")
}

fn with(before: String, flags: impl IntoIterator<Item = String>, separator: char) -> String {
    let mut all = before;
    for flag in flags {
        if !all.is_empty() {
            all.push(separator);
        }
        all += &flag;
    }
    all
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("`{}` is not text, which a compiler's flag has to be", path.display()))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("`{program}` cannot be run"))?;
    ensure!(output.status.success(), "`{program}` ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compilers(gcc: bool) -> Compilers {
        Compilers {
            host: String::new(),
            profdata: PathBuf::new(),
            gcc,
        }
    }

    #[test]
    fn flags_are_added_to_those_of_the_environment() {
        let ours = || ["-Cprofile-use=/a b".to_owned()];
        assert_eq!(with(String::new(), ours(), SEPARATOR), "-Cprofile-use=/a b");
        let before = encode(" -Ctarget-cpu=native  -g ");
        assert_eq!(
            with(before, ours(), SEPARATOR),
            "-Ctarget-cpu=native\u{1f}-g\u{1f}-Cprofile-use=/a b"
        );
    }

    #[test]
    fn both_builds_look_for_the_profile_of_an_object_in_the_same_place() {
        let folder = Path::new("/some where/profile");
        for profiling in [Profiling::Generate(folder), Profiling::Use(folder)] {
            let flags = c_flags(&profiling).unwrap();
            assert!(flags.ends_with(" -dumpdir '/some where/profile/'"), "{flags}");
        }
        assert!(c_flags(&Profiling::Use(Path::new("/it's"))).is_err());
    }

    #[test]
    fn the_library_of_gcc_is_linked_where_gcc_calls_it() {
        let folder = Path::new("/profile");
        let linked = |gcc, profiling: &_| compilers(gcc).rust_flags(profiling).unwrap().len() == 2;
        assert!(linked(true, &Profiling::Generate(folder)));
        assert!(!linked(false, &Profiling::Generate(folder)));
        assert!(!linked(true, &Profiling::Use(folder)));
    }

    #[test]
    fn clang_is_not_gcc() {
        assert!(is_gcc(
            "cc (GCC) 15.1.0\nCopyright (C) 2025 Free Software Foundation, Inc.\n"
        ));
        assert!(!is_gcc("Ubuntu clang version 18.1.3\nTarget: x86_64-pc-linux-gnu\n"));
    }

    #[test]
    fn without_rustup_the_error_says_what_to_install() {
        let tools = tempfile::tempdir().unwrap();
        let error = find_profdata(tools.path(), "no-rustup-is-called-this")
            .unwrap_err()
            .to_string();
        assert!(error.contains("https://rustup.rs"), "{error}");
        let error = find_profdata(tools.path(), "true").unwrap_err().to_string();
        assert!(error.contains("rustup component add llvm-tools"), "{error}");
        std::fs::write(tools.path().join("llvm-profdata"), b"").unwrap();
        assert!(find_profdata(tools.path(), "no-rustup-is-called-this").is_ok());
    }
}
