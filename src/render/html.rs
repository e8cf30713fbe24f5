//! The page of a report: one file that needs nothing else, neither network nor script. Light and dark as its reader likes it, for a telephone and for
//! paper. maud escapes every text that is not marked [`PreEscaped`], and what is marked so is made here or in [`super::chart`].

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{self, Size};
use super::section::{Picture, SECTIONS, Section};
use crate::render::grid::Grid;
use crate::render::numbers;
use crate::render::reasons::sentence;
use crate::render::text::plain;
use crate::render::{summary, table};
use crate::report::provenance::Tool;
use crate::report::{Report, RunStatus};

/// Nothing is fetched and nothing is run, whatever a report may say.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; variant-action 'none'";

/// A cell longer than this is a sentence and not a figure.
const LONG: usize = 40;

/// The report in that variant.
pub fn render(report: &Report) -> String {
    let main = html! {
        (summary(report))
        @for section in SECTIONS { (part(section, report)) }
        (provenance(report))
    };
    page(&format!("actbench: {}", report.adapter.name), &head(report), &main)
}

/// A whole page.
pub fn page(title: &str, header: &Markup, main: &Markup) -> String {
    let style = format!("{}{}", include_str!("page.css"), chart::style());
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
                footer { p { "Written by " (plain(&tool.name)) " " (plain(&tool.version)) ". Hover over a point to see its value." } }
            }
        }
    };
    page.into_string() + "\n"
}

fn head(report: &Report) -> Markup {
    let adapter = &report.adapter;
    html! {
        p.kind { "What an activation function costs" }
        h1 { bdi { (plain(&adapter.name)) } }
        p.facts {
            bdi { (plain(&adapter.backend)) } " · " bdi { (plain(format!("{} {}", adapter.driver, adapter.driver_info).trim())) }
            " · " time datetime=(report.run.started_at) { (report.run.started_at.strftime("%Y-%m-%d %H:%M UTC")) }
            " · " (report.run.profile.name()) " profile"
        }
        @if adapter.is_software {
            p.warning { strong { "Software adapter. " } "It computes on the CPU: these figures are those of a processor and say nothing about a GPU." }
        }
        @if report.run.status != RunStatus::Complete {
            p.warning {
                strong { "Incomplete. " }
                (plain(&report.run.reason.as_ref().map(sentence).unwrap_or_default()))
            }
        }
    }
}

fn summary(report: &Report) -> Markup {
    let mut lines = summary::lines(report);
    if lines.is_empty() {
        lines.push("There is no summary: this report has no valid figure for one.".to_owned());
    }
    let mut lines = lines.iter();
    html! {
        section.summary #summary {
            h2 { "Summary" }
            p.sentence { (plain(lines.next().expect("one at least"))) }
            @let others: Vec<&String> = lines.collect();
            @if !others.is_empty() {
                ul { @for line in others { li { (plain(line)) } } }
            }
        }
    }
}

fn part(section: &Section, report: &Report) -> Markup {
    let pictures = (section.pictures)(report);
    let grids = (section.grids)(report);
    html! {
        @if !pictures.is_empty() || !grids.is_empty() {
            section id=(section.name) {
                h2 { (section.title) }
                p.meaning { (section.meaning) }
                (pictures_of(&pictures))
                @if !grids.is_empty() {
                    details open[section.name == "ratios"] {
                        summary { "The figures" }
                        @for grid in &grids { (table_of(grid)) }
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
                    figure {
                        figcaption { (plain(picture.chart.title())) }
                        (PreEscaped(picture.chart.svg(Size::Wide)))
                        (PreEscaped(picture.chart.svg(Size::Narrow)))
                    }
                }
            }
        }
    }
}

/// A grid, with its notes below it.
pub fn table_of(grid: &Grid) -> Markup {
    html! {
        @if grid.rows().next().is_some() {
            div.table {
                table {
                    thead {
                        tr {
                            @for (column, cell) in grid.header.iter().enumerate() {
                                th.left[!grid.figures().contains(&column)] scope="col" { (plain(cell)) }
                            }
                        }
                    }
                    @for block in &grid.blocks {
                        tbody {
                            @if let Some(title) = &block.title {
                                tr.block { th scope="rowgroup" colspan=(grid.header.len()) { (plain(title)) } }
                            }
                            @for row in &block.rows {
                                tr {
                                    @for (column, cell) in row.iter().enumerate() {
                                        @if column == 0 { th scope="row" { (plain(cell)) } }
                                        @else {
                                            td.words[cell.chars().count() > LONG].left[!grid.figures().contains(&column)] { (plain(cell)) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !grid.notes.is_empty() {
            ul.notes { @for note in &grid.notes { li { (plain(note)) } } }
        }
    }
}

fn provenance(report: &Report) -> Markup {
    html! {
        section #provenance {
            h2 { "Adapter and provenance" }
            p.meaning {
                "What was measured with what, so that the figures can be had again. The report itself, with every sample, is the JSON file that this page was made of."
            }
            dl {
                @for (name, value) in facts(report) {
                    div { dt { (name) } dd { (plain(&value)) } }
                }
            }
            @if !report.run.notes.is_empty() {
                ul.notes { @for note in &report.run.notes { li { (plain(&sentence(note))) } } }
            }
        }
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let Report { tool, run, system, adapter, .. } = report;
    let known = |value: &Option<String>| value.clone().unwrap_or_default();
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let labels = run.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    let dirty = if tool.git_dirty == Some(true) { " with changes" } else { "" };
    let cores = system
        .cpu
        .logical_cores
        .map(|cores| format!(", {}", numbers::counted(cores.into(), "hardware thread")));
    let tick = report.clock.period_ns.map(|ns| format!(", a tick of {ns} ns")).unwrap_or_default();
    let quantum =
        report.clock.quantum_ns.map(|ns| format!(", steps of {ns} ns")).unwrap_or_default();
    let facts = [
        ("adapter", adapter.name.clone()),
        ("kind", adapter.device_type.clone()),
        ("backend", adapter.backend.clone()),
        ("driver", format!("{} {}", adapter.driver, adapter.driver_info).trim().to_owned()),
        ("vendor, device", format!("{:#06x}, {:#06x}", adapter.vendor_id, adapter.device_id)),
        ("bus", known(&adapter.pci_bus_id)),
        (
            "lanes of a subgroup",
            format!("{} to {}", adapter.subgroup_sizes[0], adapter.subgroup_sizes[1]),
        ),
        ("computes in f16", yes(adapter.shader_f16)),
        ("largest binding", format!("{} bytes", adapter.max_binding_bytes)),
        ("clock and dispatch_overhead", clock_and_overhead(report) + &tick + &quantum),
        (
            "profile",
            format!("{}, {}", run.profile.name(), numbers::counted(run.repeats.into(), "device")),
        ),
        ("begun", run.started_at.to_string()),
        ("time", table::foot(report).lines().next().unwrap_or_default().to_owned()),
        ("arguments", run.argv.join(" ")),
        ("filter", known(&run.filter)),
        ("labels", labels.join(", ")),
        ("seed", run.seed.to_string()),
        (
            "program",
            format!(
                "{} {}, revision {}{dirty}",
                tool.name,
                tool.version,
                tool.git_revision.as_deref().unwrap_or("unknown")
            ),
        ),
        (
            "compiler",
            format!(
                "{}, {}",
                tool.rustc,
                if tool.optimized { "optimized" } else { "not optimized" }
            ),
        ),
        ("target", tool.target.clone()),
        ("wgpu", known(&tool.wgpu_version)),
        ("host", known(&system.host)),
        (
            "system",
            [&system.os.name, &system.os.version, &system.os.kernel]
                .map(known)
                .join(" ")
                .trim()
                .to_owned(),
        ),
        (
            "processor",
            format!("{} {}{}", known(&system.cpu.brand), system.arch, cores.unwrap_or_default())
                .trim()
                .to_owned(),
        ),
        (
            "memory",
            system.memory_bytes.map(|bytes| format!("{:.1} GiB", gib(bytes))).unwrap_or_default(),
        ),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// What `head` says beyond the adapter and the profile.
fn clock_and_overhead(report: &Report) -> String {
    let head = table::head(report);
    let timed_by = head
        .lines()
        .nth(1)
        .and_then(|line| line.split("timed by ").nth(1))
        .unwrap_or_default()
        .to_owned();
    match &report.dispatch_overhead {
        None => timed_by,
        Some(dispatch_overhead) => format!(
            "{timed_by}; a dispatch of next to nothing takes {} behind another, {} from submission to completion",
            numbers::duration(dispatch_overhead.dispatch_ns.median),
            numbers::duration(dispatch_overhead.submit_to_complete_ns.median)
        ),
    }
}

fn gib(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let bytes = bytes as f64;
    bytes / 1_073_741_824.0
}
