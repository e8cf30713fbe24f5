//! The exhaustive sweep: every f16 input, a part of f32 in several chunks, interruption,
//! resumption, a lost device.

mod common;

use actbench::error::Exit;
use actbench::gpu::{Choice, Gpu};
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::{self, Kernel};
use actbench::validate::exhaustive::{self, Domain, Position};
use common::gpu;

const SEED: u64 = 20_261_123;

/// Inputs of a chunk of f32.
const CHUNK: u64 = 1 << 20;

/// Two chunks and a bit of f32.
const PART: u64 = 2 * CHUNK + 5;

fn supported(dtype: Dtype) -> Vec<Kernel> {
    kernel::all().filter(|kernel| kernel.dtype == dtype && gpu().supports(kernel).is_ok()).collect()
}

/// Sweeps a domain until its end, or until `chunks` are done.
fn go_on(
    gpu: &Gpu,
    domain: &Domain,
    position: &mut Position,
    mut chunks: u32,
) -> actbench::error::Result<()> {
    exhaustive::run(gpu, domain, SEED, position, |_| {
        chunks -= 1;
        chunks > 0
    })
}

#[test]
fn every_f16_input_of_every_kernel_is_right() {
    let mut swept = 0;
    for dtype in [Dtype::F16, Dtype::F16Native] {
        for domain in exhaustive::domains(&supported(dtype)) {
            let mut position = domain.start();
            go_on(gpu(), &domain, &mut position, u32::MAX).expect("the device works");
            assert_eq!(position.done, domain.inputs);
            for (kernel, found) in domain.kernels.iter().zip(&position.found) {
                assert!(found.accuracy.is_right(), "{:?}", found.accuracy.complaint(kernel, SEED));
                assert_eq!(found.accuracy.inputs, domain.inputs, "{}", kernel.path());
                swept += 1;
            }
        }
    }
    let masked = |kernel: &&Kernel| kernel.path().ends_with("from_mask");
    let all = supported(Dtype::F16).len() + supported(Dtype::F16Native).len();
    let left_out =
        supported(Dtype::F16).iter().chain(&supported(Dtype::F16Native)).filter(masked).count();
    assert_eq!(swept, all - left_out, "only kernels that read a mask are in no domain");
}

#[test]
fn an_interrupted_sweep_finds_what_a_whole_one_finds() {
    for mut domain in exhaustive::domains(&supported(Dtype::F32)) {
        domain.inputs = PART;
        let mut whole = domain.start();
        go_on(gpu(), &domain, &mut whole, u32::MAX).expect("the device works");
        assert_eq!(whole.done, PART);

        let mut in_parts = domain.start();
        go_on(gpu(), &domain, &mut in_parts, 1).expect("the device works");
        assert!(0 < in_parts.done && in_parts.done < PART);
        // As a file would keep it.
        let text = serde_json::to_string(&in_parts).expect("a position is JSON");
        in_parts = serde_json::from_str(&text).expect("what was written is read");
        go_on(gpu(), &domain, &mut in_parts, u32::MAX).expect("the device works");
        assert_eq!(in_parts, whole);
        for (kernel, found) in domain.kernels.iter().zip(&whole.found) {
            assert!(found.accuracy.is_right(), "{:?}", found.accuracy.complaint(kernel, SEED));
            assert_eq!(found.accuracy.inputs, PART, "{}", kernel.path());
        }
    }
}

#[test]
fn a_shortcut_finds_what_a_close_look_finds() {
    // The first patterns are subnormals and tiny numbers, for which whole chunks are compared at a
    // glance; `validate::compare` never does.
    let kernel = kernel::all()
        .find(|kernel| kernel.path() == "forward/f32/sigmoid/two_sided")
        .expect("in the table");
    let mut domain = exhaustive::domains(&[kernel]).remove(0);
    domain.inputs = 1 << 22;
    let mut position = domain.start();
    go_on(gpu(), &domain, &mut position, u32::MAX).expect("the device works");
    let found = &position.found[0].accuracy;
    let first: Vec<u8> = (0..1u32 << 22).flat_map(u32::to_le_bytes).collect();
    let half: Vec<u8> = (0..1u32 << 22).flat_map(|_| 0.5f32.to_le_bytes()).collect();
    let close = actbench::validate::compare(&kernel, 0, &first, &[], &half);
    assert_eq!(
        (found.inputs, found.violations, found.max_ulp),
        (close.inputs, close.violations, close.max_ulp)
    );
    assert_eq!(found.mean_ulp(), close.mean_ulp());
}

#[test]
fn extremes_are_found_where_they_are() {
    let kernel =
        |path: &str| kernel::all().find(|kernel| kernel.path() == path).expect("in the table");
    let extremes = |path: &str| {
        let domain = exhaustive::domains(&[kernel(path)]).remove(0);
        let mut position = domain.start();
        go_on(gpu(), &domain, &mut position, u32::MAX).expect("the device works");
        position.found[0].extremes
    };
    let relu = extremes("forward/f16/relu/plain");
    assert_eq!(relu.largest.map(|at| (at.value, at.input)), Some((65504.0, 65504.0)));
    assert_eq!(relu.smallest.map(|at| at.value), Some(0.0));
    let sigmoid = extremes("forward/f16/sigmoid/two_sided");
    assert_eq!(sigmoid.largest.map(|at| at.value), Some(1.0));
    // Between 1 and its neighbour below, 1 - 2^-11, halfway is sigmoid(8.3175).
    let first_one = sigmoid.largest.expect("it reaches 1").input;
    assert!((8.3..8.34).contains(&first_one), "{first_one}");
    let derivative = extremes("backward/f16/sigmoid/from_x");
    assert_eq!(derivative.largest.map(|at| at.value), Some(0.25));
    let step = extremes("backward/f16/relu/from_x");
    assert_eq!(
        (step.smallest.map(|at| at.value), step.largest.map(|at| at.value)),
        (Some(0.0), Some(1.0))
    );
}

#[test]
fn a_lost_device_keeps_the_position() {
    let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
    let kernel = kernel::all()
        .find(|kernel| kernel.path() == "forward/f32/relu/plain")
        .expect("in the table");
    let domain = exhaustive::domains(&[kernel]).remove(0);
    let mut position = domain.start();
    let outcome = exhaustive::run(&gpu, &domain, SEED, &mut position, |_| {
        gpu.loser()();
        true
    });
    assert_eq!(outcome.expect_err("the device is gone").exit(), Exit::Machine);
    assert_eq!(position.done, CHUNK);
    assert!(position.found[0].accuracy.is_right());
}
