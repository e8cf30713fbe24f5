//! Figures of a report that several of its formats show.

use super::numbers::{bracket, significant};
use crate::measure::stats::Estimate;
use crate::report::{Arithmetic, Measurement, Pair, Quantity, Ratio};

/// A figure of a pair.
pub fn find<'a>(
    ratios: &'a [Ratio],
    pair: &Pair,
    quantity: Quantity,
    direction: &str,
    dtype: &str,
    elements: Option<u64>,
) -> Option<&'a Ratio> {
    let wanted = (quantity, direction, dtype, elements);
    let mut ratios = ratios.iter().filter(|it| it.is_of(pair));
    ratios.find(|it| (it.quantity, &*it.direction, &*it.dtype, it.elements) == wanted)
}

/// A pair in registers, with and without the fma of each step.
pub fn in_registers(ratios: &[Ratio], pair: &Pair, whole: &Ratio) -> String {
    match find(ratios, pair, Quantity::StepNet, &whole.direction, &whole.dtype, whole.elements) {
        Some(net) => bracket(whole.value, net.value),
        None => format!("at least {}", significant(whole.value, 2)),
    }
}

/// An op in FMAs: without and with the fma of its step, since pipes overlap.
pub fn fmas(row: &Arithmetic) -> Option<String> {
    let derived = row.derived()?;
    let bracket = bracket(derived.net_fmas.median, derived.step_fmas.median);
    Some(if row.op == "fma" { "1".to_owned() } else { bracket })
}

/// Time of copy, the first of the row's group, over that of the row; none of copy itself.
pub fn share_of_copy(row: &Measurement, rows: &[Measurement]) -> Option<Estimate> {
    let copy = rows.iter().find(|other| other.group() == row.group())?;
    if copy.id == row.id { None } else { copy.over(row) }
}

/// What ratios of rows are headed with.
pub fn heading(pairs: &[Pair]) -> String {
    match pairs {
        [pair] => pair.to_string(),
        _ => "ratio".to_owned(),
    }
}

/// Time of a pair's numerator over that of its denominator in the same group; none of other rows.
pub fn over_denominator(row: &Measurement, rows: &[Measurement], pair: &Pair) -> Option<Estimate> {
    if row.activation != pair.numerator {
        return None;
    }
    let mut group = rows.iter().filter(|other| other.group() == row.group());
    row.over(group.find(|other| other.activation == pair.denominator)?)
}
