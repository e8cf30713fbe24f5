//! What the types of a report can't say, and without which numbers would come out that mean
//! nothing.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::{Arithmetic, ChainSamples, Measurement, Report, Ridge, Run, Spent, Status};
use crate::measure::stats::Estimate;

/// What a time in ns can be: no dispatch takes a millionth of one, or thirty years.
const TIMES_NS: RangeInclusive<f64> = 1e-6..=1e18;

/// What a duration in seconds can be.
const DURATIONS_S: RangeInclusive<f64> = 0.0..=1e9;

/// What a throughput in bytes a second can be.
const THROUGHPUTS: RangeInclusive<f64> = 1e-9..=1e24;

/// Whether it is all right, or what is not.
pub type Checked = Result<(), String>;

/// What types can't say, and without which numbers would come out that mean nothing.
pub fn report(report: &Report) -> Checked {
    unique(report.measurements.iter().map(|row| &row.id))?;
    unique(report.arithmetic.iter().map(|row| &row.id))?;
    unique(report.ridges.iter().map(|row| &row.id))?;
    unique(report.accuracy.iter().map(|row| &row.kernel))?;
    report.measurements.iter().try_for_each(check_measurement)?;
    report.arithmetic.iter().try_for_each(check_rate)?;
    report.ridges.iter().try_for_each(check_ridge)?;
    if let Some(overhead) = &report.dispatch_overhead {
        check_estimate("dispatch overhead", &overhead.dispatch_ns)?;
        check_estimate("the time to completion", &overhead.submit_to_complete_ns)?;
    }
    for trial in &report.shapes {
        check_estimate(&trial.kernel, &trial.ns)?;
    }
    for point in report.memory_scan.iter().flat_map(|memory| &memory.scan) {
        within("a throughput", point.bytes_per_second, &THROUGHPUTS)?;
    }
    let Run { duration_s, max_time_s, spent, .. } = &report.run;
    let Spent { open_s, prepare_s, compile_s, inputs_s, validate_s, warm_up_s, measure_s } = *spent;
    let parts =
        [*duration_s, open_s, prepare_s, compile_s, inputs_s, validate_s, warm_up_s, measure_s];
    for duration in parts.into_iter().chain(*max_time_s) {
        within("a duration in seconds", duration, &DURATIONS_S)?;
    }
    for step in report.clock.period_ns.into_iter().chain(report.clock.quantum_ns) {
        within("a step of the clock in ns", step, &TIMES_NS)?;
    }
    if report.clock.probe_steps == Some(0) {
        return Err("its probe of the clock has no step".to_owned());
    }
    Ok(())
}

/// No id may be there twice.
pub fn unique<'a>(ids: impl Iterator<Item = &'a String>) -> Checked {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("{id} is in it twice"));
        }
    }
    Ok(())
}

fn check_measurement(row: &Measurement) -> Checked {
    let Measurement { id, elements, samples_ns, probe_ns, validation, .. } = row;
    if *elements == 0 {
        return Err(format!("{id} has no elements"));
    }
    check_times(id, samples_ns)?;
    check_probes(id, samples_ns, probe_ns)?;
    let errors =
        validation.iter().flat_map(|found| [found.max_ulp, found.max_share_of_bound]).flatten();
    errors.into_iter().try_for_each(|error| within("an error", error, &(0.0..=f64::MAX)))
}

fn check_rate<'a>(row: &'a Arithmetic) -> Checked {
    let id = &row.id;
    let Arithmetic { own, two_fmas: two, fma, .. } = row;
    let runs = [own, two, fma];
    let of_run = |run: &'a ChainSamples| [&run.once_ns, &run.twice_ns, &run.fourfold_ns];
    let samples = [own, fma].into_iter().flat_map(of_run).chain([&two.once_ns, &two.fourfold_ns]);
    let mut lengths = HashSet::new();
    for samples in samples {
        check_times(id, samples)?;
        lengths.insert(samples.len());
    }
    if lengths.len() > 1 {
        return Err(format!("{id} has more samples of some steps than of others"));
    }
    for ChainSamples { probe_ns, once_ns, .. } in runs {
        check_probes(id, once_ns, probe_ns)?;
    }
    let lacks_some = row.elements == 0 || runs.iter().any(|run| run.steps == 0);
    if row.status == Status::Ok && lacks_some {
        return Err(format!("{id} has times, but no steps or no elements"));
    }
    Ok(())
}

fn check_ridge(row: &Ridge) -> Checked {
    let id = &row.id;
    let members = &row.members;
    members.iter().try_for_each(|member| check_times(id, &member.samples_ns))?;
    if members.windows(2).any(|pair| pair[0].samples_ns.len() != pair[1].samples_ns.len()) {
        return Err(format!("{id} has more samples of some members than of others"));
    }
    if row.status == Status::Ok && (row.elements == 0 || members.len() != 7) {
        return Err(format!("{id} has times, but no elements or not its seven members"));
    }
    Ok(())
}

fn check_probes(id: &str, samples_ns: &[Option<f64>], probe_ns: &[Option<f64>]) -> Checked {
    check_times(id, probe_ns)?;
    let (samples, probes) = (samples_ns.len(), probe_ns.len());
    if probes != 0 && probes != samples {
        return Err(format!("{id} has {samples} samples, but {probes} probes"));
    }
    Ok(())
}

fn check_times(id: &str, samples_ns: &[Option<f64>]) -> Checked {
    match samples_ns.iter().flatten().find(|ns| !TIMES_NS.contains(ns)) {
        Some(ns) if *ns <= 0.0 => Err(format!("a time of {id} is not above 0")),
        Some(ns) => Err(format!("a time of {id} is {ns:e} ns, which no dispatch takes")),
        None => Ok(()),
    }
}

fn check_estimate(what: &str, Estimate { median, low, high }: &Estimate) -> Checked {
    for ns in [low, median, high] {
        within(&format!("a time of {what} in ns"), *ns, &TIMES_NS)?;
    }
    if low > median || median > high {
        return Err(format!("the interval of {what} does not hold its median"));
    }
    Ok(())
}

fn within(what: &str, number: f64, range: &RangeInclusive<f64>) -> Checked {
    if range.contains(&number) {
        Ok(())
    } else {
        Err(format!("{what} is {number:e}, which can't be meant"))
    }
}
