//! What is printed: a table for people, or one JSON object.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::Options;
use crate::machine::Machine;

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds of a measurement are far below 2⁵³"
)]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

/// The figures of one case.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    /// Deliveries that arrived, from the first request to the last arrival.
    pub(crate) delivered_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The platform's time on processors, for each delivery.
    pub(crate) cpu_us_per_event: f64,
    pub(crate) floor_per_s: f64,
    /// What only this case has.
    #[serde(flatten)]
    pub(crate) more: BTreeMap<&'static str, f64>,
}

impl Figures {
    pub(crate) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.more.insert(name, value);
        self
    }

    /// Every figure by name, to take medians of.
    fn each(&mut self) -> impl Iterator<Item = &mut f64> {
        let fixed = [
            &mut self.delivered_per_s,
            &mut self.p50_ms,
            &mut self.p99_ms,
            &mut self.cpu_us_per_event,
            &mut self.floor_per_s,
        ];
        fixed.into_iter().chain(self.more.values_mut())
    }

    /// The medians of several runs of one case; `None` of none.
    pub(crate) fn median(mut runs: Vec<Self>) -> Option<Self> {
        let mut median = runs.first()?.clone();
        let columns: Vec<Vec<f64>> = runs
            .iter_mut()
            .map(|run| run.each().map(|figure| *figure).collect())
            .collect();
        for (n, figure) in median.each().enumerate() {
            *figure = middle(columns.iter().filter_map(|run| run.get(n).copied()).collect());
        }
        Some(median)
    }
}

/// The middle one; the lower of two.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

/// One object with everything.
pub(crate) fn json(
    machine: &Machine,
    build: &str,
    options: &Options,
    cases: &[Figures],
    failed: &[(&str, String)],
) -> String {
    let rounded: Vec<_> = cases
        .iter()
        .cloned()
        .map(|mut case| {
            case.each()
                .for_each(|figure| *figure = (*figure * 1_000.0).round() / 1_000.0);
            case
        })
        .collect();
    let failed: Vec<_> = failed
        .iter()
        .map(|(case, error)| json!({ "case": case, "error": error }))
        .collect();
    let Options {
        fsync_ms,
        runs,
        seconds,
        ..
    } = options;
    json!({
        "machine": machine, "build": build, "fsync_ms": fsync_ms, "runs": runs, "seconds": seconds, "cases": rounded, "failed": failed,
    })
    .to_string()
}

/// The head of the table.
pub(crate) fn head(machine: &Machine, build: &str, fsync_ms: u32) -> String {
    let Machine {
        cores,
        processor,
        kernel,
    } = machine;
    format!(
        "{cores} cores, {processor}, Linux {kernel}, fsync + {fsync_ms} ms\nlarkspur: {build}\n\n\
         {:<24} {:>11} {:>9} {:>9} {:>13} {:>10}\n",
        "case", "delivered/s", "p50 ms", "p99 ms", "CPU µs/event", "floor/s"
    )
}

/// One row of the table, and what else there is to say of the case.
pub(crate) fn row(figures: &Figures, reach: &str) -> String {
    let mut text = format!(
        "{:<24} {:>11.0} {:>9.2} {:>9.2} {:>13.1} {:>10.0}\n",
        figures.case,
        figures.delivered_per_s,
        figures.p50_ms,
        figures.p99_ms,
        figures.cpu_us_per_event,
        figures.floor_per_s
    );
    if !reach.is_empty() {
        text += &format!("    to reach: {reach}\n");
    }
    let more: Vec<_> = figures
        .more
        .iter()
        .map(|(name, value)| format!("{name} {value:.2}"))
        .collect();
    for line in more.chunks(4) {
        text += &format!("    {}\n", line.join("  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |delivered_per_s, extra| {
            Figures {
                delivered_per_s,
                ..Figures::default()
            }
            .with("extra", extra)
        };
        let mut median = Figures::median(vec![run(1.0, 9.0), run(3.0, 7.0), run(2.0, 8.0)]).unwrap();
        assert_eq!(
            median.each().map(|figure| *figure).collect::<Vec<_>>(),
            [2.0, 0.0, 0.0, 0.0, 0.0, 8.0]
        );
        assert!(Figures::median(Vec::new()).is_none());
    }

    #[test]
    fn figures_say_which_build_they_are_of() {
        let machine = Machine::here();
        assert!(head(&machine, "profile-guided", 0).contains("\nlarkspur: profile-guided\n"));
        let cli = crate::Cli::parse_from(["larkspur-bench", "platform"]);
        let crate::Command::Platform(options) = cli.command else {
            panic!("another command was asked for");
        };
        let json: serde_json::Value =
            serde_json::from_str(&json(&machine, "profile-guided", &options, &[], &[])).unwrap();
        assert_eq!(json["build"], "profile-guided");
    }

    #[test]
    fn a_case_is_one_flat_object() {
        let json = serde_json::to_value(Figures::default().with("extra", 1.0)).unwrap();
        assert_eq!(json["extra"], 1.0);
        assert!(json["floor_per_s"].is_number());
    }
}
