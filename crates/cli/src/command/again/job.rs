//! Following a job to its end.

use http::Method;
use larkspur::ctrl_c;
use serde_json::Value;

use super::deliveries;
use crate::admin::{Admin, To};
use crate::command::attempt::time;
use crate::failure::{Exit, Failure};
use crate::ui::{Ui, day_and_time, one_line};

/// Progress is shown this often.
const LOOK_EVERY: [(&str, &str); 1] = [("wait_seconds", "1")];

/// Shows how far the job is until it has ended; Ctrl-C ends it.
pub(super) async fn follow(ui: &Ui, admin: &Admin, mut job: Value) -> Result<(), Failure> {
    let id = job["job_id"].as_str().unwrap_or_default().to_owned();
    let path = ["jobs", id.as_str()];
    let mut stop = Box::pin(ctrl_c());
    while job["state"] == "running" {
        ui.progress(&so_far(&job));
        if ui.json {
            ui.result(&job, String::new);
        }
        let next = tokio::select! {
            next = admin.find(Method::GET, To(&path, &LOOK_EVERY)) => next?,
            () = &mut stop => admin.find(Method::DELETE, To(&path, &[])).await?,
        };
        job = next.ok_or_else(|| {
            Failure::msg(Exit::Failed, "the platform was started anew, which ended the job")
                .with_hint("run this again; what went out already would go out once more")
        })?;
    }
    ui.progress("");
    ui.result(&job, || so_far(&job));
    let ended = |why: String| Err(Failure::msg(Exit::Failed, why));
    match job["state"].as_str() {
        Some("done") => Ok(()),
        Some("cancelled") => ended("the job was ended before it was through".to_owned()),
        _ => {
            let why = job["error"].as_str().unwrap_or("the platform did not say why");
            ended(format!("the job failed: {}", one_line(why)))
        }
    }
}

fn so_far(job: &Value) -> String {
    let mut text = format!("{} made due", deliveries(&job["resent"]));
    if job["under_way"] != 0 {
        text.push_str(&format!(", {} being pushed already", deliveries(&job["under_way"])));
    }
    let reached = day_and_time(time(&job["reached_at"]));
    text.push_str(&format!("; gone through what was accepted until {reached}"));
    text
}
