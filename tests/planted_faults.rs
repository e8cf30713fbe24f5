//! Proof that validation sees faults: each one planted here, in a shader's text or on the host, has
//! to be called wrong, and the same trial without it right. Changes that the WGSL specification
//! permits, and those that only some adapters show, are not among them: y - y * y is right where a
//! driver fuses it, and dy times a mask where none flushes subnormals.

#[path = "planted/activations.rs"]
mod activations;
mod common;

use actbench::error::Error;
use actbench::gpu::{GUARD_WORDS, Gpu, Layout, ShaderChecks, Shape, Tensor, WORD_BYTES};
use actbench::kernels::activation::{Activation, Direction, Pass, Saved};
use actbench::kernels::inputs::Inputs;
use actbench::kernels::kernel::{self, Kernel, Role};
use actbench::validate::{self, Accuracy, Trial};
use common::gpu;

const SEED: u64 = 20_261_124;

/// Words of every buffer but the last, where a tensor takes several: as many as whole words of mask
/// belong to.
const WORDS_PER_BUFFER: u64 = 1024;

/// Faults of one kernel.
struct Planted {
    /// The kernel's path.
    kernel: &'static str,
    /// How it has to be run for these faults to matter.
    run: Run,
    /// Each with what is wrong, what stands in the text (once), and what is put in its place.
    faults: &'static [(&'static str, &'static str, &'static str)],
}

/// Lengths and shapes in which faults show. In all of them the last word is a part of one, and the
/// last workgroup has lanes too many.
#[derive(Clone, Copy)]
enum Run {
    /// One word, or u32 of mask, an invocation.
    Usual,
    /// The same, over a few words.
    Short,
    /// Several of them an invocation.
    SeveralUnits,
    /// More workgroups than one dimension of the grid holds.
    SeveralRows,
    /// A tensor of two buffers, the first of [`WORDS_PER_BUFFER`]. All that a dispatch knows of its
    /// buffer is the number of words.
    TwoBuffers,
}

/// What a formula can get wrong.
const FORMULAS: &[Planted] = &[
    Planted {
        kernel: "forward/f32/copy/plain",
        run: Run::Usual,
        faults: &[
            ("the lowest bit is lost", "return x;", "return x & vec4<u32>(0xfffffffeu);"),
            ("zeros lose their sign", "return x;", "return select(x, T(0u), x == T(0x80000000u));"),
        ],
    },
    Planted {
        kernel: "backward/f32/add/plain",
        run: Run::Usual,
        faults: &[
            ("dy is subtracted", "saved + dy", "saved - dy"),
            ("dy is ignored", "saved + dy", "saved"),
        ],
    },
    Planted {
        kernel: "forward/f32/relu/plain",
        run: Run::Usual,
        faults: &[
            ("it is the absolute value", "max(x, T(0.0))", "abs(x)"),
            ("it leaks 1 % of what is negative", "max(x, T(0.0))", "max(x, T(0.01) * x)"),
            ("it ends at 6", "max(x, T(0.0))", "clamp(x, T(0.0), T(6.0))"),
            (
                "the last of four lanes keeps its x",
                "max(x, T(0.0))",
                "vec4<f32>(max(x.xyz, vec3<f32>(0.0)), x.w)",
            ),
        ],
    },
    Planted {
        kernel: "backward/f32/relu/from_y",
        run: Run::Usual,
        faults: &[("the gradient at 0 is dy", "saved > T(0.0)", "saved >= T(0.0)")],
    },
    Planted {
        kernel: "backward/f16_native/relu/from_y",
        run: Run::Usual,
        faults: &[("the gradient at 0 is dy", "saved > T(0.0)", "saved >= T(0.0)")],
    },
    Planted {
        kernel: "backward/f16/relu/from_x",
        run: Run::Usual,
        faults: &[
            ("the gradient at 0 is dy", "saved > T(0.0)", "saved >= T(0.0)"),
            ("dy is ignored", "dy, saved > T(0.0)", "T(1.0), saved > T(0.0)"),
            (
                "saved and dy are exchanged",
                "{ return relu_from_x(saved, dy); }",
                "{ return relu_from_x(dy, saved); }",
            ),
        ],
    },
    Planted {
        kernel: "forward/f32/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("|x| lacks its bars", "exp(-abs(x))", "exp(-x)"),
            ("exp2 stands for exp", "exp(-abs(x))", "exp2(-abs(x))"),
            ("x is clamped to +-30", "exp(-abs(x))", "exp(-min(abs(x), T(30.0)))"),
            (
                "y ends at the smallest normal number",
                "exp(-abs(x))",
                "max(exp(-abs(x)), T(1.17549435e-38))",
            ),
            ("x passes through half precision", "exp(-abs(x))", "exp(-abs(quantizeToF16(x)))"),
            ("digits are lost far below 0", "sigmoid_of(x, exp(-abs(x)))", "sigmoid_tanh(x)"),
            ("one side serves for both", "select(z, T(1.0), x >= T(0.0))", "T(1.0)"),
            ("the sides are exchanged", "x >= T(0.0)", "x < T(0.0)"),
        ],
    },
    Planted {
        kernel: "forward/f16/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("x is clamped to +-10", "exp(-abs(x))", "exp(-min(abs(x), T(10.0)))"),
            (
                "the sum passes through half precision",
                "sigmoid_of(x, exp(-abs(x)))",
                "T(1.0) / quantizeToF16(T(1.0) + exp(-x))",
            ),
        ],
    },
    Planted {
        kernel: "forward/f16_native/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("|x| lacks its bars", "exp(-abs(x))", "exp(-x)"),
            ("x is clamped to +-10", "exp(-abs(x))", "exp(-min(abs(x), T(10.0)))"),
        ],
    },
    Planted {
        kernel: "forward/f32/sigmoid/naive",
        run: Run::Usual,
        faults: &[("x lacks its minus", "exp(-x)", "exp(x)")],
    },
    Planted {
        kernel: "forward/f32/sigmoid/exp2",
        run: Run::Usual,
        faults: &[
            ("exp stands for exp2", "exp2(-abs(x) *", "exp(-abs(x) *"),
            ("log2(e) has five digits", "1.4426950408889634", "1.4427"),
        ],
    },
    Planted {
        kernel: "forward/f16/sigmoid/exp2",
        run: Run::Usual,
        faults: &[("log2(e) has three digits", "1.4426950408889634", "1.44")],
    },
    Planted {
        kernel: "forward/f32/sigmoid/tanh",
        run: Run::Usual,
        faults: &[
            ("1/2 is not added", "tanh(T(0.5) * x) + T(0.5)", "tanh(T(0.5) * x)"),
            ("tanh gets the whole x", "tanh(T(0.5) * x)", "tanh(x)"),
        ],
    },
    Planted {
        kernel: "forward/f32/sigmoid/poly",
        run: Run::Usual,
        faults: &[
            (
                "the factor of r^2 is off in its fourth digit",
                "0.4999999403953552",
                "0.4998999403953552",
            ),
            (
                "the factor of r^3 is off in its fourth digit",
                "0.1666652113199234",
                "0.1667652113199234",
            ),
            ("the factor of r^6 is missing", "0.0013814540579915047", "0.0"),
            ("exp is constant below -80", "vec4<f32>(-103.0)", "vec4<f32>(-80.0)"),
            ("exp has no lower end", "max(x, vec4<f32>(-103.0))", "x"),
            ("n is not the nearest integer", "round(bounded", "trunc(bounded"),
            ("ln(2) lacks its second part", " - n * 1.4286068e-6", ""),
            ("an odd n loses a half", "power_of_two(whole - half)", "power_of_two(half)"),
            ("the exponent's bias is 126", "exponent + 127", "exponent + 126"),
        ],
    },
    Planted {
        kernel: "backward/f32/sigmoid/from_y",
        run: Run::Usual,
        faults: &[
            ("y y stands for y (1 - y)", "saved * (T(1.0) - saved)", "saved * saved"),
            ("1 + y stands for 1 - y", "T(1.0) - saved", "T(1.0) + saved"),
            ("dy is ignored", "dy * (saved * (T(1.0) - saved))", "saved * (T(1.0) - saved)"),
        ],
    },
    Planted {
        kernel: "backward/f16_native/sigmoid/from_y",
        run: Run::Usual,
        faults: &[
            ("1 + y stands for 1 - y", "T(1.0) - saved", "T(1.0) + saved"),
            (
                "a small number is added",
                "saved * (T(1.0) - saved)",
                "saved * (T(1.0) - saved) + T(5e-5)",
            ),
        ],
    },
    Planted {
        kernel: "backward/f16_native/sigmoid/from_x",
        run: Run::Usual,
        faults: &[
            ("a small number is added", "z / (d * d)", "z / (d * d) + T(5e-5)"),
            ("x is clamped to +-10", "exp(-abs(saved))", "exp(-min(abs(saved), T(10.0)))"),
        ],
    },
    Planted {
        kernel: "backward/f32/sigmoid/from_x",
        run: Run::Usual,
        faults: &[
            ("|x| lacks its bars", "exp(-abs(saved))", "exp(-saved)"),
            ("the square is missing", "z / (d * d)", "z / d"),
            (
                "it goes through a y that has lost its digits",
                "z / (d * d)",
                "(T(1.0) / d) * (T(1.0) - T(1.0) / d)",
            ),
            ("dy is ignored", "dy * (z / (d * d))", "z / (d * d)"),
        ],
    },
];

/// What can go wrong between memory and arithmetic.
const DTYPES: &[Planted] = &[
    Planted {
        kernel: "forward/f32/relu/plain",
        run: Run::Usual,
        faults: &[("a word's elements are reversed", "*word = value;", "*word = value.wzyx;")],
    },
    Planted {
        kernel: "forward/f16/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("part 0 is read for part 1", "select(word.xy, word.zw, index == 1u)", "word.xy"),
            ("the parts are exchanged when read", "index == 1u", "index == 0u"),
            ("the parts are exchanged when written", "if index == 0u", "if index == 1u"),
            (
                "a pair's halves are exchanged when read",
                "unpack2x16float(pairs.x)",
                "unpack2x16float(pairs.x).yx",
            ),
            (
                "a pair's halves are exchanged when written",
                "pack2x16float(value.xy)",
                "pack2x16float(value.yx)",
            ),
            (
                "a pair is written in place of the next",
                "(*word).w = pairs.y",
                "(*word).w = pairs.x",
            ),
            ("only the first part is computed", "p < PARTS", "p < 1u"),
        ],
    },
    Planted {
        kernel: "backward/f16/sigmoid/from_y",
        run: Run::Usual,
        faults: &[
            ("part 0 of dy is read for every part", "part(dy_word, p)", "part(dy_word, 0u)"),
            ("dy's word is read twice", "part(saved_word, p)", "part(dy_word, p)"),
        ],
    },
    Planted {
        kernel: "forward/f16_native/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("low and high are exchanged when read", "index == 1u", "index == 0u"),
            ("low and high are exchanged when written", "if index == 0u", "if index == 1u"),
            ("high is never written", "(*word).high = value;", ""),
        ],
    },
];

/// What can go wrong in the loops over words.
const DRIVERS: &[Planted] = &[
    Planted {
        kernel: "forward/f32/copy/plain",
        run: Run::Usual,
        faults: &[
            (
                "the result is never written",
                "y[i] = forward_word(x[i]);",
                "if false { y[i] = forward_word(x[i]); }",
            ),
            ("the first word is left out", "i < params.words", "i < params.words && i > 0u"),
            ("the last word is left out", "i < params.words", "i + 1u < params.words"),
            ("x is read one word further on", "forward_word(x[i])", "forward_word(x[i + 1u])"),
            ("y is written one word further on", "y[i] = ", "y[i + 1u] = "),
            ("a word behind the end is written", "i < params.words", "i <= params.words"),
        ],
    },
    Planted {
        kernel: "forward/f16/sigmoid/two_sided",
        run: Run::Usual,
        faults: &[
            ("a word behind the end is written", "i < params.words", "i <= params.words"),
            ("lanes behind the end write too", "i < params.words", "i < params.words || true"),
        ],
    },
    Planted {
        kernel: "backward/f32/sigmoid/from_y",
        run: Run::Usual,
        faults: &[
            ("the last word is left out", "i < params.words", "i + 1u < params.words"),
            ("lanes behind the end write too", "i < params.words", "i < params.words || true"),
            ("dy is read one word further on", "dy[i])", "dy[i + 1u])"),
            ("dy's first word stands for all", "dy[i])", "dy[0u])"),
        ],
    },
    Planted {
        kernel: "backward/f32/sigmoid/from_y",
        run: Run::Short,
        faults: &[
            ("y y stands for y (1 - y)", "saved * (T(1.0) - saved)", "saved * saved"),
            ("the last word is left out", "i < params.words", "i + 1u < params.words"),
        ],
    },
    Planted {
        kernel: "backward/f16/relu/from_x",
        run: Run::Short,
        faults: &[
            ("the gradient at 0 is dy", "saved > T(0.0)", "saved >= T(0.0)"),
            ("saved is read one word further on", "saved[i]", "saved[i + 1u]"),
            ("dy is read one word further on", "dy[i])", "dy[i + 1u])"),
        ],
    },
    Planted {
        kernel: "forward/f32/copy/plain",
        run: Run::SeveralUnits,
        faults: &[
            ("a lane's words are neighbours", "i += workgroup_size", "i += 1u"),
            ("workgroups overlap", "* workgroup_size * units_per_invocation", "* workgroup_size"),
            (
                "a lane's last word is left out",
                "k < units_per_invocation",
                "k + 1u < units_per_invocation",
            ),
        ],
    },
    Planted {
        kernel: "backward/f16/add/plain",
        run: Run::SeveralUnits,
        faults: &[("a lane's words are neighbours", "i += workgroup_size", "i += 1u")],
    },
    Planted {
        kernel: "forward/f32/copy/plain",
        run: Run::SeveralRows,
        faults: &[
            (
                "the grid's second row repeats the first",
                "workgroup.y * grid.x + workgroup.x",
                "workgroup.x",
            ),
            (
                "a row is taken for as long as there are rows",
                "workgroup.y * grid.x",
                "workgroup.y * grid.y",
            ),
        ],
    },
    Planted {
        kernel: "forward/f32/copy/plain",
        run: Run::TwoBuffers,
        faults: &[
            (
                "the first buffer is not dispatched",
                "i < params.words",
                "i < params.words && params.words != 1024u",
            ),
            (
                "the second buffer is not dispatched",
                "i < params.words",
                "i < params.words && params.words == 1024u",
            ),
        ],
    },
    Planted {
        kernel: "backward/f16/relu/from_y",
        run: Run::TwoBuffers,
        faults: &[(
            "the second buffer is not dispatched",
            "i < params.words",
            "i < params.words && params.words == 1024u",
        )],
    },
];

/// What can go wrong with one bit an element.
const MASKS: &[Planted] = &[
    Planted {
        kernel: "forward/f32/relu/with_mask",
        run: Run::Usual,
        faults: &[
            ("the bit of 0 is set", "return x > T(0.0);", "return x >= T(0.0);"),
            ("bits are one place too high", "PARTS + p) * 4u)", "PARTS + p) * 4u + 1u)"),
            ("bits of four are reversed", "vec4<u32>(1u, 2u, 4u, 8u)", "vec4<u32>(8u, 4u, 2u, 1u)"),
            ("the mask is never written", "mask[unit] = bits;", "if false { mask[unit] = bits; }"),
            (
                "a mask is written one u32 further on",
                "mask[unit] = bits;",
                "mask[unit + 1u] = bits;",
            ),
            ("lanes behind the end write masks", "if first < params.words", "if true"),
            ("lanes at the end write words behind it", "if i < params.words", "if true"),
        ],
    },
    Planted {
        kernel: "forward/f16/relu/with_mask",
        run: Run::Usual,
        faults: &[
            ("part 1 sets the bits of part 0", "(w * PARTS + p) * 4u", "(w * PARTS) * 4u"),
            ("words have as many bits as those of f32", "8u / PARTS", "8u"),
        ],
    },
    Planted {
        kernel: "forward/f16_native/relu/with_mask",
        run: Run::Usual,
        faults: &[("only the last four bits are kept", "bits |= four", "bits = four")],
    },
    Planted {
        kernel: "forward/f32/relu/with_mask",
        run: Run::SeveralUnits,
        faults: &[("a lane's masks are neighbours", "unit += workgroup_size", "unit += 1u")],
    },
    Planted {
        kernel: "forward/f32/relu/with_mask",
        run: Run::TwoBuffers,
        faults: &[(
            "the second mask is not written",
            "mask[unit] = bits;",
            "if params.words == 1024u { mask[unit] = bits; }",
        )],
    },
    Planted {
        kernel: "backward/f32/relu/from_mask",
        run: Run::Usual,
        faults: &[
            ("bits are one place too low", "PARTS + p) * 4u)", "PARTS + p) * 4u + 1u)"),
            ("bits of four are reversed", "vec4<u32>(1u, 2u, 4u, 8u)", "vec4<u32>(8u, 4u, 2u, 1u)"),
            ("the mask is inverted", "four != vec4<u32>(0u)", "four == vec4<u32>(0u)"),
            ("the first mask stands for all", "mask[unit]", "mask[0u]"),
            ("the last word is left out", "if i < params.words", "if i + 1u < params.words"),
            ("lanes at the end write words behind it", "if i < params.words", "if true"),
        ],
    },
    Planted {
        kernel: "backward/f16/relu/from_mask",
        run: Run::Usual,
        faults: &[("words have as many bits as those of f32", "8u / PARTS", "8u")],
    },
    Planted {
        kernel: "backward/f16_native/relu/from_mask",
        run: Run::Usual,
        faults: &[("part 1 takes the bits of part 0", "(w * PARTS + p) * 4u", "(w * PARTS) * 4u")],
    },
];

fn kernel_at(path: &str) -> Kernel {
    kernel::all().find(|kernel| kernel.path() == path).unwrap_or_else(|| panic!("no kernel {path}"))
}

/// The kernel's text with `replace` for `find`.
fn changed(kernel: &Kernel, find: &str, replace: &str) -> String {
    let text = kernel.wgsl();
    let times = text.matches(find).count();
    let path = kernel.path();
    assert_eq!(
        times, 1,
        "\"{find}\" stands {times} times in {path}, not once: the shader changed, and this file has to"
    );
    text.replace(find, replace)
}

impl Run {
    fn trial<'a>(self, gpu: &Gpu, kernel: Kernel, wgsl: &'a str) -> Trial<'a> {
        let elements_per_word = WORD_BYTES / kernel.dtype.element_bytes();
        let usual =
            Trial { wgsl: Some(wgsl), ..Trial::new(gpu, kernel, Inputs::patterns(SEED), 100_003) };
        let most = u64::from(gpu.facts.max_workgroups_per_dimension);
        match self {
            Self::Usual => usual,
            Self::Short => Trial { elements: 21, ..usual },
            Self::SeveralUnits => {
                Trial { shape: Shape { workgroup_size: 64, words_per_invocation: 32 }, ..usual }
            }
            Self::SeveralRows => {
                assert!(
                    most <= 1 << 20,
                    "rows of {most} workgroups are too long for a test: set ACTBENCH_ADAPTER to another"
                );
                let shape = Shape { workgroup_size: 1, words_per_invocation: 1 };
                Trial { shape, elements: (most + 1) * elements_per_word + 1, ..usual }
            }
            Self::TwoBuffers => Trial {
                max_buffer_bytes: (WORDS_PER_BUFFER + GUARD_WORDS) * WORD_BYTES,
                elements: WORDS_PER_BUFFER * elements_per_word * 3 / 2 + 1,
                ..usual
            },
        }
    }
}

/// Whether a kernel can't run for want of native f16, the one feature that an adapter may lack.
fn only_lacks_f16(gpu: &Gpu, kernel: &Kernel, error: &Error) -> bool {
    matches!(error, Error::Unsupported(_)) && kernel.needs_shader_f16() && !gpu.facts.shader_f16
}

/// Plants each fault; all have to be called wrong, and the kernels without them right.
fn all_are_caught(planted: &[Planted]) {
    let gpu = gpu();
    let mut unnoticed = Vec::new();
    let (mut ran, mut native) = (0, 0);
    for Planted { kernel: path, run, faults } in planted {
        let kernel = kernel_at(path);
        native += if kernel.needs_shader_f16() { faults.len() } else { 0 };
        match run.trial(gpu, kernel, &kernel.wgsl()).run(gpu) {
            Ok(found) => assert_right(&found, &kernel, "without a fault"),
            Err(error) if only_lacks_f16(gpu, &kernel, &error) => continue,
            Err(error) => panic!("{path} without a fault: {error}"),
        }
        for (what, find, replace) in *faults {
            let wgsl = changed(&kernel, find, replace);
            let found = run
                .trial(gpu, kernel, &wgsl)
                .run(gpu)
                .unwrap_or_else(|error| panic!("{path}: {what}: {error}"));
            eprintln!(
                "{path}: {what}: {} violations, guard broken: {}",
                found.violations, found.guard_broken
            );
            if found.is_right() {
                unnoticed.push(format!("{path}: {what} (\"{replace}\" for \"{find}\")"));
            }
            ran += 1;
        }
    }
    assert!(
        unnoticed.is_empty(),
        "{} faults went unnoticed:\n{}",
        unnoticed.len(),
        unnoticed.join("\n")
    );
    let all: usize = planted.iter().map(|planted| planted.faults.len()).sum();
    assert_eq!(ran, if gpu.facts.shader_f16 { all } else { all - native }, "faults that ran");
}

fn assert_right(found: &Accuracy, kernel: &Kernel, when: &str) {
    let complaint = found.complaint(kernel, SEED);
    assert!(complaint.is_none(), "{when}: {}", complaint.unwrap_or_default());
}

#[test]
fn wrong_formulas_are_caught() {
    all_are_caught(FORMULAS);
}

#[test]
fn wrong_activations_are_caught() {
    all_are_caught(activations::ACTIVATIONS);
}

#[test]
fn wrong_ways_to_load_and_store_are_caught() {
    all_are_caught(DTYPES);
}

#[test]
fn wrong_loops_over_words_are_caught() {
    all_are_caught(DRIVERS);
}

#[test]
fn wrong_masks_are_caught() {
    all_are_caught(MASKS);
}

#[test]
fn every_activation_has_three_faults_a_direction() {
    for activation in Activation::all() {
        for direction in Direction::ALL.into_iter().filter(|it| activation.has(*it)) {
            let is_its = |planted: &&Planted| {
                let parts: Vec<&str> = planted.kernel.split('/').collect();
                (parts[0], parts[2]) == (direction.name(), activation.name)
            };
            let planted = FORMULAS.iter().chain(activations::ACTIVATIONS).filter(is_its);
            let faults: usize = planted.map(|planted| planted.faults.len()).sum();
            let is_copy = activation.name == direction.copy();
            assert!(is_copy || faults >= 3, "{} {}: {faults}", direction.name(), activation.name);
        }
    }
}

#[test]
fn every_fault_is_valid_wgsl_with_or_without_an_adapter() {
    let mut without_native = 0;
    for Planted { kernel: path, faults, .. } in
        [FORMULAS, activations::ACTIVATIONS, DTYPES, DRIVERS, MASKS].into_iter().flatten()
    {
        let kernel = kernel_at(path);
        for (what, find, replace) in *faults {
            let wgsl = changed(&kernel, find, replace);
            let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|error| {
                panic!("{path}: {what}: {}", error.emit_to_string(&wgsl));
            });
            let capabilities = naga::valid::Capabilities::all();
            let valid =
                naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
                    .validate(&module);
            assert!(valid.is_ok(), "{path}: {what}: {valid:?}");
            without_native += usize::from(!kernel.needs_shader_f16());
        }
    }
    assert!(without_native >= 70, "{without_native} faults for an adapter without native f16");
}

/// A kernel bound to tensors of two full buffers each, whose inputs may be uploaded and bound
/// wrongly.
struct OnDevice {
    kernel: Kernel,
    tensors: Vec<Tensor>,
}

impl OnDevice {
    /// Tensors with the right inputs.
    fn new(gpu: &Gpu, kernel: Kernel) -> Self {
        let element_bytes = kernel.dtype.element_bytes();
        let elements = 2 * WORDS_PER_BUFFER * WORD_BYTES / element_bytes;
        let layout =
            Layout::new(elements, element_bytes, (WORDS_PER_BUFFER + GUARD_WORDS) * WORD_BYTES);
        let tensor = |role: &Role| {
            gpu.tensor(&format!("{role:?}"), layout.of(*role, kernel.words_per_unit()))
                .expect("room")
        };
        let made = Self { kernel, tensors: kernel.tensors().iter().map(tensor).collect() };
        for role in kernel.inputs() {
            made.upload(gpu, role, |first, bytes| fill(&kernel, role, first, bytes));
        }
        made
    }

    fn tensor(&self, role: Role) -> &Tensor {
        let at = self
            .kernel
            .tensors()
            .iter()
            .position(|other| *other == role)
            .expect("a role of this kernel");
        &self.tensors[at]
    }

    /// `write` gets the first element of each buffer, and its bytes.
    fn upload(&self, gpu: &Gpu, role: Role, write: impl FnMut(u64, &mut [u8])) {
        gpu.upload(self.tensor(role), write).expect("a device");
    }

    /// What validation finds where bindings, from the first tensor's on, get the tensors of these
    /// numbers.
    fn check(&self, gpu: &Gpu, order: &[usize]) -> Accuracy {
        let bound: Vec<&Tensor> = order.iter().map(|at| &self.tensors[*at]).collect();
        let workload = gpu
            .workload(&self.kernel, None, Shape::default(), ShaderChecks::Checked, &bound)
            .expect("a workload");
        validate::check(gpu, &self.kernel, &workload, &bound, &Inputs::patterns(SEED))
            .expect("a device")
    }
}

/// What is wrong with an upload, and what it makes of the first element of a buffer and the bytes
/// to write.
type WrongUpload<'a> = (&'a str, &'a dyn Fn(u64, &mut [u8]));

fn fill(kernel: &Kernel, role: Role, first: u64, bytes: &mut [u8]) {
    Inputs::patterns(SEED).fill_stored(kernel, role, first, bytes);
}

/// Gives `plant` each kernel that the adapter supports.
fn for_each_kernel(plant: impl Fn(&Gpu, Kernel)) {
    let gpu = gpu();
    let mut ran = 0;
    for kernel in kernel::all() {
        match gpu.supports(&kernel) {
            Ok(()) => plant(gpu, kernel),
            Err(error) if only_lacks_f16(gpu, &kernel, &error) => continue,
            Err(error) => panic!("{}: {error}", kernel.path()),
        }
        ran += 1;
    }
    let needed =
        kernel::all().filter(|kernel| gpu.facts.shader_f16 || !kernel.needs_shader_f16()).count();
    assert_eq!(ran, needed, "kernels that ran");
}

#[test]
fn inputs_that_went_to_the_wrong_buffer_are_caught() {
    for_each_kernel(|gpu, kernel| {
        let device = OnDevice::new(gpu, kernel);
        let order: Vec<usize> = (0..device.tensors.len()).collect();
        for role in kernel.inputs() {
            let layout = device.tensor(role).layout;
            let second = layout.words_per_buffer * WORD_BYTES / layout.element_bytes;
            let uploads: [WrongUpload; 4] = [
                ("buffers are exchanged", &|first, bytes| {
                    fill(&kernel, role, second - first, bytes);
                }),
                ("the first buffer's data goes to both", &|_, bytes| fill(&kernel, role, 0, bytes)),
                ("the second buffer is not uploaded", &|first, bytes| {
                    if first == 0 {
                        fill(&kernel, role, first, bytes);
                    }
                }),
                ("data lies one word too late", &|first, bytes| {
                    fill(&kernel, role, first, bytes);
                    bytes.rotate_right(16);
                }),
            ];
            for (what, upload) in uploads {
                device.upload(gpu, role, upload);
                let found = device.check(gpu, &order);
                assert!(!found.is_right(), "went unnoticed: {}, {role:?}: {what}", kernel.path());
            }
            device.upload(gpu, role, |first, bytes| fill(&kernel, role, first, bytes));
            assert_right(&device.check(gpu, &order), &kernel, "with the right data again");
        }
    });
}

#[test]
fn tensors_at_the_wrong_binding_are_caught() {
    for_each_kernel(|gpu, kernel| {
        let Pass::Backward { saved: Saved::X | Saved::Y, .. } = kernel.variant.pass else { return };
        let device = OnDevice::new(gpu, kernel);
        assert_right(&device.check(gpu, &[0, 1, 2]), &kernel, "with the right bindings");
        let mut bindings = vec![
            ("saved is bound for dy too", [0, 1, 1]),
            ("dy is bound for saved too", [0, 2, 2]),
        ];
        // A sum does not know its operands apart.
        if kernel.activation.name != "add" {
            bindings.push(("saved and dy are exchanged", [0, 2, 1]));
        }
        for (what, order) in bindings {
            assert!(
                !device.check(gpu, &order).is_right(),
                "went unnoticed: {}: {what}",
                kernel.path()
            );
        }
    });
}

#[test]
fn what_an_earlier_run_left_is_no_result() {
    let gpu = gpu();
    for (path, find) in [
        ("forward/f32/relu/plain", "y[i] = forward_word(x[i]);"),
        ("forward/f16/relu/with_mask", "mask[unit] = bits;"),
        ("backward/f32/sigmoid/from_y", "dx[i] = backward_word(saved[i], dy[i]);"),
    ] {
        let kernel = kernel_at(path);
        let device = OnDevice::new(gpu, kernel);
        let bound: Vec<&Tensor> = device.tensors.iter().collect();
        let check = |wgsl: &str| {
            let workload = gpu
                .workload(&kernel, Some(wgsl), Shape::default(), ShaderChecks::Checked, &bound)
                .expect("a workload");
            validate::check(gpu, &kernel, &workload, &bound, &Inputs::patterns(SEED))
                .expect("a device")
        };
        assert_right(&check(&kernel.wgsl()), &kernel, "with every store");
        assert!(
            !check(&changed(&kernel, find, &format!("if false {{ {find} }}"))).is_right(),
            "went unnoticed: {path} no longer writes"
        );
    }
}

/// A piece of a tensor on the host: x or the saved tensor, dy, and what a kernel without error
/// would have made of them.
fn piece(kernel: &Kernel, start: u64, elements: usize) -> [Vec<u8>; 3] {
    let dtype = kernel.dtype;
    let (mut first, mut dy, mut result) = (Vec::new(), Vec::new(), Vec::new());
    for role in kernel.inputs() {
        let bytes = if role == Role::Dy { &mut dy } else { &mut first };
        bytes.resize(elements * dtype.element_size(), 0);
        Inputs::patterns(SEED).fill(kernel, role, start, bytes);
    }
    if kernel.is_raw() {
        return [first.clone(), dy, first];
    }
    for index in 0..elements {
        let value = |bytes: &[u8]| dtype.value(dtype.element(bytes, index));
        let dy = if dy.is_empty() { 0.0 } else { value(&dy) };
        let reference = kernel.variant.pass.reference(value(&first), dy);
        dtype.push(&mut result, dtype.bits(reference));
    }
    [first, dy, result]
}

#[test]
fn pieces_read_back_twice_or_in_the_wrong_order_are_caught() {
    const ELEMENTS: usize = 20_000;
    // Needs no adapter, so that every kernel is among them.
    for kernel in kernel::all() {
        let starts = [0, ELEMENTS as u64];
        let pieces = starts.map(|start| piece(&kernel, start, ELEMENTS));
        let compare = |at: usize, actual: &[u8]| {
            let [first, dy, _] = &pieces[at];
            validate::compare(&kernel, starts[at], first, dy, actual)
        };
        let results = pieces.each_ref().map(|[_, _, result]| result);
        for at in [0, 1] {
            assert_right(&compare(at, results[at]), &kernel, "in order");
        }
        let went_unnoticed = |what: &str| format!("went unnoticed: {}: {what}", kernel.path());
        assert!(
            !compare(1, results[0]).is_right(),
            "{}",
            went_unnoticed("the first piece was read back twice")
        );
        assert!(
            !compare(0, results[1]).is_right(),
            "{}",
            went_unnoticed("the second piece came first")
        );
        let mut shifted = results[0].clone();
        shifted.rotate_left(kernel.dtype.element_size());
        assert!(
            !compare(0, &shifted).is_right(),
            "{}",
            went_unnoticed("the piece began an element too late")
        );
    }
}
