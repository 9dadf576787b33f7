//! The results as one table: a line for each claim, a column for each SDK.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Error;

/// All results of a run.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    columns: Vec<String>,
    cells: BTreeMap<(usize, usize), Option<String>>,
}

impl Table {
    pub(crate) fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// Notes one result; a failure keeps its reason.
    pub(crate) fn note(&mut self, row: &str, column: &str, result: &Result<(), Error>) {
        let row = position(&mut self.rows, row);
        let column = position(&mut self.columns, column);
        self.cells
            .insert((row, column), result.as_ref().err().map(|error| format!("{error:#}")));
    }

    pub(crate) fn passed(&self) -> usize {
        self.cells.len() - self.failed()
    }

    pub(crate) fn failed(&self) -> usize {
        self.cells.values().filter(|failure| failure.is_some()).count()
    }

    /// The table, and below it the reason of every failure.
    pub(crate) fn print(&self) -> String {
        let first = self.rows.iter().map(|row| row.chars().count()).max().unwrap_or(0);
        let mut text = format!("{:first$}", "");
        for column in &self.columns {
            let _ = write!(text, "  {column}");
        }
        for (at, row) in self.rows.iter().enumerate() {
            let _ = write!(text, "\n{row:first$}");
            for (column, title) in self.columns.iter().enumerate() {
                let cell = match self.cells.get(&(at, column)) {
                    Some(None) => "ok",
                    Some(Some(_)) => "FAILED",
                    None => "-",
                };
                let _ = write!(text, "  {cell:width$}", width = title.chars().count());
            }
        }
        text.push('\n');
        for ((row, column), failure) in &self.cells {
            if let Some(reason) = failure {
                let _ = write!(
                    text,
                    "\nFAILED {} | {}\n  {reason}\n",
                    self.columns[*column], self.rows[*row]
                );
            }
        }
        text
    }
}

fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_and_shows_failures_with_their_reason() {
        let mut table = Table::new(vec!["go 1".to_owned(), "java 2".to_owned()]);
        table.note("ws: a", "go 1", &Ok(()));
        table.note("ws: a", "java 2", &Err(anyhow::anyhow!("it did not")));
        table.note("ws: bb", "go 1", &Ok(()));
        assert_eq!((table.passed(), table.failed()), (2, 1));
        let lines = ["        go 1  java 2", "ws: a   ok    FAILED", "ws: bb  ok    -     "];
        let expected = format!("{}\n\nFAILED java 2 | ws: a\n  it did not\n", lines.join("\n"));
        assert_eq!(table.print(), expected);
    }
}
