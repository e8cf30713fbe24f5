//! Streams: the kernels of a group, checked on the tensors that they are timed on, then timed
//! together.

use std::collections::HashMap;
use std::ops::Range;

use super::bench::{Bench, fixed, takes};
use super::plan::Group;
use super::quality;
use super::tensors::SharedTensors;
use crate::error::{Error, Result};
use crate::gpu::{Shape, Workload};
use crate::report::{
    BoundBy, DispatchOverhead, Measurement, MemoryScan, Reason, Report, Status, Validation,
};

/// A dispatch of which launching takes more than this share is bound by it.
const LAUNCH_SHARE: f64 = 0.2;

/// How a group is measured.
pub struct Stream<'a> {
    /// What.
    pub group: &'a Group,
    /// In which shape.
    pub shape: Shape,
    /// Whether no group of the run is larger.
    pub is_largest: bool,
    /// The place of its first row in the report.
    pub first: usize,
    /// By path of a kernel, what was wrong with it on inputs chosen to find it so.
    pub unsound: &'a HashMap<String, Reason>,
}

impl Stream<'_> {
    /// Times the group and writes what is found into its rows. Why a row can't be measured stands
    /// there; the first result that is wrong is returned.
    pub fn measure(&self, bench: &Bench<'_>, report: &mut Report) -> Result<Option<Error>> {
        let error = match self.try_to_measure(bench, report) {
            Err(error) => error,
            measured => return measured,
        };
        let is_room = matches!(error, Error::Unsupported(_));
        let status = if is_room { Status::Skipped } else { Status::Failed };
        for row in &mut report.measurements[self.rows()] {
            lacks(row, bench.repeat, status, &Reason::from(&error));
        }
        if is_room { Ok(None) } else { Err(error) }
    }

    fn rows(&self) -> Range<usize> {
        self.first..self.first + self.group.members.len()
    }

    fn try_to_measure(&self, bench: &Bench<'_>, report: &mut Report) -> Result<Option<Error>> {
        let Group { dtype, elements, ref members, .. } = *self.group;
        let checks = bench.settings.checks;
        let mut tensors = SharedTensors::new(bench.gpu, dtype, elements, bench.settings.seed)?;
        tensors.spent = report.run.spent;
        let rows = &mut report.measurements[self.rows()];
        let mut works: Vec<(usize, Workload)> = Vec::new();
        let mut wrong = None;
        for (at, (row, kernel)) in rows.iter_mut().zip(members).enumerate() {
            if !takes(bench.repeat, row.status, row.samples_ns.len(), row.rounds_per_repeat) {
                continue;
            }
            if let Some(reason) = self.unsound.get(&kernel.path()) {
                row.mark(Status::Failed, reason.clone());
                continue;
            }
            match tensors.checked_workload(*kernel, self.shape, checks) {
                Ok((workload, accuracy)) => {
                    row.shape = Some(self.shape);
                    row.validation = Some(Validation::new(&accuracy));
                    works.push((at, workload));
                }
                Err(error @ Error::Unsupported(_)) => {
                    let is_able = bench.gpu.supports(kernel).is_ok();
                    let status = if is_able { Status::Skipped } else { Status::Unsupported };
                    lacks(row, bench.repeat, status, &Reason::from(&error));
                }
                Err(error @ (Error::Mismatch(_) | Error::Compile { .. })) => {
                    row.mark(Status::Failed, Reason::from(&error));
                    wrong.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            if let Some(dump) = bench.dump.filter(|_| row.shape.is_some()) {
                let constants = self.shape.constants(kernel.words_per_unit());
                dump.write(&kernel.path(), &kernel.wgsl(), &constants, checks)?;
            }
        }
        report.run.spent = tensors.spent;
        if !works.is_empty() {
            let fixed =
                fixed(rows.iter().map(|row| (row.dispatches_per_sample, row.rounds_per_repeat)));
            let members: Vec<&Workload> = works.iter().map(|(_, workload)| workload).collect();
            let samples = bench.measure(&members, &bench.plan, fixed, &mut report.run.spent)?;
            for ((at, _), member) in works.iter().zip(samples.members) {
                let row = &mut rows[*at];
                row.dispatches_per_sample = samples.fixed.dispatches;
                row.rounds_per_repeat = samples.fixed.rounds;
                // Judged anew, all samples together.
                row.status = Status::Ok;
                row.reason = None;
                row.take(member);
            }
        }
        let overhead = report.dispatch_overhead.as_ref();
        let bound_by = bound_by(&rows[0], self.is_largest, overhead, report.memory_scan.as_ref());
        for row in rows.iter_mut().filter(|row| !row.samples_ns.is_empty()) {
            row.bound_by = bound_by;
        }
        quality::judge(rows, &bench.circumstances());
        Ok(wrong)
    }
}

/// Writes down why a row gets no samples in a repeat; those that it has stay.
pub fn lacks(row: &mut Measurement, repeat: u32, status: Status, reason: &Reason) {
    if row.status == Status::Skipped && row.reason.is_none() {
        row.mark(status, reason.clone());
    } else if repeat > 0 && takes(repeat, row.status, row.samples_ns.len(), row.rounds_per_repeat) {
        row.notes
            .push(Reason::MissedRepeats { repeats: repeat, because: Box::new(reason.clone()) });
    }
}

/// What bounds a group, by copy or add. Where bandwidth never settled, memory is what the largest
/// group measures.
fn bound_by(
    copy: &Measurement,
    is_largest: bool,
    overhead: Option<&DispatchOverhead>,
    memory: Option<&MemoryScan>,
) -> Option<BoundBy> {
    let time = copy.time_ns()?.median;
    if overhead?.dispatch_ns.median > LAUNCH_SHARE * time {
        return Some(BoundBy::Launch);
    }
    let memory = memory?;
    let is_past = copy.bytes >= memory.from_bytes || is_largest && !memory.settled;
    Some(if is_past { BoundBy::Memory } else { BoundBy::Cache })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::measured;

    #[test]
    fn a_row_that_one_repeat_lacks_has_the_samples_of_those_before() {
        let no_room = Reason::Unsupported { message: "no room".to_owned() };
        let mut row = measured("relu", &[Some(1.0); 20]);
        row.rounds_per_repeat = 10;
        let is_next = |row: &Measurement, repeat| {
            takes(repeat, row.status, row.samples_ns.len(), row.rounds_per_repeat)
        };
        assert!(is_next(&row, 2));
        lacks(&mut row, 2, Status::Skipped, &no_room);
        assert_eq!((row.status, row.notes.len()), (Status::Ok, 1));
        // Not in the third repeat, so not in the fourth: rounds would be compared with others.
        assert!(!is_next(&row, 3));
        lacks(&mut row, 3, Status::Skipped, &no_room);
        assert_eq!(row.notes.len(), 1);
        row.status = Status::Invalid;
        assert!(is_next(&row, 2));
        for status in [Status::Failed, Status::Skipped, Status::Unsupported] {
            row.status = status;
            assert!(!is_next(&row, 2), "{status:?}");
        }
        let mut untouched = measured("relu", &[]);
        untouched.status = Status::Skipped;
        assert!(is_next(&untouched, 0) && !is_next(&untouched, 1));
        lacks(&mut untouched, 0, Status::Unsupported, &no_room);
        assert_eq!((untouched.status, untouched.reason), (Status::Unsupported, Some(no_room)));
    }
}
