use std::collections::HashSet;

use super::built_ins::{Worst, sample};
use super::errors::errors;
use super::evaluate::Case;
use super::judge::{falls, largest};
use super::probe::Probe;
use super::*;
use crate::kernels::built_ins::{BuiltIn, BuiltIns};
use crate::kernels::dtype::{Dtype, Format};

/// An adapter: the result that it makes of a number, in a format.
type Adapter = fn(f64, Format) -> f64;

fn all_probes() -> impl Iterator<Item = Probe> {
    probes::all().into_iter().chain(activations::all()).flat_map(|(_, probes)| probes)
}

fn probe(name: &str) -> Probe {
    all_probes().find(|probe| probe.name == name).unwrap_or_else(|| panic!("no probe {name}"))
}

/// The results of a simulated adapter, both halves of a pair included.
fn simulated(probe: &Probe, adapter: Adapter) -> Vec<Case> {
    let case = |input: &[u32; 2]| {
        let exact = probe.expression.case(*input, 0);
        let bits = |value| exact.dtype.bits(adapter(value, exact.dtype.memory()));
        let upper = if exact.dtype == Dtype::F16 { bits(exact.values[1]) << 16 } else { 0 };
        Case { result: bits(exact.reference) | upper, ..exact }
    };
    probe.inputs.iter().map(case).collect()
}

fn word(probe: &Probe, cases: &[Case]) -> Word {
    match probe.judge.result(cases) {
        (Value::Word(word), _) => word,
        (Value::Number(number), _) => panic!("{} is {number}", probe.name),
    }
}

fn word_by(name: &str, adapter: Adapter) -> Word {
    let probe = probe(name);
    word(&probe, &simulated(&probe, adapter))
}

/// The word for these results of a probe, one per input.
fn word_of(name: &str, results: &[u32]) -> Word {
    let probe = probe(name);
    let cases = probe.inputs.iter().zip(results);
    let cases: Vec<Case> =
        cases.map(|(input, bits)| probe.expression.case(*input, *bits)).collect();
    word(&probe, &cases)
}

#[test]
fn names_are_unique_and_every_probe_has_inputs_and_one_meaning_for_each_answer() {
    let mut names = HashSet::new();
    for probe in all_probes().chain(errors()) {
        assert!(names.insert(probe.name.clone()), "{} twice", probe.name);
        assert!(!probe.inputs.is_empty() && probe.meanings.len() >= 2, "{}", probe.name);
        let answers = probe.meanings.iter().map(|(answer, _)| format!("{answer:?}"));
        let answers: HashSet<String> = answers.collect();
        assert_eq!(answers.len(), probe.meanings.len(), "{}", probe.name);
    }
}

/// A shader that does not compile must not pass for an answer.
#[test]
fn every_shader_is_valid() {
    let capabilities = naga::valid::Capabilities::SHADER_FLOAT16
        | naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let flags = naga::valid::ValidationFlags::all();
    for expression in all_probes().chain(errors()).map(|probe| probe.expression) {
        let wgsl = expression.wgsl();
        let module = naga::front::wgsl::parse_str(&wgsl)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
        naga::valid::Validator::new(flags, capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
    }
}

#[test]
fn an_adapter_that_rounds_to_nearest_gives_the_answers_of_ieee() {
    let nearest: Adapter = |value, _| value;
    for (name, word) in [
        ("max_nan_zero", Word::Zero),
        ("nan_is_found_by_bits", Word::Yes),
        ("exp_nan", Word::Nan),
        ("exp_overflow", Word::Infinity),
        ("one_over_infinity", Word::Zero),
        ("tanh_large", Word::Saturates),
        ("minus_zero_copied", Word::MinusZero),
        ("relu_nan", Word::Nan),
        ("sigmoid_nan", Word::Nan),
        ("sigmoid_infinity", Word::One),
        ("tanh_minus_infinity", Word::MinusOne),
        ("sigmoid_near_zero", Word::Exact),
        ("leaky_relu_near_zero", Word::Exact),
        ("silu_backward_infinity", Word::Exact),
        ("sigmoid_naive_beyond", Word::Exact),
        ("subnormal_product", Word::Preserved),
        ("max_negative_subnormal", Word::Zero),
        ("exp_subnormal", Word::Preserved),
        ("large_over_large", Word::One),
        ("division_of_multiples", Word::Exact),
        ("f16_overflow", Word::Infinity),
        ("f16_nan_packed", Word::Nan),
        ("f16_pair_with_nan", Word::Independent),
        ("f16_pair_with_overflow", Word::Independent),
        ("f16_subnormal_unpacked", Word::Preserved),
        ("f16_native_exp_subnormal", Word::Preserved),
        ("f16_native_overflow", Word::Infinity),
        ("fma_is_fused", Word::Fused),
        ("product_error_is_kept", Word::Yes),
        ("reduction_in_two_steps", Word::AsWritten),
    ] {
        assert_eq!(word_by(name, nearest), word, "{name}");
    }
}

#[test]
fn an_adapter_that_flushes_is_seen_to() {
    let flushing: Adapter = |value, format| if format.is_subnormal(value) { 0.0 } else { value };
    for name in [
        "subnormal_copied",
        "subnormal_times_one",
        "subnormal_product",
        "max_subnormal",
        "relu_near_zero",
        "exp_subnormal",
        "division_by_largest",
        "f16_subnormal_packed",
        "f16_native_subnormal_product",
        "f16_native_exp_subnormal",
    ] {
        assert_eq!(word_by(name, flushing), Word::Flushed, "{name}");
        assert_eq!(word_by(name, |value, _| -value), Word::Other, "{name}");
    }
}

#[test]
fn every_rounding_is_told_from_the_others() {
    fn at_unit(value: f64, format: Format, round: fn(f64) -> f64) -> f64 {
        round(value / format.unit) * format.unit
    }
    let adapters: [(Word, Adapter); 6] = [
        (Word::ToNearestEven, |value, format| at_unit(value, format, f64::round_ties_even)),
        (Word::ToNearestAway, |value, format| at_unit(value, format, f64::round)),
        (Word::TowardZero, |value, format| at_unit(value, format, f64::trunc)),
        (Word::Up, |value, format| at_unit(value, format, f64::ceil)),
        (Word::Down, |value, format| at_unit(value, format, f64::floor)),
        // To nearest, ties down: none of the five.
        (Word::Other, |value, format| at_unit(value, format, |value| (value - 0.5).ceil())),
    ];
    for (word, adapter) in adapters {
        for name in ["f32_rounding", "f16_rounding"] {
            assert_eq!(word_by(name, adapter), word, "{name}");
        }
    }
}

#[test]
fn results_that_deviate_have_their_words() {
    let (one, tiny) = (1f32.to_bits(), 2f32.powi(-24).to_bits());
    let (nan, infinity) = (f32::NAN.to_bits(), f32::INFINITY.to_bits());
    for (name, results, word) in [
        // Quiet or signalling, kept, made quiet, replaced, lost.
        ("signalling_nan_copied", [0x7f80_0001, 0x7fa1_2345, 0xffb5_4321], Word::Preserved),
        ("signalling_nan_copied", [0x7fc0_0001, 0x7fe1_2345, 0xfff5_4321], Word::Quietened),
        ("signalling_nan_copied", [nan; 3], Word::Replaced),
        ("signalling_nan_copied", [infinity; 3], Word::Infinity),
        ("max_nan_zero", [0, 0, nan], Word::Mixed),
        ("exp_overflow", [f32::MAX.to_bits(); 3], Word::Largest),
        ("one_over_infinity", [0, 0x8000_0000, 0], Word::Zero),
        ("sigmoid_near_zero", [0x3f00_0001; 3], Word::Inexact),
        ("sigmoid_near_zero", [nan; 3], Word::Nan),
        ("max_minus_zero", [0; 3], Word::Zero),
        ("max_minus_zero", [0x8000_0000; 3], Word::MinusZero),
        // Of the positive subnormals 1, 0x1234 and 0x3fffff.
        ("relu_near_zero", [1, 0x1234, 0x3f_ffff], Word::Exact),
        ("relu_near_zero", [0, 0, 0], Word::Flushed),
        ("relu_near_zero", [1, 0, 0x3f_ffff], Word::Flushed),
        ("relu_near_zero", [0x8000_0001, 0x8000_1234, 0x803f_ffff], Word::Other),
        ("relu_nan", [0; 3], Word::Zero),
        ("sigmoid_nan", [one; 3], Word::One),
        ("silu_minus_infinity", [nan; 3], Word::Nan),
        ("silu_backward_infinity", [one, 0, 0], Word::Exact),
        ("silu_backward_infinity", [one, nan, 0], Word::Nan),
        ("silu_backward_infinity", [one, one, 0], Word::Other),
        ("sigmoid_naive_beyond", [nan; 3], Word::Nan),
        ("softplus_naive_beyond", [infinity; 3], Word::Infinity),
        ("fma_is_fused", [0; 3], Word::Separate),
        ("fma_is_fused", [one; 3], Word::Other),
        ("sum_is_reassociated", [0; 3], Word::AsWritten),
        ("product_error_is_kept", [0; 3], Word::No),
        ("product_error_is_kept", [tiny, one, one], Word::Mixed),
        ("nan_differs_from_itself", [nan; 3], Word::Other),
        ("f16_native_overflow", [0x7bff, 0xfbff, 0x7bff], Word::Largest),
        // The upper half is no part of the answer.
        ("f16_overflow", [0x1234_7c00; 3], Word::Infinity),
        // Lower and upper half of (1, NaN) and (NaN, 1).
        ("f16_pair_with_nan", [0x7e00_3c00, 0x3c00_7e00, 0x7e00_c100], Word::Independent),
        ("f16_pair_with_nan", [0x7e00_7e00, 0x3c00_7e00, 0x7e00_c100], Word::SpoilsLower),
        ("f16_pair_with_nan", [0x7e00_3c00, 0x7e00_7e00, 0x7e00_c100], Word::SpoilsUpper),
        ("f16_pair_with_nan", [0x7e00_7e00, 0x7e00_7e00, 0x7e00_c100], Word::SpoilsBoth),
    ] {
        assert_eq!(word_of(name, &results), word, "{name} {results:x?}");
    }
    let tanh = |value: f64, _| if value.abs() > 0.9 { f64::NAN } else { value };
    assert_eq!(word_by("tanh_large", tanh), Word::Nan);
    let merged = |value: f64, _| value * 1.001;
    assert_eq!(word_by("reduction_in_two_steps", merged), Word::Rewritten);
}

#[test]
fn an_answer_that_was_not_expected_comes_with_bits() {
    let probe = probe("exp_minus_infinity");
    let answer = |bits| probe.answer(&[probe.expression.case([0xff80_0000; 2], bits)]);
    assert_eq!(answer(0).2, None);
    let (result, meaning, evidence) = answer(0x4000_0000);
    assert_eq!(result, Value::Word(Word::Other));
    assert_eq!(meaning, "not among the expected answers");
    assert_eq!(evidence.as_deref(), Some("0xff800000 -> 0x40000000"));
}

/// Results of exp2 over x.
fn exp2_results(results: &[(f32, f32)]) -> Vec<Case> {
    let case = |(x, y): &(f32, f32)| probe::EXP2.case([x.to_bits(), 0], y.to_bits());
    results.iter().map(case).collect()
}

#[test]
fn errors_are_the_largest_of_their_kind() {
    let unit = f32::EPSILON;
    let cases =
        exp2_results(&[(-1.0, 0.5 + 1.5 * unit), (-10.0, 0.0009765625 * (1.0 + 4.0 * unit))]);
    // The second has more ULP, but a smaller share of the bound.
    let worst = Worst::of(BuiltIn::Exp2, &cases);
    assert_eq!(worst, Worst { share: 0.6, x: -1.0 });
    assert_eq!(largest(&cases, Case::ulps), (4.0, -10.0));
    assert_eq!(largest(&cases, Case::error), (1.5 * f64::from(unit), -1.0));
    assert_eq!(falls(&cases), 0.0);

    let falling = exp2_results(&[(1.0, 2.0), (2.0, 1.0), (3.0, 1.0), (0.0, 0.5), (1.0, 0.0)]);
    assert_eq!(falls(&falling), 2.0);

    for result in [f32::NAN, f32::INFINITY] {
        let cases = exp2_results(&[(1.0, 2.0), (2.0, result)]);
        assert_eq!(largest(&cases, Case::ulps), (f64::INFINITY, 2.0));
        let probe = errors().into_iter().find(|probe| probe.name == "exp2_max_ulp");
        let (result, meaning, evidence) = probe.expect("of exp2").answer(&cases);
        assert_eq!(result, Value::Word(Word::NotFinite));
        assert_eq!(meaning, "NaN or infinity within the domain");
        assert_eq!(evidence.as_deref(), Some("at x = 2e0"));
    }
}

#[test]
fn a_number_means_what_the_first_limit_above_it_does() {
    let errors = errors();
    let answer = |name: &str, ulps: f32| {
        let probe = errors.iter().find(|probe| probe.name == name).expect("among them");
        probe.answer(&exp2_results(&[(0.0, 1.0 + ulps * f32::EPSILON)]))
    };
    for (at, ulps) in [0.0, 1.0, 3.0].into_iter().enumerate() {
        let (result, meaning, evidence) = answer("division_max_ulp", ulps);
        assert_eq!(result, Value::Number(f64::from(ulps)));
        assert_eq!((meaning, evidence), (errors[3].meanings[at].1, None));
    }
}

#[test]
fn a_built_in_beyond_the_specification_is_named() {
    let of = |share: f64| {
        let formats = [
            (Dtype::F32, Worst { share, x: -0.5 }),
            (Dtype::F16Native, Worst { share: 0.25, x: 2.0 }),
        ];
        answer(BuiltIn::Exp, &formats)
    };
    let (result, meaning, evidence) = of(1.0);
    assert_eq!((result, meaning.as_str()), (Value::Number(1.0), "within WGSL's bound"));
    assert_eq!(evidence.as_deref(), Some("f32 1.00 at -5e-1, f16 0.25 at 2e0"));
    let judged = "beyond WGSL's bound: kernels that call exp are judged by what was measured";
    assert_eq!((of(1.13).0, of(1.13).1.as_str()), (Value::Number(1.13), judged));
    let broken = "far beyond WGSL's bound: kernels that call exp are wrong";
    assert_eq!((of(5.0).0, of(5.0).1.as_str()), (Value::Number(5.0), broken));
    let (result, meaning, _) = of(f64::INFINITY);
    assert_eq!(result, Value::Word(Word::NotFinite));
    assert!(meaning.ends_with("kernels that call exp are wrong"), "{meaning}");
    let (result, _, evidence) = answer(BuiltIn::Exp, &[]);
    assert_eq!((result, evidence), (Value::Word(Word::Unsupported), None));
}

/// What a perfect adapter gives on the sample of a built-in function.
fn perfect(built_in: BuiltIn, dtype: Dtype) -> Vec<Case> {
    let expression = probe::of_built_in(built_in, dtype);
    let case = |input: &[u32; 2]| {
        let case = expression.case(*input, 0);
        Case { result: dtype.bits(case.reference), ..case }
    };
    sample(built_in, dtype).iter().map(case).collect()
}

#[test]
fn samples_of_built_ins_are_within_their_domains_and_see_what_is_off() {
    for dtype in [Dtype::F32, Dtype::F16Native] {
        for built_in in BuiltIn::ALL {
            let mut cases = perfect(built_in, dtype);
            let enough = if dtype == Dtype::F32 { 1 << 18 } else { 1 << 13 };
            assert!(cases.len() >= enough, "{built_in:?} {dtype:?}: {}", cases.len());
            for case in &cases {
                let room = built_in.error(dtype, case.values[0], case.reference) * BuiltIns::MOST;
                assert!(case.values[0].abs() >= dtype.memory().min_normal, "{case:?}");
                assert!(case.reference.abs() + room < dtype.memory().max, "{built_in:?} {case:?}");
            }
            let Worst { share, .. } = Worst::of(built_in, &cases);
            assert!(share > 0.0 && share <= 0.51, "{built_in:?} {dtype:?}: {share}");
            // The last one, off by 1.5 times what is allowed.
            let last = cases.last_mut().expect("a sample");
            let off = 1.5 * built_in.error(dtype, last.values[0], last.reference);
            last.result = dtype.bits(last.reference - off);
            let (x, Worst { share, x: at }) = (last.values[0], Worst::of(built_in, &cases));
            assert!(share > 1.0 && at == x, "{built_in:?} {dtype:?}: {share} at {at}");
            cases.last_mut().expect("a sample").result = dtype.bits(f64::NAN);
            assert_eq!(Worst::of(built_in, &cases).share, f64::INFINITY);
        }
    }
}

#[test]
fn samples_are_large_and_their_results_normal_and_a_perfect_adapter_has_half_a_ulp() {
    for probe in errors() {
        let name = &probe.name;
        assert!(probe.inputs.len() >= 1 << 19, "{name}");
        let cases: Vec<Case> = (probe.inputs.iter())
            .map(|input| {
                let case = probe.expression.case(*input, 0);
                Case { result: Dtype::F32.bits(case.reference), ..case }
            })
            .collect();
        for case in &cases {
            assert!(
                (Format::F32.min_normal..Format::F32.max).contains(&case.reference.abs()),
                "{case:?}"
            );
        }
        let (ulps, _) = largest(&cases, Case::ulps);
        assert!(ulps <= 0.5 && ulps > 0.499, "{name}: {ulps}");
        // Operands of the division are not in order.
        assert!(falls(&cases) == 0.0 || name.starts_with("division"), "{name}");
    }
}

#[test]
fn a_card_of_a_later_version_still_opens() {
    let json = serde_json::to_string(&Value::Word(Word::ToNearestEven)).expect("json");
    assert_eq!(json, "\"to_nearest_even\"");
    let later = serde_json::from_str::<Value>("\"of_tomorrow\"").expect("a word");
    assert_eq!(later, Value::Word(Word::Other));
}
