//! What each variant costs, from the rows of a report: arithmetic in registers, time in memory,
//! what is saved, and how right it is.

use super::figures::share_of_copy;
use crate::kernels::activation::Direction;
use crate::kernels::dtype::Dtype;
use crate::measure::stats::{self, Estimate};
use crate::report::{Accuracy, Arithmetic, DerivedArithmetic, Measurement, Report};

/// A variant of a direction and dtype.
pub struct Cost<'a> {
    /// forward or backward, and how elements are stored.
    pub group: [&'a str; 2],
    /// Activation and variant.
    pub member: String,
    /// How right it is.
    pub found: &'a Accuracy,
    /// Its chain, in the format that it computes in.
    chain: Option<&'a Arithmetic>,
    /// Its row at the largest size at which most variants were measured.
    row: Option<&'a Measurement>,
    report: &'a Report,
}

/// Of every kernel that was compared with the reference, by direction and dtype.
pub fn costs(report: &Report) -> Vec<Cost<'_>> {
    let cost = |found| Cost::new(report, found);
    let mut costs: Vec<Cost<'_>> = report.accuracy.iter().filter_map(cost).collect();
    let place = |dtype| Dtype::ALL.iter().position(|known| known.name() == dtype);
    costs.sort_by_key(|cost| (cost.group[0] != Direction::Forward.name(), place(cost.group[1])));
    costs
}

impl<'a> Cost<'a> {
    fn new(report: &'a Report, found: &'a Accuracy) -> Option<Self> {
        let parts: Vec<&str> = found.kernel.split('/').collect();
        let [direction, dtype, activation, variant] = parts[..] else { return None };
        let member = format!("{activation}/{variant}");
        let is_backward = direction == Direction::Backward.name();
        let op = if is_backward { format!("backward/{member}") } else { member.clone() };
        let known = Dtype::ALL.into_iter().find(|known| known.name() == dtype)?;
        let computed_in = known.computed_in().name();
        let mut chains = report.arithmetic.iter();
        let chain = chains.find(|row| row.dtype == computed_in && row.op == op);
        let row = largest_row(&report.measurements, &found.kernel);
        Some(Self { group: [direction, dtype], member, found, chain, row, report })
    }

    /// Whether it is more than copy and add.
    pub fn computes(&self) -> bool {
        Direction::ALL.iter().all(|direction| direction.copy() != self.activation()[2])
    }

    /// Direction, dtype and activation.
    pub fn activation(&self) -> [&str; 3] {
        let [direction, dtype] = self.group;
        [direction, dtype, self.member.split('/').next().unwrap_or_default()]
    }

    /// In registers; none where the variant has no valid chain.
    pub fn arithmetic(&self) -> Option<DerivedArithmetic> {
        self.chain?.derived()
    }

    /// The core's clock while the chain ran, over its median in this run. No driver tells it in
    /// MHz. None without a probe, and on software, whose cores do other things.
    pub fn clock(&self) -> Option<f64> {
        if self.report.adapter.is_software {
            return None;
        }
        let probes = self.report.arithmetic.iter().filter_map(Arithmetic::probe_median_ns);
        Some(stats::median(probes)? / self.chain?.probe_median_ns()?)
    }

    /// Bytes an element that the forward pass keeps for this backward pass.
    pub fn saved_bytes(&self) -> Option<f64> {
        let is_backward = self.group[0] == Direction::Backward.name();
        let dtype = Dtype::ALL.into_iter().find(|dtype| dtype.name() == self.group[1])?;
        let is_mask = self.member.ends_with("/from_mask");
        #[expect(clippy::cast_precision_loss, reason = "2 or 4")]
        let whole = dtype.element_bytes() as f64;
        is_backward.then_some(if is_mask { 0.125 } else { whole })
    }

    /// Time in memory over that of copy, and of how many elements.
    pub fn over_copy(&self) -> Option<(Estimate, u64)> {
        let row = self.row?;
        let share = share_of_copy(row, &self.report.measurements)?;
        Some((share.rate_of(1.0), row.elements))
    }
}

fn largest_row<'a>(rows: &'a [Measurement], path: &str) -> Option<&'a Measurement> {
    let variants =
        |row: &Measurement| rows.iter().filter(|other| other.group() == row.group()).count();
    let measured = rows.iter().filter(|row| row.path() == path && row.time_ns().is_some());
    measured.max_by_key(|row| (variants(row), row.elements))
}
