//! Figures of a report that several of its formats show.

use super::numbers::{bracket, significant};
use crate::measure::stats::Estimate;
use crate::report::{Arithmetic, Bracket, Measurement, Pair, Quantity, Ratio};

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

/// A pair in registers, op over op: from its least to its most, or at least, where the denominator
/// may cost nothing.
pub fn in_registers(ratios: &[Ratio], pair: &Pair, step: &Ratio) -> Option<String> {
    let end = |quantity| find(ratios, pair, quantity, &step.direction, &step.dtype, None)?.estimate;
    let least = end(Quantity::OpLeast)?.median;
    match end(Quantity::OpMost) {
        Some(most) => Some(bracket(least, most.median)),
        None if least > 0.0 => Some(format!("at least {}", significant(least, 2))),
        None => None,
    }
}

/// An op in FMAs, from its least to its most.
pub fn fmas(row: &Arithmetic) -> Option<String> {
    let Bracket { least, most } = row.derived()?.op_fmas;
    Some(bracket(least.median, most.median))
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
