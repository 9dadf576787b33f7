//! The text that Prometheus reads: families of samples, each with its help and type.
//!
//! Written by ourselves: the usual libraries record into one place for the whole process, in which several platforms
//! may run, and keep every duration until somebody reads them. The format is a page long:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write};

use larkspur_store::HistogramReading;

/// The content type of version 0.0.4 of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Label names and values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// What kind of thing a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations by bucket; its name ends in `_seconds`.
    Histogram,
}

/// Text being written.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One sample of the family that was begun.
    pub(crate) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        let labels = Written(labels, None);
        self.line(format_args!("{name}{labels} {value}"));
    }

    /// A counter without labels.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], value);
    }

    /// A gauge without labels.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram.
    pub(crate) fn histogram(&mut self, name: &str, labels: Labels<'_>, reading: &HistogramReading) {
        let mut up_to = 0;
        for (bound, count) in &reading.buckets {
            up_to += count;
            let bound = bound.as_secs_f64().to_string();
            let written = Written(labels, Some(&bound));
            self.line(format_args!("{name}_bucket{written} {up_to}"));
        }
        // One reading serves all three, since the parts must agree.
        let all = up_to + reading.longer;
        let written = Written(labels, Some("+Inf"));
        self.line(format_args!("{name}_bucket{written} {all}"));
        let written = Written(labels, None);
        self.line(format_args!("{name}_sum{written} {}", reading.sum.as_secs_f64()));
        self.line(format_args!("{name}_count{written} {all}"));
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Labels in braces, with the bound of a bucket; nothing when there are none.
struct Written<'a>(Labels<'a>, Option<&'a str>);

impl Display for Written<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut before = "{";
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{before}{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_str("\"")?;
            before = ",";
        }
        if before == "," { f.write_str("}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use larkspur_store::Histogram;

    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_micros(2_500), Duration::from_secs(1)];

    #[test]
    fn buckets_are_cumulative_and_in_seconds() {
        let histogram = Histogram::new(BOUNDS);
        for took in [
            Duration::from_millis(1),
            Duration::from_millis(500),
            Duration::from_secs(2),
        ] {
            histogram.add(took);
        }
        let mut text = Exposition::default();
        text.family("t_seconds", Kind::Histogram, "Time.");
        text.histogram("t_seconds", &[("mode", "webhook")], &histogram.read());
        let expected = "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n\
            t_seconds_bucket{mode=\"webhook\",le=\"0.0025\"} 1\n\
            t_seconds_bucket{mode=\"webhook\",le=\"1\"} 2\n\
            t_seconds_bucket{mode=\"webhook\",le=\"+Inf\"} 3\n\
            t_seconds_sum{mode=\"webhook\"} 2.501\n\
            t_seconds_count{mode=\"webhook\"} 3\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn a_label_cannot_break_out_of_its_line() {
        let mut text = Exposition::default();
        text.sample("n", &[("a", "\"}\\\n"), ("b", "c")], 1);
        assert_eq!(text.finish(), "n{a=\"\\\"}\\\\\\n\",b=\"c\"} 1\n");
    }
}
