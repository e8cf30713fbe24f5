//! Every kernel on an adapter: lengths around a word and a workgroup, grids of several rows,
//! tensors in several buffers.

mod common;

use actbench::error::Error;
use actbench::gpu::{GUARD_WORDS, ShaderChecks, Shape, WORD_BYTES};
use actbench::kernels::inputs::Inputs;
use actbench::kernels::kernel;
use actbench::validate::Trial;
use common::gpu;

const SEED: u64 = 20_261_123;

/// Runs a trial of each kernel that the adapter supports, changed by `with`; every element has to
/// be right.
fn every_kernel(with: impl Fn(&mut Trial)) {
    let gpu = gpu();
    let mut ran = 0;
    for kernel in kernel::all() {
        let mut trial = Trial::new(gpu, kernel, Inputs::patterns(SEED), 0);
        with(&mut trial);
        match trial.run(gpu) {
            Ok(found) => {
                let complaint = found.complaint(&kernel, SEED);
                assert!(
                    complaint.is_none(),
                    "{:?}\n{}",
                    trial.shape,
                    complaint.unwrap_or_default()
                );
                assert_eq!(found.inputs, trial.elements);
                ran += 1;
            }
            // Only native f16 is a feature that an adapter may lack.
            Err(Error::Unsupported(_)) if kernel.needs_shader_f16() && !gpu.facts.shader_f16 => {}
            Err(error) => panic!("{}: {error}", kernel.path()),
        }
    }
    let at_least = kernel::all().filter(|kernel| !kernel.needs_shader_f16()).count();
    assert!(ran >= at_least, "{ran} of {at_least} kernels ran");
}

#[test]
fn lengths_around_a_word_and_a_workgroup() {
    for elements in [0, 1, 3, 4, 5, 7, 8, 9, 255, 256, 257, 1023, 1024, 1025, 100_003] {
        every_kernel(|trial| trial.elements = elements);
    }
}

#[test]
fn shapes() {
    for (workgroup_size, words_per_invocation) in [(1, 1), (32, 1), (64, 3), (128, 4), (256, 16)] {
        every_kernel(|trial| {
            trial.elements = 50_021;
            trial.shape = Shape { workgroup_size, words_per_invocation };
        });
    }
}

#[test]
fn with_run_time_checks() {
    every_kernel(|trial| {
        trial.elements = 10_001;
        trial.checks = ShaderChecks::Checked;
    });
}

#[test]
fn a_tensor_in_several_buffers() {
    // Four buffers of 64 words and a fifth of one word, of which the last element is half or less.
    every_kernel(|trial| {
        trial.max_buffer_bytes = (64 + GUARD_WORDS) * WORD_BYTES;
        let elements_per_word = WORD_BYTES / trial.kernel.dtype.element_bytes();
        trial.elements = 4 * 64 * elements_per_word + 1;
    });
}

#[test]
fn more_workgroups_than_one_dimension_holds() {
    let most = u64::from(gpu().facts.max_workgroups_per_dimension);
    // On an adapter whose x dimension is vast, the second row needs more elements than a test
    // should move.
    assert!(
        most <= 1 << 20,
        "this adapter allows {most} workgroups a dimension: choose another with ACTBENCH_ADAPTER"
    );
    every_kernel(|trial| {
        let elements_per_word = WORD_BYTES / trial.kernel.dtype.element_bytes();
        trial.shape = Shape { workgroup_size: 1, words_per_invocation: 1 };
        trial.elements = (most + 1) * elements_per_word + 1;
    });
}

#[test]
fn inputs_as_they_are_timed() {
    for inputs in [Inputs::normal(SEED), Inputs::patterns(SEED)] {
        every_kernel(|trial| {
            trial.inputs = inputs;
            trial.elements = 200_001;
        });
    }
}

#[test]
fn what_the_device_cannot_hold_is_unsupported() {
    let gpu = gpu();
    let kernel = kernel::all().next().expect("kernels");
    let shape = Shape { workgroup_size: gpu.facts.max_workgroup_size * 2, words_per_invocation: 1 };
    let trial = Trial { shape, ..Trial::new(gpu, kernel, Inputs::normal(SEED), 16) };
    assert!(matches!(trial.run(gpu), Err(Error::Unsupported(_))));
    let text = kernel.wgsl().replace("return copy_plain", "return nonsense");
    let trial = Trial { wgsl: Some(&text), ..Trial::new(gpu, kernel, Inputs::normal(SEED), 16) };
    match trial.run(gpu) {
        Err(Error::Compile { message, .. }) => assert!(message.contains("nonsense"), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// Its bound is as wide as exp's, since WGSL lets a compiler spoil the reduction; so a wrong digit
/// of the polynomial shows only where none does.
#[test]
fn the_polynomial_is_as_good_as_it_was_made_where_the_compiler_leaves_it_alone() {
    let gpu = gpu();
    let kernel = kernel::all()
        .find(|kernel| kernel.path() == "forward/f32/sigmoid/poly")
        .expect("in the table");
    let found = Trial::new(gpu, kernel, Inputs::patterns(SEED), 1 << 20).run(gpu).expect("it runs");
    // Of the software adapters it is known that they do: 2.64 ULP over all inputs on lavapipe.
    let as_good = if gpu.facts.is_software {
        found.tier(kernel.dtype) == Some('A')
    } else {
        found.is_right()
    };
    assert!(as_good, "{found:?}");
}
