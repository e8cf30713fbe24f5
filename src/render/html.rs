//! Pages: one self-contained file, no network, no scripts, light and dark, for telephones and
//! paper. maud escapes every text that is not [`PreEscaped`], and only style sheets are.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::chart::STYLE;
use super::grid::Grid;
use super::reasons::sentence;
use super::section::{Picture, SECTIONS, Section};
use super::summary;
use super::text::plain;
use crate::report::provenance::Tool;
use crate::report::{Report, RunStatus};

/// Nothing is fetched and nothing is run, whatever a report may say.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The report in that format.
pub fn render(report: &Report) -> String {
    let main = html! {
        (summary(report))
        @for section in SECTIONS {
            (part(section, &(section.pictures)(report), &(section.grids)(report)))
        }
        (provenance(report))
    };
    page(&format!("actbench: {}", report.adapter.name), &head(report), &main)
}

/// A whole page.
pub fn page(title: &str, header: &Markup, main: &Markup) -> String {
    let style = format!("{}{STYLE}", include_str!("page.css"));
    let tool = Tool::this();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (plain(title)) }
                style { (PreEscaped(style)) }
            }
            body {
                header { (header) }
                main { (main) }
                footer {
                    p { (tool.name) " " (tool.version) ". Hover over a point to see its value." }
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn head(report: &Report) -> Markup {
    let adapter = &report.adapter;
    let driver = format!("{} {}", adapter.driver, adapter.driver_info);
    let started = report.run.started_at;
    let reason = report.run.reason.as_ref().map(sentence).unwrap_or_default();
    html! {
        p.kind { "What an activation function costs" }
        h1 { bdi { (plain(&adapter.name)) } }
        p.facts {
            bdi { (plain(&adapter.backend)) } " · " bdi { (plain(driver.trim())) }
            " · " time datetime=(started) { (started.strftime("%Y-%m-%d %H:%M UTC")) }
            " · " (report.run.profile) " profile"
        }
        @if adapter.is_software {
            p.warning {
                strong { "Software adapter. " } "CPU figures: they say nothing about a GPU."
            }
        }
        @if report.run.status != RunStatus::Complete {
            p.warning { strong { "Incomplete. " } (plain(&reason)) }
        }
    }
}

fn summary(report: &Report) -> Markup {
    let lines = summary::lines(report);
    let none = "No summary: this report has no valid figure for one.";
    html! {
        section.summary #summary {
            h2 { "Summary" }
            p.sentence { (plain(lines.first().map_or(none, String::as_str))) }
            @if lines.len() > 1 {
                ul { @for line in &lines[1..] { li { (plain(line)) } } }
            }
        }
    }
}

/// A section with what it has of a report, or of several.
pub fn part(section: &Section, pictures: &[Picture], grids: &[Grid]) -> Markup {
    html! {
        @if !pictures.is_empty() || !grids.is_empty() {
            section id=(section.name) {
                h2 { (section.title) }
                p.meaning { (section.meaning) }
                (pictures_of(pictures))
                @if !grids.is_empty() {
                    details open[section.name == SECTIONS[0].name] {
                        summary { "The figures" }
                        @for grid in grids { (table_of(grid)) }
                    }
                }
            }
        }
    }
}

/// Pictures with their titles.
pub fn pictures_of(pictures: &[Picture]) -> Markup {
    html! {
        @if !pictures.is_empty() {
            div.pictures {
                @for picture in pictures {
                    figure { figcaption { (plain(&picture.chart.title)) } (picture.chart.svg()) }
                }
            }
        }
    }
}

/// A grid, with its notes below it.
pub fn table_of(grid: &Grid) -> Markup {
    let is_left = |column: usize| !grid.figures().contains(&column);
    // A sentence rather than a figure.
    let is_long = |cell: &String| cell.chars().count() > 40;
    html! {
        @if grid.rows().next().is_some() {
            div.table {
                table {
                    thead {
                        tr {
                            @for (column, cell) in grid.header.iter().enumerate() {
                                th.left[is_left(column)] scope="col" { (plain(cell)) }
                            }
                        }
                    }
                    @for block in &grid.blocks {
                        tbody {
                            @if let Some(title) = &block.title {
                                tr.block {
                                    th scope="rowgroup" colspan=(grid.header.len()) { (plain(title)) }
                                }
                            }
                            @for row in &block.rows {
                                tr {
                                    @for (column, cell) in row.iter().enumerate() {
                                        @if column == 0 { th scope="row" { (plain(cell)) } }
                                        @else {
                                            td.words[is_long(cell)].left[is_left(column)] {
                                                (plain(cell))
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        (list(&grid.notes))
    }
}

pub fn list(notes: &[String]) -> Markup {
    html! { @if !notes.is_empty() { ul.notes { @for note in notes { li { (plain(note)) } } } } }
}

/// What was measured with what: the fields of the report, under their names in its JSON.
fn provenance(report: &Report) -> Markup {
    let json = serde_json::to_value(report).expect("string keys");
    let notes: Vec<String> = report.run.notes.iter().map(sentence).collect();
    let mut facts = Vec::new();
    for part in ["adapter", "clock", "dispatch_overhead", "run", "tool", "system"] {
        add_facts(part, &json[part], &mut facts);
    }
    html! {
        section #provenance {
            h2 { "Adapter, settings, time" }
            p.meaning { "Fields of the report, by their names in its JSON." }
            dl {
                @for (name, value) in &facts { div { dt { (plain(name)) } dd { (plain(value)) } } }
            }
            (list(&notes))
        }
    }
}

fn add_facts(name: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Null => return,
        // They are told as sentences.
        _ if name == "run.notes" || name == "run.reason" => return,
        Value::Object(fields) => {
            for (key, field) in fields {
                add_facts(&format!("{name}.{key}"), field, facts);
            }
            return;
        }
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(" "),
        other => text_of(other),
    };
    facts.push((name.to_owned(), text));
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
