//! Reports side by side: what differs between them, row by row, and whether it is significant.
//!
//! What is judged survives a change of the core clock: a kernel's time over its copy's, taken
//! within rounds, and an op's step over that of fma. Absolute times are shown, and judged where the
//! clock probes of both reports agree. All quantities are costs: a ratio above 1 is slower. The
//! test is in `evidence`; `render` words what is found.

mod differences;
mod evidence;
mod quantity;
pub mod rank;

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

pub use differences::Difference;
pub use quantity::{Quantity, Settings, Unclear, Which};

use crate::error::{Error, Result};
use crate::report::provenance::Tool;
use crate::report::{Profile, Report};
use evidence::{Finding, LEVEL, Pair, Prior, holm};
use quantity::Subject;

/// What [`Comparison::schema`] is of every comparison.
pub const SCHEMA: &str = "actbench.compare";

/// The version of the schema that this program writes: a minor version only adds keys.
pub const SCHEMA_VERSION: &str = "2.0";

/// A report and the name that messages give it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its file.
    pub file: &'a str,
    /// What was in it.
    pub report: &'a Report,
}

/// Reports compared with one of them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// actbench.compare.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Major and minor version of the schema.
    #[schemars(regex(pattern = r"^2\.[0-9]+$"))]
    pub schema_version: String,
    /// The program that compared.
    pub tool: Tool,
    /// How it was told to.
    pub settings: Settings,
    /// How many rows have a p, over all reports: what Holm's correction counts.
    pub judged: u64,
    /// What the others are compared with.
    pub base: Source,
    /// The others, in the order in which they were given.
    pub others: Vec<Other>,
}

/// Where figures come from.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Source {
    /// The report's file.
    pub file: String,
    /// The adapter, its driver, and whether it is software.
    pub adapter: String,
    /// Whether that is a software adapter.
    pub is_software: bool,
    /// The run's profile.
    pub profile: Profile,
    /// Its repeats.
    pub repeats: u32,
    /// When the run began, in UTC (RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: jiff::Timestamp,
}

impl Source {
    fn new(named: &Named) -> Self {
        let Report { adapter, run, .. } = named.report;
        Self {
            file: named.file.to_owned(),
            adapter: adapter.summary(),
            is_software: adapter.is_software,
            profile: run.profile,
            repeats: run.repeats,
            started_at: run.started_at,
        }
    }
}

/// A report against the base.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Other {
    /// Where its figures come from.
    pub new: Source,
    /// What is not the same of machine, program and settings.
    pub differences: Vec<Difference>,
    /// What both have.
    pub rows: Vec<Row>,
    /// Ids that only the base measured.
    pub only_base: Vec<String>,
    /// Ids that only this report measured.
    pub only_new: Vec<String>,
}

/// A quantity of a row in both reports.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// The row's id in both reports.
    pub id: String,
    /// What is compared; less is better.
    pub quantity: Quantity,
    /// In the base: the geometric mean of the repeats' medians; null where there is none.
    pub base: Option<f64>,
    /// In the other report.
    pub new: Option<f64>,
    /// New over base: above 1 is slower.
    pub ratio: Option<f64>,
    /// Lower end of the ratio's 95 % interval, of this row by itself.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The probability of a ratio this far from 1 if nothing differs; null where it is not judged.
    pub p: Option<f64>,
    /// The same after Holm's correction over all rows that are judged.
    pub p_holm: Option<f64>,
    /// Repeats of the base that it rests on.
    pub base_repeats: u64,
    /// Repeats of the other report.
    pub new_repeats: u64,
    /// What follows.
    pub verdict: Verdict,
    /// Why it is ambiguous or incomparable; null where it is neither.
    pub reason: Option<Unclear>,
    /// Of an ambiguous row, how many repeats each report needs for a verdict, if ratio and spread
    /// stay what they are; null where a hundred are too few.
    pub repeats_needed: Option<u64>,
    /// What else is not the same: shader, shape, chains.
    pub changed: Vec<String>,
    /// What it is judged by; none where something is in the way.
    #[serde(skip)]
    finding: Option<Finding>,
}

/// What follows from a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Costs less, by the threshold or more.
    Faster,
    /// Costs more, by the threshold or more.
    Slower,
    /// The interval lies within the threshold.
    Same,
    /// The samples do not tell.
    Ambiguous,
    /// The two can't be held against each other.
    Incomparable,
}

impl Verdict {
    /// All, in the order in which they are counted.
    pub const ALL: [Self; 5] =
        [Self::Faster, Self::Slower, Self::Same, Self::Ambiguous, Self::Incomparable];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faster => "FASTER",
            Self::Slower => "SLOWER",
            Self::Same => "SAME",
            Self::Ambiguous => "AMBIGUOUS",
            Self::Incomparable => "INCOMPARABLE",
        }
    }
}

impl Comparison {
    /// Compares reports with the base.
    pub fn new(base: &Named, others: &[Named], settings: &Settings) -> Result<Self> {
        let others = others.iter().map(|new| Other::matched(base, new, settings));
        let mut others = others.collect::<Result<Vec<_>>>()?;
        let rows = others.iter_mut().flat_map(|other| &mut other.rows);
        let judged: Vec<(&mut Row, Finding)> =
            rows.filter_map(|row| row.finding.map(|finding| (row, finding))).collect();
        let p: Vec<f64> = judged.iter().map(|(_, finding)| finding.p()).collect();
        for ((row, finding), p_holm) in judged.into_iter().zip(holm(&p)) {
            row.judge(&finding, p_holm, p.len(), settings);
        }
        Ok(Self {
            schema: SCHEMA.to_owned(),
            schema_version: SCHEMA_VERSION.to_owned(),
            tool: Tool::this(),
            settings: *settings,
            judged: p.len() as u64,
            base: Source::new(base),
            others,
        })
    }

    /// How many rows have a verdict, over all reports.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.others.iter().map(|other| other.count(verdict)).sum()
    }

    /// Whether every row that one report measured was measured by the other, too.
    pub fn has_all(&self) -> bool {
        self.others.iter().all(|other| other.only_base.is_empty() && other.only_new.is_empty())
    }
}

impl Other {
    /// The rows of two reports before they are judged.
    fn matched(base: &Named, new: &Named, settings: &Settings) -> Result<Self> {
        let of_base = quantity::subjects(base.report, Which::Base);
        let of_new = quantity::subjects(new.report, Which::New);
        let by_key: HashMap<_, &Subject> =
            of_new.iter().map(|subject| (subject.key(), subject)).collect();
        let in_both = of_base.iter().filter_map(|base| Some((base, *by_key.get(&base.key())?)));
        // What neither measured has no row to compare.
        let both: Vec<(&Subject, &Subject)> =
            in_both.filter(|(base, new)| base.is_measured || new.is_measured).collect();
        if both.is_empty() {
            let [base_rows, new_rows] = [&of_base, &of_new].map(|of| measured(of).count());
            return Err(Error::Usage(format!(
                "{} and {} share no row: the one has {base_rows} with times, the other {new_rows}",
                base.file, new.file,
            )));
        }
        let prior = |quantity| (quantity, prior(&both, quantity, settings.assumed_spread));
        let priors = HashMap::from(Quantity::ALL.map(prior));
        let rows =
            both.iter().map(|(base, new)| Row::new(base, new, &priors[&base.quantity], settings));
        Ok(Self {
            new: Source::new(new),
            differences: differences::between(base.report, new.report),
            rows: rows.collect(),
            only_base: only(&of_base, &of_new),
            only_new: only(&of_new, &of_base),
        })
    }

    /// How many rows have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }
}

/// The JSON Schema (draft 2020-12) of a comparison.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Comparison).to_value()
}

/// The ids that were measured, in order. A ratio of two rows is no row by itself.
fn measured<'a>(subjects: &'a [Subject]) -> impl Iterator<Item = &'a str> {
    let mut seen = HashSet::new();
    subjects
        .iter()
        .filter(|subject| subject.is_measured && subject.quantity != Quantity::StepRatio)
        .map(|subject| subject.id)
        .filter(move |id| seen.insert(*id))
}

/// The ids that were measured in the first report alone.
fn only(own: &[Subject], other: &[Subject]) -> Vec<String> {
    let others: HashSet<&str> = measured(other).collect();
    measured(own).filter(|id| !others.contains(id)).map(str::to_owned).collect()
}

/// The times of a row in both reports, if both have some.
fn pair(base: &Subject, new: &Subject) -> Option<Pair> {
    let (base, new) = base.side.clone().ok().zip(new.side.clone().ok())?;
    Some(Pair { base, new })
}

/// What the rows of a quantity have in common.
fn prior(both: &[(&Subject, &Subject)], quantity: Quantity, assumed_spread: f64) -> Prior {
    let rows = both.iter().filter(|(base, _)| base.quantity == quantity);
    let known = rows.filter_map(|(base, new)| Some((&base.group, pair(base, new)?)));
    let (groups, pairs): (HashSet<&String>, Vec<Pair>) = known.unzip();
    Prior::of(pairs.iter(), groups.len(), assumed_spread)
}

impl Row {
    /// A row before it is judged, with its figures if both reports have some.
    fn new(base: &Subject, new: &Subject, prior: &Prior, settings: &Settings) -> Self {
        let reason = match (&base.side, &new.side) {
            (Ok(_), Ok(_)) => base.obstacle(new, settings),
            (Err(reason), _) | (_, Err(reason)) => Some(reason.clone()),
        };
        let pair = pair(base, new);
        let pair = pair.as_ref();
        Self {
            id: base.id.to_owned(),
            quantity: base.quantity,
            base: pair.map(|pair| pair.base.value()),
            new: pair.map(|pair| pair.new.value()),
            ratio: pair.map(|pair| pair.new.value() / pair.base.value()),
            low: None,
            high: None,
            p: None,
            p_holm: None,
            base_repeats: pair.map_or(0, |pair| pair.base.repeats() as u64),
            new_repeats: pair.map_or(0, |pair| pair.new.repeats() as u64),
            verdict: Verdict::Incomparable,
            finding: pair.filter(|_| reason.is_none()).map(|pair| Finding::new(pair, prior)),
            reason,
            repeats_needed: None,
            changed: base.changes(new),
        }
    }

    fn judge(&mut self, finding: &Finding, p_holm: f64, rows: usize, settings: &Settings) {
        // On a logarithmic scale: exchanging the reports exchanges FASTER and SLOWER.
        let limit = settings.threshold.ln_1p();
        let (low, high) = finding.interval();
        (self.low, self.high) = (Some(low), Some(high));
        (self.p, self.p_holm) = (Some(finding.p()), Some(p_holm));
        (self.verdict, self.reason) = if low.ln() >= -limit && high.ln() <= limit {
            (Verdict::Same, None)
        } else if low <= 1.0 && high >= 1.0 {
            (Verdict::Ambiguous, Some(Unclear::TooWide))
        } else if finding.log_ratio.abs() < limit {
            (Verdict::Ambiguous, Some(Unclear::NearThreshold))
        } else if p_holm >= 1.0 - LEVEL {
            (Verdict::Ambiguous, Some(Unclear::NotSignificant { rows: rows as u64 }))
        } else if finding.log_ratio < 0.0 {
            (Verdict::Faster, None)
        } else {
            (Verdict::Slower, None)
        };
        if self.verdict == Verdict::Ambiguous {
            let needed = finding.repeats_for_a_verdict(settings.threshold, rows);
            self.repeats_needed = needed.map(|repeats| repeats as u64);
        }
    }
}
