//! Reports side by side: what differs between them, row by row, and whether it is more than chance.
//!
//! What is judged survives a change of the core clock: a kernel's time over its copy's, taken within rounds, and an op's step over that
//! of fma. Absolute times are shown, and judged where the probes of both reports say that the clock was the same. All quantities are costs:
//! a ratio above 1 is slower. The test is in [`evidence`].

mod differences;
pub mod evidence;
mod quantity;
pub mod rank;

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

pub use differences::Difference;
pub use quantity::{Quantity, Reason, percent};

use crate::error::{Error, Result};
use crate::render::numbers::counted;
use crate::report::provenance::Tool;
use crate::report::{Profile, Report};
use evidence::{Finding, LEVEL, Pair, Prior, holm};
use quantity::Subject;

/// What [`Comparison::schema`] is of every comparison.
pub const SCHEMA: &str = "actbench.compare";

/// The version of the schema that this program writes: a minor version adds keys and nothing else.
pub const SCHEMA_VERSION: &str = "2.0";

/// How reports are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Settings {
    /// The least effect that is called one, relative.
    pub threshold: f64,
    /// What the median of one repeat is taken to differ from that of another by, as a relative standard deviation, where no report has more than one.
    pub assumed_spread: f64,
    /// Whether software adapters are compared with hardware.
    pub software_against_hardware: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threshold: 0.02, assumed_spread: 0.04, software_against_hardware: false }
    }
}

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
    /// How many repeats were opened afresh.
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
    /// What the two reports say differently of machine, program and settings.
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
    /// The probability of a ratio as far from 1 if nothing differs; null where it is not judged.
    pub p: Option<f64>,
    /// The same after Holm's correction over all rows that are judged.
    pub p_holm: Option<f64>,
    /// Repeats of the base that it rests on.
    pub base_repeats: u64,
    /// Repeats of the other report.
    pub new_repeats: u64,
    /// What follows.
    pub verdict: Verdict,
    /// Why it is no clearer; null where it is clear.
    pub reason: Option<Reason>,
    /// What to do about it.
    pub next: Option<String>,
    /// Of an ambiguous row, how many repeats each report would need if ratio and spread stay what they are; null where a hundred are too few.
    pub repeats_needed: Option<u64>,
    /// What else is not the same: shader, shape, chains.
    pub changed: Vec<String>,
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
        let mut found = Vec::new();
        for new in others {
            let matched = Matched::new(base, new, settings)?;
            found.push((new, matched));
        }
        let p: Vec<f64> = found
            .iter()
            .flat_map(|(_, matched)| &matched.rows)
            .filter_map(|row| Some(row.finding()?.p()))
            .collect();
        let mut corrected = holm(&p).into_iter();
        let others = found
            .into_iter()
            .map(|(new, matched)| {
                let rows = matched
                    .rows
                    .into_iter()
                    .map(|row| row.judged(&mut corrected, p.len(), settings))
                    .collect();
                Other {
                    new: Source::new(new),
                    differences: differences::between(base.report, new.report),
                    rows,
                    only_base: matched.only_base,
                    only_new: matched.only_new,
                }
            })
            .collect();
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
    /// How many rows have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }
}

/// The JSON Schema (draft 2020-12) of a comparison.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Comparison).to_value()
}

/// The rows of two reports, before Holm's correction.
struct Matched {
    rows: Vec<Found>,
    only_base: Vec<String>,
    only_new: Vec<String>,
}

/// A quantity in both reports, before Holm's correction.
struct Found {
    id: String,
    quantity: Quantity,
    group: String,
    changed: Vec<String>,
    evidence: Evidence,
}

/// What there is to judge.
enum Evidence {
    /// A pair, with what is found of it.
    Judged(Pair, Finding),
    /// A pair that is shown and not judged.
    Shown(Pair, Reason, String),
    /// Not even that.
    Nothing(Reason, String),
}

impl Matched {
    fn new(base: &Named, new: &Named, settings: &Settings) -> Result<Self> {
        let (base_subjects, new_subjects) =
            (quantity::subjects(base.report), quantity::subjects(new.report));
        let by_key: HashMap<_, &Subject> =
            new_subjects.iter().map(|subject| (subject.key(), subject)).collect();
        let mut rows = Vec::new();
        for subject in &base_subjects {
            let Some(other) = by_key.get(&subject.key()) else { continue };
            // What neither measured has no row to compare.
            if subject.is_measured() || other.is_measured() {
                rows.push(Found::new(subject, other, base.report, new.report, settings));
            }
        }
        let (of_base, of_new) = (measured(&base_subjects), measured(&new_subjects));
        if rows.is_empty() {
            return Err(Error::Usage(format!(
                "{} and {} share no row: {} and {} were measured in them",
                base.file,
                new.file,
                counted(of_base.len() as u64, "row"),
                counted(of_new.len() as u64, "row")
            )));
        }
        weigh(&mut rows, settings);
        let only = |own: &[Subject], others: &HashSet<&str>| {
            let mut seen = HashSet::new();
            // What follows from rows is none.
            let own = own.iter().filter(|subject| subject.quantity != Quantity::SigmoidOverRelu);
            let alone = own.filter(|subject| subject.is_measured() && !others.contains(subject.id));
            alone
                .filter(|subject| seen.insert(subject.id))
                .map(|subject| subject.id.to_owned())
                .collect()
        };
        let (only_base, only_new) = (only(&base_subjects, &of_new), only(&new_subjects, &of_base));
        Ok(Self { rows, only_base, only_new })
    }
}

/// The ids that were measured.
fn measured<'a>(subjects: &[Subject<'a>]) -> HashSet<&'a str> {
    subjects.iter().filter(|subject| subject.is_measured()).map(|subject| subject.id).collect()
}

/// Finds again what follows from each pair, now with what the rows of its kind have in common.
fn weigh(rows: &mut [Found], settings: &Settings) {
    for quantity in Quantity::ALL {
        let pairs = rows.iter().filter(|row| row.quantity == quantity).filter_map(|row| match &row
            .evidence
        {
            Evidence::Judged(pair, _) | Evidence::Shown(pair, ..) => {
                Some((row.group.as_str(), pair))
            }
            Evidence::Nothing(..) => None,
        });
        let groups: HashSet<&str> = pairs.clone().map(|(group, _)| group).collect();
        let prior = Prior::of(pairs.map(|(_, pair)| pair), groups.len(), settings.assumed_spread);
        for row in rows.iter_mut().filter(|row| row.quantity == quantity) {
            if let Evidence::Judged(pair, finding) = &mut row.evidence {
                *finding = Finding::new(pair, &prior);
            }
        }
    }
}

impl Found {
    fn new(
        base: &Subject,
        new: &Subject,
        base_report: &Report,
        new_report: &Report,
        settings: &Settings,
    ) -> Self {
        let evidence = match (&base.side, &new.side) {
            (Ok(base_side), Ok(new_side)) => {
                let pair = Pair { base: base_side.clone(), new: new_side.clone() };
                if let Some((reason, next)) =
                    quantity::obstacle(base, new, base_report, new_report, settings)
                {
                    Evidence::Shown(pair, reason, next)
                } else {
                    let finding = Finding::new(&pair, &Prior::assumed(settings.assumed_spread));
                    Evidence::Judged(pair, finding)
                }
            }
            (Err(missing), _) => {
                Evidence::Nothing(missing.reason, format!("base: {}", missing.next))
            }
            (_, Err(missing)) => {
                Evidence::Nothing(missing.reason, format!("new: {}", missing.next))
            }
        };
        Self {
            id: base.id.to_owned(),
            quantity: base.quantity,
            group: base.group.clone(),
            changed: base.changes(new),
            evidence,
        }
    }

    fn finding(&self) -> Option<&Finding> {
        match &self.evidence {
            Evidence::Judged(_, finding) => Some(finding),
            _ => None,
        }
    }

    /// The row, its p corrected by the next of those that were.
    fn judged(
        self,
        corrected: &mut impl Iterator<Item = f64>,
        rows: usize,
        settings: &Settings,
    ) -> Row {
        let mut row = Row {
            id: self.id,
            quantity: self.quantity,
            base: None,
            new: None,
            ratio: None,
            low: None,
            high: None,
            p: None,
            p_holm: None,
            base_repeats: 0,
            new_repeats: 0,
            verdict: Verdict::Incomparable,
            reason: None,
            next: None,
            repeats_needed: None,
            changed: self.changed,
        };
        match &self.evidence {
            Evidence::Judged(pair, finding) => {
                row.show(pair);
                let p_holm = corrected.next().expect("one for each finding");
                let (low, high) = finding.interval();
                (row.low, row.high) = (Some(low), Some(high));
                (row.p, row.p_holm) = (Some(finding.p()), Some(p_holm));
                row.decide(finding, p_holm, rows, settings);
            }
            Evidence::Shown(pair, reason, next) => {
                row.show(pair);
                (row.reason, row.next) = (Some(*reason), Some(next.clone()));
            }
            Evidence::Nothing(reason, next) => {
                (row.reason, row.next) = (Some(*reason), Some(next.clone()))
            }
        }
        row
    }
}

impl Row {
    fn show(&mut self, pair: &Pair) {
        let (base, new) = (pair.base.value(), pair.new.value());
        (self.base, self.new, self.ratio) = (Some(base), Some(new), Some(new / base));
        (self.base_repeats, self.new_repeats) =
            (pair.base.repeats() as u64, pair.new.repeats() as u64);
    }

    fn decide(&mut self, finding: &Finding, p_holm: f64, rows: usize, settings: &Settings) {
        // On a logarithmic scale, so that exchanging the reports exchanges FASTER and SLOWER and nothing else.
        let limit = settings.threshold.ln_1p();
        let (low, high) = finding.interval();
        let excludes_1 = low > 1.0 || high < 1.0;
        let is_large = finding.log_ratio.abs() >= limit;
        let (verdict, reason) = if low.ln() >= -limit && high.ln() <= limit {
            (Verdict::Same, None)
        } else if is_large && excludes_1 && p_holm < 1.0 - LEVEL {
            (if finding.log_ratio < 0.0 { Verdict::Faster } else { Verdict::Slower }, None)
        } else if is_large && excludes_1 {
            (Verdict::Ambiguous, Some(Reason::AmongMany))
        } else if excludes_1 {
            (Verdict::Ambiguous, Some(Reason::NearThreshold))
        } else {
            (Verdict::Ambiguous, Some(Reason::TooWide))
        };
        (self.verdict, self.reason) = (verdict, reason);
        if let Some(reason) = reason {
            let needed = finding.repeats_for_a_verdict(settings.threshold, rows);
            self.repeats_needed = needed.map(|repeats| repeats as u64);
            let measure = match needed {
                Some(repeats) => format!("measure both with --repeats {repeats}"),
                None => "a hundred repeats would not tell".to_owned(),
            };
            self.next = Some(reason.what_to_do(&measure, settings.threshold));
        }
    }
}
