//! `actbench run --baseline FILE`: a report to compare with, read before anything is measured and
//! compared at the end.

use std::path::{Path, PathBuf};

use actbench::compare::{self, Comparison, Named};
use actbench::error::{Error, Exit, Result};
use actbench::gpu::AdapterFacts;
use actbench::render::comparison;
use actbench::report::{Report, Status};
use actbench::suite::{Planned, Settings};
use clap::Args;

use super::compare::{How, exit};
use super::{print, say};

#[derive(Args)]
pub struct Arguments {
    /// Compare with this report at the end; exit status 1 if something is slower. On the same
    /// adapter, take its shapes.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// A report to compare with.
pub struct Baseline {
    pub file: String,
    pub report: Report,
    how: compare::Settings,
}

impl Arguments {
    /// Reads the report that the user named.
    pub fn read(&self) -> Result<Option<Baseline>> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let (file, report) = (path.display().to_string(), Report::read(path)?);
        Ok(Some(Baseline { file, report, how: self.how.settings() }))
    }
}

impl Baseline {
    /// Refuses what could not be compared at the end.
    pub fn check(&self, facts: &AdapterFacts, settings: &Settings) -> Result<()> {
        let Self { file, report, how } = self;
        let refuse = |why: &str| Err(Error::Usage(format!("{file} {why}")));
        if report.adapter.is_software != facts.is_software && !how.software_against_hardware {
            return refuse(
                "and this adapter are software and hardware: name another --adapter, or pass \
                 --software-against-hardware",
            );
        }
        let ids = Planned::new(settings, facts.is_software).ids();
        let rows = report.measurements.iter().map(|row| (&row.id, row.status));
        let mut rows = rows.chain(report.arithmetic.iter().map(|rate| (&rate.id, rate.status)));
        if !rows.any(|(id, status)| status == Status::Ok && ids.contains(id)) {
            return refuse(
                "measured no row of those that this run is to measure: choose another --profile \
                 or --filter",
            );
        }
        Ok(())
    }

    /// Prints the comparison, to stdout unless the report itself is there.
    pub fn compare(&self, path: &Path, report: &Report) -> Result<Exit> {
        let base = Named { file: &self.file, report: &self.report };
        let new = Named { file: &path.display().to_string(), report };
        let found = Comparison::new(&base, &[new], &self.how)?;
        let text = comparison::text(&found);
        if path == Path::new("-") {
            say(&text);
        } else {
            print(&format!("\n{text}"))?;
        }
        exit(&found)
    }
}
