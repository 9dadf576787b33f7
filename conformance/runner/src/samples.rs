//! The forty sample programs of the official documents, run as printed but for the edits, one event each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::case::{ARRIVAL, ONLINE, free_port};
use crate::install::build_go_samples;
use crate::payload::plain;
use crate::peer::Peer;
use crate::platform::{App, Platform, until};
use crate::sample::{Edits, Sample, cut};
use crate::sdk::{Language, Sdk};

/// How many documents there are, eight programs in each.
const DOCUMENTS: usize = 5;
/// What every sample but Node's prints before the event.
const MARK: &str = "access ], data: ";

/// One program ready to be started.
#[derive(Debug)]
struct Program {
    sdk: Sdk,
    sample: Sample,
    app: App,
    port: u16,
    command: Command,
    changed: usize,
}

/// How one program fared.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) sdk: String,
    pub(crate) name: String,
    pub(crate) changed: usize,
    pub(crate) result: Result<()>,
}

/// Runs the programs of the languages that are ready.
pub(crate) async fn run(
    documents: &Path,
    larkspur: &Path,
    target: &Path,
    sdks: &[Sdk],
    jobs: usize,
) -> Result<Vec<Ran>> {
    let samples = read(documents)?;
    let edits = Edits::read()?;
    let platform = Platform::start(larkspur).await?;
    let folder = target.join("conformance/samples");
    let _ = fs::remove_dir_all(&folder);
    let mut programs = Vec::new();
    for sample in samples {
        if let Some(sdk) = sdks.iter().find(|sdk| sdk.language == sample.language) {
            programs.push(write(&platform, &edits, &folder, sdk, sample).await?);
        }
    }
    if sdks.iter().any(|sdk| sdk.language == Language::Go) {
        build_go_samples(&folder.join("go")).await?;
    }
    let run_one = async |program: Program| {
        let name = format!("sample {}: {}", mode(&program.sample), program.sample.event_type);
        let (sdk, changed) = (program.sdk.to_string(), program.changed);
        Ran {
            sdk,
            name,
            changed,
            result: receive(&platform, program).await,
        }
    };
    Ok(stream::iter(programs)
        .map(run_one)
        .buffer_unordered(jobs)
        .collect()
        .await)
}

fn read(documents: &Path) -> Result<Vec<Sample>> {
    let files = fs::read_dir(documents).with_context(|| format!("cannot read {}", documents.display()))?;
    let mut paths: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    ensure!(
        paths.len() == DOCUMENTS,
        "{} has {} documents, not {DOCUMENTS}",
        documents.display(),
        paths.len()
    );
    let mut samples = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        samples.extend(cut(&text).with_context(|| format!("cannot cut up {}", path.display()))?);
    }
    Ok(samples)
}

fn mode(sample: &Sample) -> &'static str {
    if sample.webhook { "webhook" } else { "ws" }
}

/// Makes an app for a program, and writes the program with the app's credentials.
async fn write(platform: &Platform, edits: &Edits, folder: &Path, sdk: &Sdk, sample: Sample) -> Result<Program> {
    let app = platform.app(sample.webhook).await?;
    let port = free_port()?;
    let values = [
        ("domain", platform.url()),
        ("app_id", &app.app_id),
        ("app_secret", &app.app_secret),
        ("encrypt_key", &app.encrypt_key),
        ("verification_token", &app.verification_token),
        ("port", &port.to_string()),
    ];
    let name = format!("{}-{}", sample.event_type.replace('.', "-"), mode(&sample));
    let edited = edits
        .apply(&sample, &values)
        .with_context(|| format!("the {} sample {name}", sample.language))?;
    let own = folder.join(sample.language.to_string()).join(&name);
    let source = |file: &str| own.join(file);
    let (path, mut command) = match sample.language {
        Language::Go => (source("main.go"), Command::new(folder.join("go/bin").join(&name))),
        Language::Python => (source("sample.py"), Command::new(&sdk.command[0])),
        // A module is looked up in the folders above the script that imports it.
        Language::Node => (
            sdk.folder.join("samples").join(&name).with_extension("mjs"),
            Command::new("node"),
        ),
        Language::Java if sample.webhook => (source("EventController.java"), Command::new("java")),
        Language::Java => (source("Sample.java"), Command::new("java")),
        Language::Rust => bail!("the documents have no Rust"),
    };
    match sample.language {
        Language::Java => {
            let class = if sample.webhook {
                "com.lark.oapi.sample.event.EventController"
            } else {
                "com.example.sample.Sample"
            };
            let options = sdk
                .command
                .iter()
                .skip(1)
                .take_while(|argument| *argument != "Subscriber");
            command
                .args(options)
                .arg("SampleHost")
                .arg(&path)
                .args([class, &port.to_string()]);
        }
        Language::Python | Language::Node => {
            command.arg(&path);
        }
        Language::Go | Language::Rust => {}
    }
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .env("PYTHONUNBUFFERED", "1");
    fs::create_dir_all(path.parent().context("a program has no folder")?)?;
    fs::write(&path, edited.source).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Program {
        sdk: sdk.clone(),
        sample,
        app,
        port,
        command,
        changed: edited.changed,
    })
}

/// Starts the program, publishes its event and waits until it printed it.
async fn receive(platform: &Platform, program: Program) -> Result<()> {
    let Program {
        sample,
        app,
        port,
        command,
        ..
    } = program;
    let peer = Peer::spawn(command)?;
    if sample.webhook {
        let listens = until(ONLINE, async || {
            Ok(TcpStream::connect(("127.0.0.1", port)).await.is_ok())
        })
        .await;
        listens.with_context(|| format!("it does not listen; {}", peer.log()))?;
        let url = format!("http://127.0.0.1:{port}/webhook/event");
        platform
            .set_url(&app, "events", &url)
            .await
            .with_context(|| peer.log())?;
    } else {
        platform
            .wait_online(&app, 1, ONLINE)
            .await
            .with_context(|| peer.log())?;
    }
    let publication = plain(sample.event_type)?;
    let event_id = platform.publish(&app, &publication).await?;
    let event = Value::Object(publication.event);
    let mut missing = String::new();
    until(ARRIVAL, async || {
        missing = printed(sample.language, &peer.printed(), &event_id, &event)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        Ok(missing.is_empty())
    })
    .await
    .map_err(|_| anyhow!("{missing}; {}", peer.log()))?;
    platform
        .wait_delivery(&event_id, ARRIVAL, |delivery| delivery["state"] == "delivered")
        .await?;
    Ok(())
}

/// Whether a program printed the event, in the form that its language prints it in.
fn printed(language: Language, log: &str, event_id: &str, event: &Value) -> Result<()> {
    let (_, after) = match language {
        Language::Node => log.split_once("schema: '2.0'").context("no event was printed")?,
        _ => log.split_once(MARK).context("no event was printed")?,
    };
    match language {
        Language::Python | Language::Java => {
            let found = serde_json::Deserializer::from_str(after).into_iter::<Value>().next();
            let mut found = found.context("no JSON was printed")?.context("the JSON is not whole")?;
            if language == Language::Python {
                ensure!(found["header"]["event_id"] == event_id, "another event was printed");
                found = found["event"].take();
            }
            ensure!(found == *event, "{found} was printed instead of {event}");
        }
        Language::Node => {
            ensure!(
                after.contains(&format!("event_id: '{event_id}'")),
                "another event was printed"
            );
            each_scalar(None, event, &mut |name, value| {
                let value = literal(value, '\'');
                let line = name.map_or_else(|| value.clone(), |name| format!("{name}: {value}"));
                ensure!(after.contains(&line), "`{line}` was not printed");
                Ok(())
            })?;
        }
        Language::Go | Language::Rust => {
            ensure!(
                after.contains(&format!("EventID: \"{event_id}\"")),
                "another event was printed"
            );
            each_scalar(None, event, &mut |name, value| {
                let value = literal(value, '"');
                let line = name.map_or_else(|| value.clone(), |name| format!("{}: {value}", pascal(name)));
                ensure!(after.contains(&line), "`{line}` was not printed");
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The name of a field in Go.
fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

/// A text between its quotes, or a number.
fn literal(value: &Value, quote: char) -> String {
    match value {
        Value::String(text) => format!("{quote}{text}{quote}"),
        other => other.to_string(),
    }
}

/// Calls the check with every text and number of a document, and with the name of the field it is in unless it is in a
/// list.
fn each_scalar(
    name: Option<&str>,
    value: &Value,
    check: &mut impl FnMut(Option<&str>, &Value) -> Result<()>,
) -> Result<()> {
    match value {
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, value)| each_scalar(Some(name), value, check)),
        Value::Array(items) => items.iter().try_for_each(|value| each_scalar(None, value, check)),
        scalar => check(name, scalar),
    }
}
