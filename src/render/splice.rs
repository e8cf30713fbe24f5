//! Tables in a Markdown file, made of reports: what stands between two markers is replaced, so that it is always what the reports say.
//!
//! ```text
//! <!-- actbench:begin arithmetic reports/some.json f32 -->
//! <!-- actbench:end -->
//! ```
//!
//! The words are a table, a report (its path from the file's folder), and, if wanted, a regular expression over the names of the table's rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::markdown;
use super::section::SECTIONS;
use crate::error::{Error, Result};
use crate::render::grid::Grid;
use crate::render::table;
use crate::render::text::plain;
use crate::report::Report;

const BEGIN: &str = "<!-- actbench:begin";
const END: &str = "<!-- actbench:end";

/// A table of another schema: its name, and how to read it from a file.
pub type Other<'a> = (&'a str, &'a dyn Fn(&Path) -> Result<Option<Grid>>);

/// The text of a Markdown file with its tables renewed. Twice gives what once gives.
pub fn splice(file: &Path, text: &str, other: Other<'_>) -> Result<String> {
    let refuse = |index: usize, why: &str| {
        Error::Usage(format!("{} line {}: {why}", file.display(), index + 1))
    };
    let mut reports =
        Reports { folder: file.parent().unwrap_or(Path::new("")), read: HashMap::new() };
    let mut fence = Fence::default();
    let mut spliced = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((begin, line)) = lines.next() {
        spliced.push_str(line);
        let content = line.trim();
        if fence.encloses(content) {
            continue;
        }
        if content.starts_with(END) {
            return Err(refuse(begin, "a table ends here that begins nowhere"));
        }
        if content.starts_with(BEGIN) {
            let table = Marker::parse(content).and_then(|marker| {
                if marker.name == other.0 {
                    let path = reports.folder.join(marker.report);
                    let grid = other.1(&path).map_err(|error| error.to_string())?;
                    return marker.tables(grid);
                }
                marker.render(reports.get(marker.report)?)
            });
            let table = table.map_err(|why| refuse(begin, &why))?;
            let marker = lines.find(|(_, line)| {
                [BEGIN, END].iter().any(|marker| line.trim().starts_with(marker))
            });
            match marker {
                Some((_, end)) if end.trim().starts_with(END) => {
                    spliced += &format!("\n{table}\n\n{end}")
                }
                Some((next, _)) => {
                    return Err(refuse(
                        next,
                        &format!(
                            "a table begins before that of line {} ends ({END} -->)",
                            begin + 1
                        ),
                    ));
                }
                None => return Err(refuse(begin, &format!("the table has no end ({END} -->)"))),
            }
        }
    }
    Ok(spliced)
}

/// The reports that markers name, each read once.
struct Reports<'a> {
    folder: &'a Path,
    read: HashMap<PathBuf, Report>,
}

impl Reports<'_> {
    fn get(&mut self, name: &str) -> std::result::Result<&Report, String> {
        match self.read.entry(self.folder.join(name)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let report = Report::read(new.key()).map_err(|error| error.to_string())?;
                Ok(new.insert(report))
            }
        }
    }
}

/// A fenced block, in which a marker is text that is explained.
#[derive(Default)]
struct Fence {
    /// What it was opened with.
    open: Option<String>,
}

impl Fence {
    /// Whether a line, one after the other, is in a fenced block or begins or ends one.
    fn encloses(&mut self, line: &str) -> bool {
        let mark = line.chars().next().filter(|mark| "`~".contains(*mark)).unwrap_or(' ');
        let length = line.chars().take_while(|character| *character == mark).count();
        match &self.open {
            Some(open) => {
                if open.starts_with(mark)
                    && length >= open.len()
                    && line.trim_end_matches(mark).is_empty()
                {
                    self.open = None;
                }
                true
            }
            None if mark != ' ' && length >= 3 => {
                self.open = Some(mark.to_string().repeat(length));
                true
            }
            None => false,
        }
    }
}

/// What a table's first marker asks for.
struct Marker<'a> {
    name: &'a str,
    report: &'a str,
    filter: Option<Regex>,
}

impl<'a> Marker<'a> {
    fn parse(line: &'a str) -> std::result::Result<Self, String> {
        let Some(words) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-->")) else {
            return Err("the marker is not the whole line, or has no end (-->)".to_owned());
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        let (name, report, filter) = match words[..] {
            [name, report] => (name, report, None),
            [name, report, filter] => (name, report, Some(filter)),
            _ => return Err(format!("a marker reads {BEGIN} TABLE REPORT [ROWS] -->")),
        };
        let filter = filter.map(|filter| {
            Regex::new(filter)
                .map_err(|_| format!("\"{}\" is no regular expression over rows", plain(filter)))
        });
        Ok(Self { name, report, filter: filter.transpose()? })
    }

    fn render(&self, report: &Report) -> std::result::Result<String, String> {
        let (text, takes_rows) = match self.name {
            "summary" => (markdown::summary(report), false),
            "provenance" => (markdown::provenance(report), false),
            "text" => (format!("```console\n{}\n```", plain(&self.text(report)).trim_end()), true),
            name => {
                let Some(section) = SECTIONS.iter().find(|section| section.name == name) else {
                    let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
                    return Err(format!(
                        "there is no table \"{}\"; there are: summary, provenance, text, {}",
                        plain(name),
                        known.join(", ")
                    ));
                };
                return self.tables((section.grids)(report));
            }
        };
        if self.filter.is_some() && !takes_rows {
            return Err(format!("\"{}\" has no rows to choose from", self.name));
        }
        self.something(&text)
    }

    fn tables(&self, grids: impl IntoIterator<Item = Grid>) -> std::result::Result<String, String> {
        let grids = grids.into_iter().filter_map(|grid| self.filtered(grid));
        let text = grids.map(|grid| grid.markdown()).collect::<Vec<_>>().join("\n\n");
        self.something(&text)
    }

    fn something(&self, text: &str) -> std::result::Result<String, String> {
        if text.trim().is_empty() {
            return Err(format!(
                "{} has nothing of \"{}\" that the marker asks for",
                self.report, self.name
            ));
        }
        Ok(text.trim().to_owned())
    }

    /// The measurements as they are printed, with the adapter above them.
    fn text(&self, report: &Report) -> String {
        let measurements =
            table::measurements(&report.measurements).and_then(|grid| self.filtered(grid));
        let body = measurements.map(|grid| grid.text()).unwrap_or_default();
        format!("{}\n\n{body}", table::head(report))
    }

    /// The grid with the rows that are wanted; notes only where all rows are. None where no row is left.
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
