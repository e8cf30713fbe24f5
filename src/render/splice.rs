//! Tables in a Markdown file, made of reports: what stands between two markers is replaced.
//!
//! ```text
//! <!-- actbench:begin arithmetic reports/some.json f32 -->
//! <!-- actbench:end -->
//! ```
//!
//! The words are a table, a report (its path from the file's folder), and, if wanted, a regular
//! expression over the names of the table's rows. Markers in a fenced block are text.

use std::path::Path;

use regex::Regex;

use super::grid::Grid;
use super::section::SECTIONS;
use super::text::plain;
use super::{markdown, table};
use crate::error::{Error, Result};
use crate::report::Report;

/// A result whose error is a sentence.
type Told<T> = Result<T, String>;

const BEGIN: &str = "<!-- actbench:begin";
const END: &str = "<!-- actbench:end";

/// A table of another schema: its name, and how to read it from a file.
pub type Other<'a> = (&'a str, &'a dyn Fn(&Path) -> Result<Option<Grid>>);

/// The text of a Markdown file with its tables renewed. Twice gives what once gives.
pub fn splice(file: &Path, text: &str, other: Other<'_>) -> Result<String> {
    let refuse = |index: usize, why: &str| {
        Error::Usage(format!("{} line {}: {why}", file.display(), index + 1))
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut is_fenced = false;
    let mut spliced = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((begin, line)) = lines.next() {
        spliced.push_str(line);
        let line = line.trim();
        is_fenced ^= line.starts_with("```");
        if is_fenced {
            continue;
        }
        if line.starts_with(END) {
            return Err(refuse(begin, "a table ends here that begins nowhere"));
        }
        if line.starts_with(BEGIN) {
            let table = Marker::parse(line).and_then(|marker| marker.table(folder, other));
            let table = table.map_err(|why| refuse(begin, &why))?;
            let is_marker = |line: &str| line.starts_with(BEGIN) || line.starts_with(END);
            match lines.find(|(_, line)| is_marker(line.trim())) {
                Some((_, end)) if end.trim().starts_with(END) => {
                    spliced += &format!("\n{table}\n\n{end}");
                }
                _ => return Err(refuse(begin, &format!("the table has no end ({END} -->)"))),
            }
        }
    }
    Ok(spliced)
}

/// What a table's first marker asks for.
struct Marker<'a> {
    name: &'a str,
    report: &'a str,
    filter: Option<Regex>,
}

impl<'a> Marker<'a> {
    fn parse(line: &'a str) -> Told<Self> {
        let Some(words) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-->")) else {
            return Err("the marker is not the whole line, or has no end (-->)".to_owned());
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        let (name, report, filter) = match words[..] {
            [name, report] => (name, report, None),
            [name, report, filter] => (name, report, Some(filter)),
            _ => return Err(format!("a marker reads {BEGIN} TABLE REPORT [ROWS] -->")),
        };
        let complaint =
            |filter| format!("\"{}\" is no regular expression over rows", plain(filter));
        let filter = filter.map(|filter| Regex::new(filter).map_err(|_| complaint(filter)));
        Ok(Self { name, report, filter: filter.transpose()? })
    }

    fn table(&self, folder: &Path, other: Other<'_>) -> Told<String> {
        let path = folder.join(self.report);
        let report = || Report::read(&path).map_err(|error| error.to_string());
        let section = SECTIONS.iter().find(|section| section.name == self.name);
        let text = match (self.name, section) {
            ("summary" | "provenance", _) if self.filter.is_some() => {
                return Err(format!("\"{}\" has no rows to choose from", self.name));
            }
            ("summary", _) => markdown::summary(&report()?),
            ("provenance", _) => markdown::provenance(&report()?),
            ("text", _) => self.text(&report()?),
            (name, _) if name == other.0 => {
                self.tables(other.1(&path).map_err(|error| error.to_string())?)
            }
            (_, Some(section)) => self.tables((section.grids)(&report()?)),
            (name, None) => {
                let known = SECTIONS.iter().map(|section| section.name);
                let known: Vec<&str> = known.chain([other.0]).collect();
                return Err(format!(
                    "there is no table \"{}\"; there are: summary, provenance, text, {}",
                    plain(name),
                    known.join(", ")
                ));
            }
        };
        if text.is_empty() {
            let Self { name, report, .. } = self;
            return Err(format!("{report} has nothing of \"{name}\" that the marker asks for"));
        }
        Ok(text)
    }

    fn tables(&self, grids: impl IntoIterator<Item = Grid>) -> String {
        let grids = grids.into_iter().filter_map(|grid| self.filtered(grid));
        grids.map(|grid| grid.markdown()).collect::<Vec<_>>().join("\n\n")
    }

    /// The measurements as they are printed, with the adapter above them.
    fn text(&self, report: &Report) -> String {
        let grid = table::measurements(&report.measurements, &report.run.pairs);
        let grid = grid.and_then(|grid| self.filtered(grid));
        let Some(grid) = grid else { return String::new() };
        let text = format!("{}\n\n{}", table::head(report), grid.text());
        format!("```console\n{}\n```", plain(&text).trim_end())
    }

    /// The grid with the rows that are wanted; notes only where all rows are. None where no row is
    /// left.
    fn filtered(&self, mut grid: Grid) -> Option<Grid> {
        let Some(filter) = &self.filter else { return Some(grid) };
        grid.notes.clear();
        for block in &mut grid.blocks {
            // A row under a title is named by both.
            let prefix = block.title.as_deref().and_then(|title| title.split_whitespace().next());
            let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
            block.rows.retain(|row| {
                row.first().is_some_and(|name| filter.is_match(&format!("{prefix}{name}")))
            });
        }
        grid.blocks.retain(|block| !block.rows.is_empty());
        (!grid.blocks.is_empty()).then_some(grid)
    }
}
