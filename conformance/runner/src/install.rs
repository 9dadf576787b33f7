//! Installs the SDKs through their registries' clients and builds the subscribers, below the target folder.
//!
//! A lock file in the repository pins every package; what was installed from the same lock file is kept.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::sdk::{Language, Sdk};

/// How to get Go.
const GO: &str = "install Go 1.21 or newer (https://go.dev/dl)";

/// Where the subscribers' sources and lock files are.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}

/// Makes one SDK ready and says how its subscriber is started.
pub(crate) async fn install(language: Language, version: &str, target: &Path) -> Result<Sdk> {
    let folder = target.join("conformance").join(format!("{language}-{version}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let command = match language {
        Language::Rust => rust(target).await,
        Language::Python => python(&folder).await,
        Language::Node => node(&folder).await,
        Language::Go => go(version, &folder).await,
        Language::Java => java(version, &folder).await,
    };
    Ok(Sdk {
        language,
        version: version.to_owned(),
        command: command.with_context(|| format!("cannot make the {language} subscriber ready"))?,
        folder,
    })
}

async fn rust(target: &Path) -> Result<Vec<OsString>> {
    let manifest = sources().with_file_name("examples").join("Cargo.toml");
    let mut cargo = tool("cargo", "install Rust from https://rustup.rs")?;
    cargo
        .args(["build", "-q", "--example", "conformance_subscriber", "--manifest-path"])
        .arg(manifest);
    run(cargo.env("CARGO_TARGET_DIR", target)).await?;
    Ok(vec![target.join("debug/examples/conformance_subscriber").into()])
}

async fn python(folder: &Path) -> Result<Vec<OsString>> {
    let requirements = sources().join("python/requirements.txt");
    let interpreter = folder.join("venv/bin/python");
    once(folder, &[&requirements], async || {
        let mut venv = tool(
            "python3",
            "install Python 3.9 or newer with its venv module (apt-get install python3-venv)",
        )?;
        run(venv.args(["-m", "venv", "--clear"]).arg(folder.join("venv"))).await?;
        let mut pip = Command::new(&interpreter);
        run(pip
            .args(["-m", "pip", "install", "-q", "--no-deps", "-r"])
            .arg(&requirements))
        .await
    })
    .await?;
    Ok(vec![interpreter.into(), sources().join("python/subscriber.py").into()])
}

async fn node(folder: &Path) -> Result<Vec<OsString>> {
    let source = sources().join("node");
    let lock = source.join("package-lock.json");
    once(folder, &[&lock], async || {
        copy(&source, folder, &["package.json", "package-lock.json"])?;
        let mut npm = tool(
            "npm",
            "install Node.js 18 or newer, which brings npm (apt-get install nodejs npm)",
        )?;
        run(npm
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder))
        .await
    })
    .await?;
    // A module is looked up beside the script that imports it.
    copy(&source, folder, &["subscriber.mjs"])?;
    Ok(vec!["node".into(), folder.join("subscriber.mjs").into()])
}

async fn go(version: &str, folder: &Path) -> Result<Vec<OsString>> {
    let binary = folder.join("subscriber");
    // The newest version's module file has the usual name.
    let newest = Language::Go.versions().first() == Some(&version);
    let modules = if newest {
        "go.mod".to_owned()
    } else {
        format!("go-{version}.mod")
    };
    let mut go = tool("go", GO)?;
    go.args(["build", "-buildvcs=false", "-mod=readonly", "-modfile"])
        .arg(modules)
        .arg("-o")
        .arg(&binary)
        .arg(".")
        .current_dir(sources().join("go"));
    run(&mut go).await?;
    Ok(vec![binary.into()])
}

async fn java(version: &str, folder: &Path) -> Result<Vec<OsString>> {
    let source = sources().join("java");
    let mut files = vec![
        "pom.xml",
        "src/main/java/Subscriber.java",
        "src/main/java/SampleHost.java",
    ];
    if Language::Java.answers_callbacks(version) {
        files.push("src/main/java/Cards.java");
    }
    let inputs: Vec<_> = files.iter().map(|file| source.join(file)).collect();
    let inputs: Vec<_> = inputs.iter().map(PathBuf::as_path).collect();
    once(folder, &inputs, async || {
        copy(&source, folder, &files)?;
        let mut maven = tool(
            "mvn",
            "install Maven and a JDK 11 or newer (apt-get install maven default-jdk-headless)",
        )?;
        maven
            .args(["-q", "-B", "process-classes", &format!("-Dlark.version={version}")])
            .current_dir(folder);
        run(&mut maven).await
    })
    .await?;
    let mut class_path = OsString::from(folder.join("target/classes"));
    class_path.push(":");
    class_path.push(folder.join("target/dependency/*"));
    let flags = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
    Ok(flags
        .into_iter()
        .map(OsString::from)
        .chain([class_path, "Subscriber".into()])
        .collect())
}

/// Builds all Go samples below a folder at once, with the newest version's module files.
pub(crate) async fn build_go_samples(folder: &Path) -> Result<()> {
    copy(&sources().join("go"), folder, &["go.mod", "go.sum"])?;
    fs::create_dir_all(folder.join("bin")).context("cannot make a folder for the samples")?;
    let mut go = tool("go", GO)?;
    run(go
        .args(["build", "-buildvcs=false", "-mod=readonly", "-o", "bin/", "./..."])
        .current_dir(folder))
    .await
}

/// Does the work unless it was done from the same inputs before.
async fn once(folder: &Path, inputs: &[&Path], work: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let mut wanted = String::new();
    for input in inputs {
        wanted += &fs::read_to_string(input).with_context(|| format!("cannot read {}", input.display()))?;
    }
    let stamp = folder.join("installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    work().await?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<()> {
    for file in files {
        let target = to.join(file);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::copy(from.join(file), &target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

/// A tool of the machine's; a missing one is a failure that says how to get it.
fn tool(name: &str, remedy: &str) -> Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        Ok(Command::new(name))
    } else {
        bail!("`{name}` is not on this machine: {remedy}")
    }
}

async fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{:?}", command.as_std());
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot start {shown}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    bail!("{shown} ended with {}:\n{out}{err}", output.status)
}
