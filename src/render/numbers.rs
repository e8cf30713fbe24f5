//! Numbers as people read them.

use crate::measure::stats::Estimate;

/// `3 repeats`, `1 repeat`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A time in ns, us or ms.
pub fn duration(ns: f64) -> String {
    let (unit, name) = match ns {
        ..1e3 => (1.0, "ns"),
        ..1e6 => (1e3, "us"),
        _ => (1e6, "ms"),
    };
    format!("{} {name}", significant(ns / unit, 3))
}

/// A size as people say it: 2^24, or 1000.
pub fn size_name(elements: u64) -> String {
    if elements.is_power_of_two() {
        format!("2^{}", elements.ilog2())
    } else {
        elements.to_string()
    }
}

/// A number with so many significant digits, without an exponent.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // That of the rounded number: 9.999 is 10.0.
    let scientific = format!("{value:.*e}", digits - 1);
    let magnitude: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let decimals =
        (digits - 1).saturating_add_signed(-isize::try_from(magnitude).expect("at most 308"));
    format!("{value:.decimals$}")
}

/// Three significant digits, or a whole number; as a power of ten where zeros would be most of it.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1e6 && size.fract() == 0.0 {
        // What is counted.
        format!("{value:.0}")
    } else if (1e-3..1e6).contains(&size) {
        significant(value, 3)
    } else {
        format!("{value:.2e}")
    }
}

/// A number with its interval.
pub fn interval(Estimate { median, low, high }: Estimate) -> String {
    format!("{} [{}, {}]", number(median), number(low), number(high))
}

/// A share with its interval, in percent.
pub fn percent(share: Estimate) -> String {
    format!("{:.0} % [{:.0}, {:.0}]", share.median * 100.0, share.low * 100.0, share.high * 100.0)
}

/// A ratio with its interval.
pub fn ratio(ratio: Estimate) -> String {
    format!("{:.2} [{:.2}, {:.2}]", ratio.median, ratio.low, ratio.high)
}

/// From the smaller to the larger in two digits, or one number in three where both are the same.
/// What is below 0 is 0.
pub fn bracket(one: f64, other: f64) -> String {
    let [least, most] = [one.min(other), one.max(other)].map(|value| value.max(0.0));
    if least == most {
        return significant(most, 3);
    }
    let [least, most] = [least, most].map(|value| significant(value, 2));
    if least == most { most } else { format!("{least} to {most}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        assert_eq!(significant(0.012345, 3), "0.0123");
        assert_eq!(significant(1.2345, 3), "1.23");
        assert_eq!(significant(123.45, 3), "123");
        assert_eq!(significant(4321.0, 3), "4321");
        assert_eq!(significant(0.009_999_99, 3), "0.0100");
        assert_eq!(significant(9.999, 3), "10.0");
        assert_eq!(significant(-0.5, 1), "-0.5");
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (12345.0, "12345"),
            (1.5, "1.50"),
            (-0.012345, "-0.0123"),
            (1.2e-9, "1.20e-9"),
            (3e7, "3.00e7"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_bracket_of_one_number_is_that_number() {
        assert_eq!(bracket(9.71, 10.68), "9.7 to 11");
        assert_eq!(bracket(-0.2, 0.8), "0 to 0.80");
        assert_eq!(bracket(10.51, 10.49), "10 to 11");
        assert_eq!(bracket(1.0, 1.0), "1.00");
        assert_eq!(bracket(1.0, 1.001), "1.0");
    }
}
