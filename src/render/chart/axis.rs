//! An axis: from the values that it has to hold to ticks that people can read, and from a value to its place.

/// What stands along an axis, and how it is divided.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it is, with its unit.
    pub label: String,
    /// How it is divided.
    pub scale: Scale,
    /// A value that is to be on it whatever the others are: 0 for what is only compared from 0 on, 1 for ratios.
    pub holds: Option<f64>,
    /// The least value that has a place of its own on a logarithmic axis; what is below is told together.
    pub least: Option<f64>,
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of two. 0 has a place of its own below all others.
    Log2,
    /// By powers of ten. 0 has a place of its own below all others.
    Log10,
}

impl Axis {
    /// An axis on which no value has to be.
    pub fn new(label: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), scale, holds: None, least: None }
    }

    /// With a value that is to be on it.
    pub fn holding(self, value: f64) -> Self {
        Self { holds: Some(value), ..self }
    }

    /// With all values below that told together.
    pub fn above(self, least: f64) -> Self {
        Self { least: Some(least), ..self }
    }
}

/// Where an axis ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// At its first and its last tick, so that a grid frames what is drawn.
    AtTicks,
    /// Little beyond its values.
    AtValues,
}

/// The largest number of ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct TickLimit(pub usize);

/// An axis with its ends and its ticks. What is called a position here is a value where the scale is even, and its logarithm elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    from: f64,
    to: f64,
    /// Values up to this have one place on a logarithmic axis, and where that is.
    least: f64,
    zero: Option<f64>,
    /// Positions with their labels.
    pub ticks: Vec<(f64, String)>,
    begin: f64,
    end: f64,
}

/// Beyond this, differences of two numbers may be infinite.
const LARGEST: f64 = 1e300;

impl Ruler {
    pub fn new(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        ends: Ends,
        limit: TickLimit,
    ) -> Self {
        let values = values.chain(axis.holds).filter(|value| value.is_finite());
        let values: Vec<f64> = values.map(|value| value.clamp(-LARGEST, LARGEST)).collect();
        match axis.scale {
            Scale::Linear => Self::linear(&values, ends, limit),
            scale => Self::logarithmic(scale, &values, axis.least, limit),
        }
    }

    /// Says where on the picture it begins and ends.
    pub fn place(&mut self, begin: f64, end: f64) {
        (self.begin, self.end) = (begin, end);
    }

    /// Where a value is.
    pub fn at(&self, value: f64) -> f64 {
        let value = value.clamp(-LARGEST, LARGEST);
        let position = match (self.scale, self.zero) {
            (Scale::Linear, _) => value,
            (_, zero) if value <= 0.0 || value < self.least => zero.unwrap_or(self.from),
            (Scale::Log2, _) => value.log2(),
            (Scale::Log10, _) => value.log10(),
        };
        self.pixel(position)
    }

    /// Where a position is.
    pub fn pixel(&self, position: f64) -> f64 {
        self.begin
            + (self.end - self.begin)
                * ((position - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    fn linear(values: &[f64], ends: Ends, TickLimit(limit): TickLimit) -> Self {
        let [mut low, mut high] = range(values).unwrap_or([0.0, 1.0]);
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let margin = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
            (low, high) = (low - margin, high + margin);
        }
        #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
        let step = round_step((high - low) / limit as f64);
        let (first, last) = match ends {
            Ends::AtTicks => ((low / step).floor(), (high / step).ceil()),
            Ends::AtValues => ((low / step).ceil(), (high / step).floor()),
        };
        let decimals = decimals_of(step);
        let mut ticks = Vec::new();
        let mut tick = first;
        // The bound is for what rounding may do to ends that are far from 0 and close to each other.
        while tick <= last && ticks.len() < 2 * limit + 2 {
            ticks.push((tick * step, label(tick * step, decimals)));
            tick += 1.0;
        }
        let (from, to) = match ends {
            Ends::AtTicks => (first * step, last * step),
            // Nothing lies on the frame but what begins at 0.
            Ends::AtValues => (
                if low == 0.0 { low } else { low - 0.03 * (high - low) },
                high + 0.03 * (high - low),
            ),
        };
        Self { scale: Scale::Linear, from, to, least: 0.0, zero: None, ticks, begin: 0.0, end: 1.0 }
    }

    fn logarithmic(scale: Scale, values: &[f64], least: Option<f64>, limit: TickLimit) -> Self {
        let told = |value: &f64| *value > 0.0 && least.is_none_or(|least| *value >= least);
        let positive: Vec<f64> = values.iter().copied().filter(told).collect();
        let has_zero = positive.len() < values.len();
        let [low, high] = range(&positive).unwrap_or([1.0, 10.0]);
        let (from, to, mut ticks) = if scale == Scale::Log2 {
            by_powers(2.0, low.log2(), high.log2(), limit)
        } else {
            by_tens(low, high, limit)
        };
        let zero = has_zero.then(|| from - ((to - from) / 8.0).max(0.5));
        if let Some(zero) = zero {
            ticks.insert(
                0,
                (
                    zero,
                    least.map_or_else(|| "0".to_owned(), |least| format!("< {}", number(least))),
                ),
            );
        }
        // Nothing lies on the frame.
        let margin = 0.03 * (to - from);
        let from = zero.unwrap_or(from) - margin;
        Self {
            scale,
            from,
            to: to + margin,
            least: least.unwrap_or(0.0),
            zero,
            ticks,
            begin: 0.0,
            end: 1.0,
        }
    }
}

fn range(values: &[f64]) -> Option<[f64; 2]> {
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    Some([low, high])
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is no smaller.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * power)
}

/// From one logarithm to another, with ticks at whole powers of the base.
fn by_powers(
    base: f64,
    low: f64,
    high: f64,
    TickLimit(limit): TickLimit,
) -> (f64, f64, Vec<(f64, String)>) {
    let (low, high) = if high.floor() - low.ceil() < 1.0 {
        (low.floor(), (low.floor() + 1.0).max(high.ceil()))
    } else {
        (low, high)
    };
    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    let step = ((high - low) / limit as f64).ceil().max(1.0);
    let mut ticks = Vec::new();
    let mut exponent = (low / step).ceil() * step;
    while exponent <= high && ticks.len() <= limit + 1 {
        ticks.push((exponent, power(base, exponent, high)));
        exponent += step;
    }
    (low, high, ticks)
}

/// By powers of ten, with ticks in between where there is room.
fn by_tens(low: f64, high: f64, limit: TickLimit) -> (f64, f64, Vec<(f64, String)>) {
    let (from, to) = (low.log10().floor(), high.log10().ceil());
    if to - from > 3.0 {
        return by_powers(10.0, low.log10(), high.log10(), limit);
    }
    let mut grid = Vec::new();
    let mut exponent = from;
    while exponent <= to {
        grid.extend([1.0, 2.0, 5.0].map(|factor| factor * 10f64.powf(exponent)));
        exponent += 1.0;
    }
    let below = grid.iter().rposition(|tick| *tick <= low * (1.0 + 1e-9)).unwrap_or(0);
    let mut above =
        grid.iter().position(|tick| *tick >= high * (1.0 - 1e-9)).unwrap_or(grid.len() - 1);
    if above == below {
        above = (above + 1).min(grid.len() - 1);
    }
    let shown = &grid[below..=above];
    let whole = |tick: &&f64| (tick.log10() - tick.log10().round()).abs() < 1e-9;
    let ticks: Vec<f64> = if shown.len() > limit.0 {
        shown.iter().filter(whole).copied().collect()
    } else {
        shown.to_vec()
    };
    let ticks = ticks.into_iter().map(|tick| (tick.log10(), number(tick))).collect();
    (grid[below].log10(), grid[above].log10(), ticks)
}

/// A power as people write it: 4096 or 2²⁴, 0.01 or 10⁻⁶.
fn power(base: f64, exponent: f64, largest: f64) -> String {
    let value = base.powf(exponent);
    if base == 2.0 && largest <= 13.0 && exponent >= 0.0 {
        return format!("{value}");
    }
    if base == 10.0 && exponent.abs() <= 3.0 {
        return number(value);
    }
    format!("{base}{}", superscript(exponent))
}

fn superscript(exponent: f64) -> String {
    let digits = format!("{exponent:.0}");
    digits
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32(0x2070 + u32::from(other) - u32::from('0')).unwrap_or(other),
        })
        .collect()
}

/// The decimals that tell multiples of a step apart.
fn decimals_of(step: f64) -> usize {
    (0..=6)
        .find(|decimals| {
            let scaled = step * 10f64.powi(*decimals);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        })
        .map_or(6, |decimals| usize::try_from(decimals).unwrap_or(0))
}

fn label(value: f64, decimals: usize) -> String {
    // No minus in front of a zero.
    let value = if value == 0.0 { 0.0 } else { value };
    if value.abs() >= 1e6 || (value != 0.0 && value.abs() < 1e-5) {
        format!("{value:.1e}")
    } else {
        format!("{value:.decimals$}")
    }
}

/// A number with at most three significant digits and no more than it has.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let text = crate::render::numbers::significant(value, 3);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: Scale, values: &[f64], limit: usize) -> Vec<String> {
        let axis = Axis::new("", scale);
        let mut ruler = Ruler::new(&axis, values.iter().copied(), Ends::AtTicks, TickLimit(limit));
        ruler.place(0.0, 100.0);
        for value in values {
            let at = ruler.at(*value);
            assert!((0.0..=100.0).contains(&at), "{value} is at {at}");
        }
        let places: Vec<f64> =
            ruler.ticks.iter().map(|(position, _)| ruler.pixel(*position)).collect();
        assert!(places.is_sorted() && places.len() <= 2 * limit + 2, "{places:?}");
        ruler.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(Scale::Linear, &[0.0, 8.3], 6), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(
            ticks(Scale::Linear, &[0.98, 1.19], 6),
            ["0.95", "1.00", "1.05", "1.10", "1.15", "1.20"]
        );
        assert_eq!(ticks(Scale::Linear, &[-0.2, 0.2], 5), ["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
        assert_eq!(
            ticks(Scale::Log2, &[4096.0, 16777216.0], 8),
            ["2¹²", "2¹⁴", "2¹⁶", "2¹⁸", "2²⁰", "2²²", "2²⁴"]
        );
        assert_eq!(ticks(Scale::Log2, &[1.0, 64.0], 8), ["1", "2", "4", "8", "16", "32", "64"]);
        assert_eq!(ticks(Scale::Log2, &[0.0, 1.0, 8.0], 8), ["0", "1", "2", "4", "8"]);
        assert_eq!(ticks(Scale::Log10, &[0.9, 33.0], 8), ["0.5", "1", "2", "5", "10", "20", "50"]);
        assert_eq!(
            ticks(Scale::Log10, &[1e-6, 1e6], 6),
            ["10⁻⁶", "10⁻⁴", "0.01", "1", "100", "10⁴", "10⁶"]
        );
    }

    #[test]
    fn an_axis_may_end_at_its_values_and_tell_small_ones_together() {
        let across = Axis::new("x", Scale::Linear);
        let mut ruler =
            Ruler::new(&across, [0.0, 8192.0].into_iter(), Ends::AtValues, TickLimit(6));
        ruler.place(0.0, 100.0);
        let labels: Vec<&str> = ruler.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0", "2000", "4000", "6000", "8000"]);
        assert!(ruler.at(0.0) == 0.0 && ruler.at(8192.0) > 95.0);

        let errors = Axis::new("ULP", Scale::Log10).above(0.01);
        let mut ruler =
            Ruler::new(&errors, [0.0, 1e-9, 0.02, 64.0].into_iter(), Ends::AtTicks, TickLimit(6));
        ruler.place(0.0, 100.0);
        let labels: Vec<&str> = ruler.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["< 0.01", "0.1", "1", "10"]);
        assert!(ruler.at(0.0) == ruler.at(1e-9) && ruler.at(1e-9) < ruler.at(0.02));
    }

    #[test]
    fn whatever_the_values_there_is_an_axis() {
        let values: [&[f64]; 9] = [
            &[],
            &[0.0],
            &[5.0],
            &[-1e308, 1e308],
            &[1e-308, 2e-308],
            &[f64::NAN, f64::INFINITY, 1.0],
            &[1.0, 1.0 + f64::EPSILON],
            &[1e300, 1.000_000_000_1e300],
            &[-3.0, -2.0],
        ];
        for scale in [Scale::Linear, Scale::Log2, Scale::Log10] {
            for values in values {
                let finite: Vec<f64> =
                    values.iter().copied().filter(|value| value.is_finite()).collect();
                let labels = ticks(scale, &finite, 6);
                assert!(
                    labels.iter().all(|label| !label.contains("NaN") && !label.contains("inf")),
                    "{labels:?}"
                );
            }
        }
    }

    #[test]
    fn numbers_have_three_digits_and_no_more() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.12345, "0.123"),
            (33.0, "33"),
            (12345.0, "12345"),
            (1e9, "1.00e9"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
