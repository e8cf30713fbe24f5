//! Derivative: that of sigmoid is said to be at most a quarter, that of ReLU 1 or 0. Every input is
//! counted, and where the first falls under each power of two is looked for, above 0 and below.

use super::census::{Census, Half, Tally, Which};
use super::range::percent;
use super::{Context, Experiment, Findings};
use crate::claims::report::{Axis, Figure, Outcome, Plot, Point, Series};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::kernels::tolerance::{self, Allowed, Case};
use crate::kernels::dtype::Dtype;
use crate::kernels::activations::{relu, sigmoid};

/// The claim.
pub(super) const CLAIM: Experiment = Experiment {
    name: "derivative",
    statement: "the derivative of sigmoid is at most 0.25 and vanishes for large |x|, that of ReLU is 1 or 0",
    run,
};

/// Of so many f32, quick looks at one.
const QUICK_STRIDE: u32 = 17;

/// The largest a derivative of sigmoid may be.
const QUARTER: f32 = 0.25;

/// Of f32 it is told how far out the derivative stays under these 2^-k; the plot has every k.
const TOLD: [i32; 6] = [3, 4, 8, 12, 16, 24];

/// A derivative, by the WGSL that gives it for a dy of 1.
struct Way {
    name: &'static str,
    /// The activation whose functions it calls.
    activation: &'static str,
    wgsl: &'static str,
    allowed: fn(&Case) -> Allowed,
}

const WAYS: [Way; 3] = [
    Way {
        name: "sigmoid from x",
        activation: "sigmoid",
        wgsl: "fn derivative(x: T) -> T { return sigmoid_from_x(x, T(1.0)); }\n",
        allowed: |case| {
            activations::variant("sigmoid/from_x").allowed(&Case {
                reference: sigmoid::sigmoid_derivative(case.first),
                ..*case
            })
        },
    },
    Way {
        name: "sigmoid from y",
        activation: "sigmoid",
        wgsl: "fn derivative(x: T) -> T { return sigmoid_from_y(T(as_stored(sigmoid_two_sided(x))), T(1.0)); }\n",
        allowed: from_rounded_y,
    },
    Way {
        name: "ReLU",
        activation: "relu",
        wgsl: "fn derivative(x: T) -> T { return relu_from_x(x, T(1.0)); }\n",
        allowed: |case| {
            activations::variant("relu/from_y").allowed(&Case {
                reference: relu::relu_backward(case.first, 1.0),
                ..*case
            })
        },
    },
];

/// What a way gave in a dtype.
struct Found {
    path: String,
    all: Tally,
    largest_at: Option<f64>,
    /// Of sigmoid's derivative, above 0 and below; none of ReLU's.
    ends: Option<[End; 2]>,
}

/// Where a derivative vanishes on one side of 0.
struct End {
    /// The x nearest to 0 beyond which it stays under 2^-k, by k.
    under: Vec<(i32, f64)>,
    /// The x nearest to 0 beyond which it is 0.
    zero_from: Option<f64>,
}

/// How an end is told, above 0 and below.
const SIDES: [&str; 2] = ["x >=", "x <="];

impl Found {
    /// Whether some sigmoid' exceeds a quarter.
    fn is_over(&self) -> bool {
        self.ends.is_some() && self.all.above > 0
    }
}

impl End {
    fn of(census: &Census<'_>, half: &Half, dtype: Dtype) -> Result<Self> {
        let most = -dtype.memory().smallest().log2();
        let mut under = Vec::new();
        #[expect(clippy::cast_possible_truncation, reason = "at most 149")]
        for k in 2..=most as i32 {
            let level = f64::powi(2.0, -k);
            under.extend(
                behind(census, half, dtype, |tally| tally.highest >= level)?.map(|x| (k, x)),
            );
        }
        Ok(Self { under, zero_from: behind(census, half, dtype, |tally| tally.highest > 0.0)? })
    }
}

fn run(context: &Context<'_>) -> Result<Findings> {
    let mut notes = Vec::new();
    let mut found: Vec<(&Way, Dtype, Found)> = Vec::new();
    for dtype in Dtype::ALL {
        for way in &WAYS {
            (context.progress)(&format!("{} in {}", way.name, dtype.name()));
            match examine(context, way, dtype) {
                Ok(of_way) => found.push((way, dtype, of_way)),
                Err(Error::Unsupported(reason)) => {
                    notes.push(format!(
                        "{} in {} was not looked at: {reason}",
                        way.name,
                        dtype.name()
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }
    if context.either(true, false) {
        notes
            .push(format!("Of f32, one input in {QUICK_STRIDE} was looked at, and every one where a level is passed."));
    }
    notes.push(
        "From y: 1 - y of the y that is stored, so that its digits are those that y has left."
            .to_owned(),
    );
    let is_relu = |way: &Way| way.activation == "relu";
    let quarter = |all: &Tally| all.above == 0 && all.negative == 0 && all.not_finite() == 0;
    let cases = found.iter().map(|(way, _, Found { all, ends, .. })| {
        let vanishes = |ends: &[End; 2]| ends.iter().all(|end| end.zero_from.is_some());
        if is_relu(way) {
            all.zeros + all.ones == all.inputs
        } else {
            quarter(all) && ends.as_ref().is_some_and(vanishes)
        }
    });
    Ok(Findings {
        outcome: Outcome::of(cases),
        conclusion: conclusion(&found),
        seeds: Vec::new(),
        figures: found
            .iter()
            .flat_map(|(way, dtype, found)| figures(found, *dtype, is_relu(way)))
            .collect(),
        plots: vec![plot(&found)],
        notes,
    })
}

fn examine(context: &Context<'_>, way: &Way, dtype: Dtype) -> Result<Found> {
    let activation = Activation::named(way.activation).expect("in the table");
    let definitions = [activation.wgsl, way.wgsl].concat();
    let census = Census::new(context.gpu, dtype, &definitions, "derivative", QUARTER)?;
    census.check(|x, first_bits| {
        (way.allowed)(&Case { dtype, first: x, first_bits, dy: 1.0, reference: 0.0 })
    })?;
    let stride = context.either(QUICK_STRIDE, 1);
    let (positive, negative) = (census.half(false, stride)?, census.half(true, stride)?);
    let all = positive.sum().and(&negative.sum());
    let is_largest = |tally: &Tally| tally.highest >= all.highest;
    let largest_at = match census.find(Which::First, &positive, is_largest)? {
        Some(x) => Some(x),
        None => census.find(Which::First, &negative, is_largest)?,
    };
    let ends = if way.activation == "relu" {
        None
    } else {
        Some([End::of(&census, &positive, dtype)?, End::of(&census, &negative, dtype)?])
    };
    Ok(Found { path: path(way, dtype), all, largest_at, ends })
}

fn path(way: &Way, dtype: Dtype) -> String {
    format!("{} in {}", way.name, dtype.name())
}

/// The x behind the last one that has something, away from 0; none if all have.
fn behind(
    census: &Census<'_>,
    half: &Half,
    dtype: Dtype,
    has: impl Fn(&Tally) -> bool,
) -> Result<Option<f64>> {
    let next = |x: f64| dtype.value(dtype.bits(x) + 1);
    Ok(census.find(Which::Last, half, has)?.map(next).filter(|x| x.is_finite()))
}

/// y (1 - y) of any y that sigmoid may give.
fn from_rounded_y(case: &Case) -> Allowed {
    let y = Case { reference: sigmoid::sigmoid(case.first), dy: 0.0, ..*case };
    let Allowed::Within { lowest, highest } = activations::variant("sigmoid/two_sided").allowed(&y) else {
        return Allowed::Anything;
    };
    let ends = [lowest.max(0.0), highest];
    let mut all = (f64::INFINITY, f64::NEG_INFINITY);
    // It rises until y = 1/2 and falls behind it.
    let top = (ends[0] <= 0.5 && 0.5 <= ends[1]).then_some(0.5);
    for y in ends.into_iter().chain(top) {
        let of_y = Case { first: y, reference: sigmoid::from_y(y, 1.0), ..*case };
        let Allowed::Within { lowest, highest } = activations::variant("sigmoid/from_y").allowed(&of_y) else {
            return Allowed::Anything;
        };
        all = (all.0.min(lowest), all.1.max(highest));
    }
    Allowed::Within { lowest: all.0, highest: all.1 }
}

fn figures(found: &Found, dtype: Dtype, is_relu: bool) -> Vec<Figure> {
    let Found { path, all, largest_at, ends } = found;
    let share = |what: &str, part: u64| {
        Figure::new(format!("{path}: {what}"), "%", percent(part, all.inputs))
    };
    if is_relu {
        let other = all.inputs - all.zeros - all.ones;
        return vec![
            share("inputs whose derivative is 1", all.ones),
            share("inputs whose derivative is neither 1 nor 0", other),
        ];
    }
    let at = largest_at.map(|x| format!("first at {x:.3e}")).unwrap_or_default();
    let mut figures = vec![
        Figure::new(format!("{path}: largest"), "", all.highest)
            .noted(format!("{:.9}, {at}", all.highest)),
        share("inputs above 0.25", all.above).noted(format!("{} of {}", all.above, all.inputs)),
    ];
    for ((end, side), sign) in ends.iter().flatten().zip(SIDES).zip([1.0, -1.0]) {
        for (k, x) in end.under.iter().filter(|(k, _)| dtype == Dtype::F32 && TOLD.contains(k)) {
            let exact = format!("exactly: {:.3}", sign * exact(*k));
            figures
                .push(Figure::new(format!("{path}: under 2^-{k} for {side}"), "", *x).noted(exact));
        }
        let name = format!("{path}: 0 for {side}");
        figures.push(match end.zero_from {
            Some(x) => Figure::new(name, "", x),
            None => Figure::none(name, "", "it never is"),
        });
    }
    figures
}

/// The x > 0 where sigmoid' is 2^-k: 1 / (4 cosh(x/2)^2) = 2^-k.
fn exact(k: i32) -> f64 {
    2.0 * f64::powf(2.0, f64::from(k) / 2.0 - 1.0).acosh()
}

fn conclusion(found: &[(&Way, Dtype, Found)]) -> String {
    let sentence = |way: &Way, found: &Found| {
        let Found { all, ends, .. } = found;
        let over = if found.is_over() {
            format!(
                "{:.9} (over a quarter for {:.2} % of the inputs)",
                all.highest,
                percent(all.above, all.inputs)
            )
        } else {
            format!("{}", all.highest)
        };
        let places = |place: &dyn Fn(&End) -> Option<f64>| {
            let told = |(end, side): (&End, &str)| place(end).map(|x| format!("{side} {x:.2}"));
            let told: Vec<String> = ends.iter().flatten().zip(SIDES).filter_map(told).collect();
            if told.is_empty() { "no x".to_owned() } else { told.join(" and ") }
        };
        let under = places(&|end| end.under.iter().find(|(k, _)| *k == 24).map(|(_, x)| *x));
        let zero = places(&|end| end.zero_from);
        format!("{} at most {over}, under 2^-24 for {under}, exactly 0 for {zero}", way.name)
    };
    let of_f32 = found.iter().filter(|(_, dtype, _)| *dtype == Dtype::F32);
    let sigmoid = of_f32.clone().filter(|(way, ..)| way.activation == "sigmoid");
    let relu = of_f32.filter(|(way, ..)| way.activation == "relu");
    let sigmoid = sigmoid.map(|(way, _, found)| sentence(way, found));
    let relu = relu.map(|(_, _, Found { all, .. })| {
        let other = all.inputs - all.zeros - all.ones;
        if other == 0 {
            "ReLU's is 1 or 0 everywhere".to_owned()
        } else {
            format!("ReLU's is neither 1 nor 0 for {other} inputs")
        }
    });
    let condition = if found.iter().any(|(_, _, found)| found.is_over()) {
        "a rounding is allowed for; "
    } else {
        ""
    };
    format!("{condition}in f32: {}", sigmoid.chain(relu).collect::<Vec<_>>().join("; "))
}

fn plot(found: &[(&Way, Dtype, Found)]) -> Plot {
    // From left to right: up on the side below 0, and down on the other.
    let point = |(k, x): (i32, f64)| Point::new(x, f64::powi(2.0, -k));
    let both_sides = |above: Vec<(i32, f64)>, below: Vec<(i32, f64)>| {
        below.into_iter().rev().chain(above).map(point).collect::<Vec<_>>()
    };
    let lines = found.iter().filter_map(|(_, _, found)| Some((&found.path, found.ends.as_ref()?)));
    let measured = lines.map(|(path, [above, below])| Series {
        label: path.clone(),
        points: both_sides(above.under.clone(), below.under.clone()),
    });
    let exact = |sign: f64| (2..=149).map(|k| (k, sign * exact(k))).collect::<Vec<_>>();
    let reference =
        Series { label: "exact".to_owned(), points: both_sides(exact(1.0), exact(-1.0)) };
    Plot {
        title: "How far out the derivative of sigmoid falls under a level".to_owned(),
        x: Axis::linear("x"),
        y: Axis::log2("level"),
        series: std::iter::once(reference).chain(measured).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Extent;
    use crate::gpu::{Choice, Gpu};
    use crate::report::Status;

    #[test]
    fn levels_are_where_the_derivative_has_them() {
        assert_eq!(exact(2), 0.0);
        for k in 3..150 {
            let derivative = sigmoid::sigmoid_derivative(exact(k));
            assert!((derivative * f64::powi(2.0, k) - 1.0).abs() < 1e-12, "{k}: {derivative:e}");
        }
    }

    #[test]
    fn what_is_allowed_from_a_rounded_y_holds_the_truth_and_no_more_than_it_must() {
        for x in [-80.0, -5.0, -0.1, 0.0, 1e-3, 2.0, 8.0, 16.0, 17.0, 40.0] {
            let case = Case {
                dtype: Dtype::F32,
                first: x,
                first_bits: Dtype::F32.bits(x),
                dy: 1.0,
                reference: 0.0,
            };
            let Allowed::Within { lowest, highest } = from_rounded_y(&case) else { panic!("{x}") };
            let reference = sigmoid::sigmoid_derivative(x);
            assert!(
                lowest <= reference && reference <= highest,
                "{x}: {lowest:e} {reference:e} {highest:e}"
            );
            // The digits of 1 - y are those that y has left.
            let step = if x > 0.0 { 4.0 * f64::from(f32::EPSILON) } else { 1e-4 * reference };
            assert!(
                highest - lowest < 12.0 * step + 1e-5 * reference,
                "{x}: {lowest:e} {highest:e}"
            );
        }
    }

    #[test]
    fn on_the_adapter_it_falls_under_each_level_where_it_should() {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let context = Context { gpu: &gpu, extent: Extent::Quick, seed: 1, progress: &|_| () };
        let (claim, error) = CLAIM.examine(&context);
        assert!(error.is_none() && claim.status == Status::Ok, "{:?}", claim.reason);
        let value = |name: &str| {
            let figure = claim.figures.iter().find(|figure| figure.name == name);
            figure
                .and_then(|figure| figure.value)
                .unwrap_or_else(|| panic!("{name}: {:?}", claim.figures))
        };
        for way in ["sigmoid from x in f32", "sigmoid from y in f32"] {
            let largest = value(&format!("{way}: largest"));
            assert!((0.25..0.250_001).contains(&largest), "{way}: {largest}");
            for k in [3, 4, 8, 12] {
                for (side, sign) in SIDES.into_iter().zip([1.0, -1.0]) {
                    let x = sign * value(&format!("{way}: under 2^-{k} for {side}"));
                    // From y, 1 - y is a multiple of 2^-24.
                    assert!((x - exact(k)).abs() < 2e-3, "{way}, {k}: {x}, {}", exact(k));
                }
            }
            // Below 0 both keep their digits as long as f32 holds exp(x): its smallest normal
            // number, or its smallest at all.
            let under = -value(&format!("{way}: under 2^-24 for x <="));
            assert!((under - exact(24)).abs() < 2e-3, "{way}: {under}");
            let zero = value(&format!("{way}: 0 for x <="));
            assert!((-104.0..-86.9).contains(&zero), "{way}: {zero}");
        }
        // y is 1 from there on, and so 1 - y is 0; from x the derivative is there as long as below
        // 0.
        let zero = value("sigmoid from y in f32: 0 for x >=");
        assert!((16.6..17.4).contains(&zero), "{zero}");
        let zero = value("sigmoid from x in f32: 0 for x >=");
        assert!((86.9..104.0).contains(&zero), "{zero}");
        let told = claim.conclusion.as_deref().unwrap_or_default();
        let (_, from_y) = told.split_once("sigmoid from y").unwrap_or_else(|| panic!("{told}"));
        assert!(
            from_y.contains("exactly 0 for x >= 1") && from_y.contains(" and x <= -"),
            "{told}"
        );
        // Lines go from left to right.
        for series in &claim.plots[0].series {
            let xs: Vec<f64> = series.points.iter().map(|point| point.x).collect();
            assert!(
                xs.is_sorted() && xs[0] < -16.0 && xs[xs.len() - 1] > 7.0,
                "{}: {xs:?}",
                series.label
            );
        }
        assert_eq!(value("ReLU in f32: inputs whose derivative is neither 1 nor 0"), 0.0);
        let (again, _) = CLAIM.examine(&context);
        assert_eq!(
            (&again.figures, &again.plots),
            (&claim.figures, &claim.plots),
            "the same every time"
        );
    }
}
