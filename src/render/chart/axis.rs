//! An axis: ticks that people can read, and where a value lies on it.

/// What stands along an axis, and how it is divided.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it is, with its unit.
    pub label: String,
    /// How it is divided.
    pub scale: Scale,
    /// A value that is on it whatever the others are: 0 for bandwidth, 1 for ratios.
    pub holds: Option<f64>,
    /// Smaller values share one place on a logarithmic axis.
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
    /// An axis that holds its values and nothing else.
    pub fn new(label: &str, scale: Scale) -> Self {
        Self { label: label.to_owned(), scale, holds: None, least: None }
    }

    /// With a value that is on it in any case.
    pub fn holding(self, value: f64) -> Self {
        Self { holds: Some(value), ..self }
    }

    /// With one place for all smaller values.
    pub fn above(self, least: f64) -> Self {
        Self { least: Some(least), ..self }
    }
}

/// An axis with its ends and ticks. A position is a value on a linear axis, else its logarithm.
pub(super) struct Ruler {
    scale: Scale,
    from: f64,
    to: f64,
    least: f64,
    /// The position of 0 and of what is smaller than `least`.
    zero: f64,
    /// Positions with their labels.
    pub ticks: Vec<(f64, String)>,
    /// Where it begins and ends on the picture.
    pub ends: [f64; 2],
}

/// About how many ticks an axis has.
const TICKS: f64 = 6.0;

/// The difference of two larger numbers may be infinite.
const LARGEST: f64 = 1e300;

impl Ruler {
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let Axis { scale, least, .. } = *axis;
        let values = values.chain(axis.holds).filter(|value| value.is_finite());
        let values: Vec<f64> = values.map(|value| value.clamp(-LARGEST, LARGEST)).collect();
        let has_place = |value: &f64| {
            scale == Scale::Linear || (*value > 0.0 && *value >= least.unwrap_or_default())
        };
        let positions = || values.iter().copied().filter(has_place).map(|it| position(scale, it));
        let low = positions().reduce(f64::min).unwrap_or(0.0);
        let high = positions().reduce(f64::max).unwrap_or(1.0);
        let (mut from, mut to, mut ticks) = match scale {
            Scale::Linear => even(low, high),
            Scale::Log2 => powers(2, low, high),
            Scale::Log10 if high.ceil() - low.floor() > 3.0 => powers(10, low, high),
            Scale::Log10 => tens(low, high),
        };
        let mut zero = from;
        if !values.iter().all(has_place) {
            from -= ((to - from) / 8.0).max(0.5);
            zero = from;
            ticks.insert(0, (zero, least.map_or("0".to_owned(), |least| format!("< {least}"))));
        }
        if scale != Scale::Linear {
            // Nothing lies on the frame.
            let margin = 0.03 * (to - from);
            (from, to) = (from - margin, to + margin);
        }
        let least = least.unwrap_or_default();
        Self { scale, from, to, least, zero, ticks, ends: [0.0, 1.0] }
    }

    /// An axis with a name at each row, the first at its end.
    pub fn of_rows(names: Vec<String>) -> Self {
        let from = names.len().max(1) as f64 - 0.5;
        let ticks = (0u32..).map(f64::from).zip(names).collect();
        let (scale, ends) = (Scale::Linear, [0.0, 1.0]);
        Self { scale, from, to: -0.5, least: 0.0, zero: 0.0, ticks, ends }
    }

    /// Where a value is on the picture.
    pub fn at(&self, value: f64) -> f64 {
        let is_log = self.scale != Scale::Linear;
        if is_log && (value <= 0.0 || value < self.least) {
            return self.place(self.zero);
        }
        self.place(position(self.scale, value.clamp(-LARGEST, LARGEST)))
    }

    /// Where a position is on the picture.
    pub fn place(&self, position: f64) -> f64 {
        let [begin, end] = self.ends;
        let share = ((position - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        rounded(begin + (end - begin) * share)
    }
}

/// To a tenth of a unit.
pub fn rounded(pixels: f64) -> f64 {
    (10.0 * pixels).round() / 10.0
}

fn position(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log2 => value.log2(),
        Scale::Log10 => value.log10(),
    }
}

/// Ends and ticks.
type Ticks = (f64, f64, Vec<(f64, String)>);

/// From tick to tick, at multiples of 1, 2, 2.5 or 5 times a power of ten.
fn even(mut low: f64, mut high: f64) -> Ticks {
    if high - low <= 1e-9 * high.abs().max(low.abs()) {
        let margin = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        (low, high) = (low - margin, high + margin);
    }
    let wanted = (high - low) / TICKS;
    let power = 10f64.powf(wanted.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|factor| factor * power);
    let step = steps.into_iter().find(|step| *step >= wanted * 0.999).unwrap_or(10.0 * power);
    let is_whole = |decimals: &i32| {
        let scaled = step * 10f64.powi(*decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    };
    let decimals = usize::try_from((0..6).find(is_whole).unwrap_or(6)).unwrap_or_default();
    let label = |value: f64| match value.abs() {
        0.0 => format!("{:.decimals$}", 0.0),
        1e-5..1e6 => format!("{value:.decimals$}"),
        _ => format!("{value:.1e}"),
    };
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    // Rounding may do anything to ends that are far from 0 and close to each other.
    let ticks = (0..14).map(|index| first + f64::from(index)).take_while(|tick| *tick <= last);
    let ticks = ticks.map(|tick| (tick * step, label(tick * step)));
    (first * step, last * step, ticks.collect())
}

/// At whole powers of the base.
fn powers(base: u32, mut low: f64, mut high: f64) -> Ticks {
    if high.floor() - low.ceil() < 1.0 {
        (low, high) = (low.floor(), (low.floor() + 1.0).max(high.ceil()));
    }
    let step = ((high - low) / TICKS).ceil().max(1.0);
    let first = (low / step).ceil();
    let exponents = (0..14).map(|index| (first + f64::from(index)) * step);
    let label = |exponent: f64| {
        let value = f64::from(base).powf(exponent);
        let is_short = if base == 2 { low >= 0.0 && high <= 13.0 } else { exponent.abs() <= 3.0 };
        if is_short { value.to_string() } else { format!("{base}{}", superscript(exponent)) }
    };
    let ticks = exponents.take_while(|exponent| *exponent <= high);
    (low, high, ticks.map(|exponent| (exponent, label(exponent))).collect())
}

/// At 1, 2 and 5 times powers of ten; at powers of ten where that is too much.
fn tens(low: f64, high: f64) -> Ticks {
    let exponents = (0..4).map(|index| low.floor() + f64::from(index));
    let exponents = exponents.take_while(|exponent| *exponent <= high.ceil());
    let tick = |(exponent, digit)| {
        // Parsed, since 5 * 0.1 may print as 0.5000000000000001.
        let value: f64 = format!("{digit}e{exponent}").parse().unwrap_or(1.0);
        (value.log10(), value.to_string())
    };
    let grid = exponents.flat_map(|exponent| [1, 2, 5].map(|digit| tick((exponent, digit))));
    let grid: Vec<(f64, String)> = grid.collect();
    let below = grid.iter().rposition(|(tick, _)| *tick <= low + 1e-9).unwrap_or_default();
    let above = grid.iter().position(|(tick, _)| *tick >= high - 1e-9).unwrap_or_default();
    let above = above.max(below + 1).min(grid.len() - 1);
    let (from, to) = (grid[below].0, grid[above].0);
    let mut ticks = grid[below..=above].to_vec();
    if ticks.len() > 8 {
        ticks.retain(|(tick, _)| tick.fract().abs() < 1e-9);
    }
    (from, to, ticks)
}

fn superscript(exponent: f64) -> String {
    let digit = |digit: char| match digit.to_digit(10) {
        Some(digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize).unwrap_or_default(),
        None => '⁻',
    };
    exponent.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: Scale, values: &[f64]) -> Vec<String> {
        let mut ruler = Ruler::new(&Axis::new("", scale), values.iter().copied());
        ruler.ends = [0.0, 1e3];
        for value in values {
            let at = ruler.at(*value);
            assert!((0.0..=1e3).contains(&at), "{value} is at {at}");
        }
        let places: Vec<f64> = ruler.ticks.iter().map(|(tick, _)| ruler.place(*tick)).collect();
        assert!(places.is_sorted() && places.len() <= 14, "{places:?}");
        ruler.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(Scale::Linear, &[0.0, 8.3]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(
            ticks(Scale::Linear, &[0.98, 1.19]),
            ["0.95", "1.00", "1.05", "1.10", "1.15", "1.20"]
        );
        assert_eq!(ticks(Scale::Linear, &[-0.2, 0.2]), ["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
        assert_eq!(
            ticks(Scale::Log2, &[4096.0, 16777216.0]),
            ["2¹²", "2¹⁴", "2¹⁶", "2¹⁸", "2²⁰", "2²²", "2²⁴"]
        );
        assert_eq!(ticks(Scale::Log2, &[1.0, 64.0]), ["1", "2", "4", "8", "16", "32", "64"]);
        assert_eq!(ticks(Scale::Log2, &[0.0, 1.0, 8.0]), ["0", "1", "2", "4", "8"]);
        assert_eq!(ticks(Scale::Log10, &[0.9, 33.0]), ["0.5", "1", "2", "5", "10", "20", "50"]);
        assert_eq!(
            ticks(Scale::Log10, &[1e-6, 1e6]),
            ["10⁻⁶", "10⁻⁴", "0.01", "1", "100", "10⁴", "10⁶"]
        );
    }

    #[test]
    fn small_values_share_a_place() {
        let errors = Axis::new("ULP", Scale::Log10).above(0.01);
        let mut ruler = Ruler::new(&errors, [0.0, 1e-9, 0.02, 64.0].into_iter());
        ruler.ends = [0.0, 1e3];
        let labels: Vec<&str> = ruler.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["< 0.01", "0.1", "1", "10"]);
        assert!(ruler.at(0.0) == ruler.at(1e-9) && ruler.at(1e-9) < ruler.at(0.02));
    }

    #[test]
    fn whatever_the_values_there_is_an_axis() {
        let values: [&[f64]; 8] = [
            &[],
            &[0.0],
            &[5.0],
            &[-1e308, 1e308],
            &[1e-308, 2e-308],
            &[1.0, 1.0 + f64::EPSILON],
            &[1e300, 1.000_000_000_1e300],
            &[-3.0, -2.0],
        ];
        for scale in [Scale::Linear, Scale::Log2, Scale::Log10] {
            for values in values {
                let labels = ticks(scale, values).join(" ");
                assert!(!labels.contains("NaN") && !labels.contains("inf"), "{labels}");
            }
            Ruler::new(&Axis::new("", scale), [f64::NAN, f64::INFINITY, 1.0].into_iter());
        }
    }
}
