//! What the device layer promises: a lost device is an error and no hang, timing returns one time a
//! pass, and a tensor that fits nowhere is refused. No test asserts how long anything takes.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actbench::error::{Error, Exit, Result};
use actbench::gpu::{Choice, Gpu, Layout, ShaderChecks, Shape, Tensor, WORD_BYTES, Workload};
use actbench::kernels::activation::{Activation, Direction};
use actbench::kernels::dtype::Dtype;
use actbench::kernels::inputs::Inputs;
use actbench::kernels::kernel::Kernel;
use actbench::measure::{self, Plan, Time};
use actbench::validate::Trial;
use common::gpu;

fn relu() -> Kernel {
    let relu = Activation::named("relu").expect("in the table");
    Kernel::default_variant(relu, Direction::Forward, Dtype::F32).expect("a variant")
}

/// relu over `elements`, on tensors of its own.
fn workload(gpu: &Gpu, elements: u64, max_buffer_bytes: u64) -> Result<(Workload, Vec<Tensor>)> {
    let layout = Layout::new(elements, 4, max_buffer_bytes);
    let tensors = vec![gpu.tensor("y", layout)?, gpu.tensor("x", layout)?];
    let bound: Vec<&Tensor> = tensors.iter().collect();
    let workload = gpu.workload(&relu(), None, Shape::default(), ShaderChecks::Trusted, &bound)?;
    Ok((workload, tensors))
}

fn on_default_buffers(gpu: &Gpu, elements: u64) -> (Workload, Vec<Tensor>) {
    workload(gpu, elements, gpu.max_buffer_bytes()).expect("room for a few elements")
}

/// Far more than anything below takes on the slowest adapter: after it, something hangs.
const HANGS_AFTER: Duration = Duration::from_mins(2);

/// Runs `what` on a device of its own that is lost right before, and expects the error that ends a
/// program with status 4.
#[track_caller]
fn fails_on_a_lost_device<R>(
    what: impl FnOnce(&Gpu, &Workload, &[Tensor]) -> Result<R> + Send + 'static,
) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let (workload, tensors) = on_default_buffers(&gpu, 100_000);
        gpu.run(&workload).expect("not lost yet");
        gpu.loser()();
        let error = what(&gpu, &workload, &tensors).err();
        // Dropping what belongs to a lost device is part of what must not fail.
        drop((workload, tensors, gpu));
        let _ = sender.send(error);
    });
    match receiver.recv_timeout(HANGS_AFTER) {
        Ok(Some(error)) => {
            assert!(matches!(error, Error::Machine(_)), "{error:?}");
            assert_eq!(error.exit(), Exit::Machine);
            assert!(error.to_string().contains("lost"), "{error}");
        }
        Ok(None) => panic!("no error on a lost device"),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a lost device hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic!("panicked: {:?}", thread.join().err().map(|_| "see above"))
        }
    }
}

#[test]
fn waiting_on_a_lost_device_fails() {
    fails_on_a_lost_device(|gpu, _, _| gpu.wait());
}

#[test]
fn running_on_a_lost_device_fails() {
    fails_on_a_lost_device(|gpu, workload, _| gpu.run(workload));
}

#[test]
fn timing_on_a_lost_device_fails() {
    fails_on_a_lost_device(|gpu, workload, _| gpu.time(&[(workload, 1)]));
    fails_on_a_lost_device(|gpu, workload, _| gpu.time(&vec![(workload, 3); 200]));
    fails_on_a_lost_device(|gpu, workload, _| measure::time_once(gpu, workload, 1));
    fails_on_a_lost_device(|gpu, workload, _| {
        measure::measure(gpu, &[workload, workload], Some(workload), &Plan::QUICK, None)
    });
}

#[test]
fn failing_again_on_a_lost_device_is_no_panic() {
    fails_on_a_lost_device(|gpu, workload, tensors| {
        for _ in 0..3 {
            assert!(gpu.time(&[(workload, 1)]).is_err());
            assert!(gpu.run(workload).is_err());
            assert!(gpu.read(&tensors[0], |_, _| Ok(())).is_err());
        }
        gpu.wait()
    });
}

#[test]
fn moving_tensors_to_and_from_a_lost_device_fails() {
    fails_on_a_lost_device(|gpu, _, tensors| gpu.upload(&tensors[1], |_, bytes| bytes.fill(1)));
    fails_on_a_lost_device(|gpu, _, tensors| {
        gpu.read(&tensors[0], |_, _| panic!("nothing can be read"))
    });
    fails_on_a_lost_device(|gpu, _, tensors| gpu.guards_are_intact(&tensors[0]));
    fails_on_a_lost_device(|gpu, _, tensors| {
        gpu.write(&tensors[1], &vec![0; usize::try_from(tensors[1].layout.bytes()).expect("few")])?;
        gpu.wait()
    });
    fails_on_a_lost_device(|gpu, _, tensors| {
        let mut read_backs = vec![gpu.read_back(&tensors[0])?];
        gpu.begin_read(&mut read_backs[0], &tensors[0]);
        gpu.end_reads(&mut read_backs, |_| panic!("nothing can be read"))
    });
}

#[test]
fn results_read_where_they_lie_are_those_that_are_copied() {
    let gpu = gpu();
    let layout = gpu.layout(1003, 4);
    for result in [gpu.tensor("y", layout), gpu.result_tensor("y", layout)] {
        let (y, x) = (result.expect("room"), gpu.tensor("x", layout).expect("room"));
        let workload = gpu
            .workload(&relu(), None, Shape::default(), ShaderChecks::Trusted, &[&y, &x])
            .expect("it compiles");
        let mut read_backs = vec![gpu.read_back(&y).expect("room")];
        for positive in [1.0f32, 2.0] {
            let values =
                || (0..1003).map(|index| if index % 3 == 0 { -positive } else { positive });
            let bytes: Vec<u8> = values().flat_map(f32::to_le_bytes).collect();
            gpu.upload(&x, |_, part| part.copy_from_slice(&bytes)).expect("the device works");
            let expected: Vec<u8> = values().flat_map(|x| x.max(0.0).to_le_bytes()).collect();
            gpu.start(&workload);
            gpu.begin_read(&mut read_backs[0], &y);
            gpu.end_reads(&mut read_backs, |read| {
                assert!(read[0][..expected.len()] == expected, "{positive}");
            })
            .expect("the device works");
            let same = |_, read: &[u8]| {
                assert!(read == expected, "{positive}");
                Ok(())
            };
            gpu.read(&y, same).expect("the device works");
        }
        assert!(gpu.guards_are_intact(&y).expect("the device works"));
    }
}

#[test]
fn inputs_written_where_they_lie_are_those_that_are_copied() {
    let gpu = gpu();
    let layout = gpu.layout(100_003, 4);
    for input in [gpu.tensor("x", layout), gpu.input_tensor("x", layout)] {
        let x = input.expect("room");
        let y = ["first y", "second y"].map(|label| gpu.tensor(label, layout).expect("room"));
        let shape = Shape::default();
        let first = gpu
            .workload(&relu(), None, shape, ShaderChecks::Trusted, &[&y[0], &x])
            .expect("it compiles");
        let second = gpu.workload_on(&first, &[&y[1], &x]).expect("it is bound");
        // The second input is written while the first may still be read.
        for (workload, value) in [(&first, 1.0f32), (&second, 2.0)] {
            let elements = usize::try_from(layout.words() * WORD_BYTES / 4).expect("few");
            gpu.write(&x, &value.to_le_bytes().repeat(elements)).expect("the device works");
            gpu.start(workload);
        }
        for (y, value) in y.iter().zip([1.0f32, 2.0]) {
            gpu.read(y, |_, read| {
                assert!(
                    read.chunks_exact(4).all(|element| element == value.to_le_bytes()),
                    "{value}"
                );
                Ok(())
            })
            .expect("the device works");
        }
        assert!(gpu.guards_are_intact(&x).expect("the device works"));
    }
}

#[test]
fn nothing_can_be_made_on_a_lost_device() {
    fails_on_a_lost_device(|gpu, _, _| gpu.tensor("late", gpu.layout(1000, 4)));
    fails_on_a_lost_device(|gpu, _, tensors| {
        let bound: Vec<&Tensor> = tensors.iter().collect();
        let late = gpu.workload(&relu(), None, Shape::default(), ShaderChecks::Trusted, &bound)?;
        gpu.run(&late)
    });
}

#[test]
fn validation_ends_when_the_device_is_lost() {
    fails_on_a_lost_device(|gpu, _, _| Trial::new(gpu, relu(), Inputs::normal(1), 5000).run(gpu));
}

/// Times so many passes, the same workload in each, and expects a time for each: a number above 0,
/// or why there is none.
fn times(gpu: &Gpu, workload: &Workload, passes: usize, dispatches: u32) -> Vec<Time> {
    let times = gpu.time(&vec![(workload, dispatches); passes]).expect("the device works");
    assert_eq!(times.len(), passes);
    for time in times.iter().flatten() {
        assert!(time.is_finite() && *time > 0.0, "{time} ns");
    }
    times
}

#[test]
fn every_pass_has_its_time() {
    let gpu = gpu();
    // Long enough for the coarsest clock.
    let (workload, _tensors) = on_default_buffers(gpu, 1 << 20);
    // One batch of passes is 128.
    for passes in [0, 1, 2, 127, 128, 129, 300] {
        let times = times(gpu, &workload, passes, 1);
        let none: Vec<_> = times.iter().filter_map(|time| time.err()).collect();
        assert!(none.is_empty(), "of {passes} passes {} have no time: {none:?}", none.len());
    }
    for dispatches in [1, 4, 100] {
        assert!(
            times(gpu, &workload, 3, dispatches).iter().all(std::result::Result::is_ok),
            "{dispatches} dispatches"
        );
    }
}

#[test]
fn passes_of_different_workloads_each_have_their_time() {
    let gpu = gpu();
    let (one, _of_one) = on_default_buffers(gpu, 1 << 20);
    let (other, _of_other) = workload(gpu, 1 << 19, 1 << 20).expect("room");
    let passes: Vec<(&Workload, u32)> =
        (0..150).map(|pass| if pass % 3 == 0 { (&other, 2) } else { (&one, 1) }).collect();
    let times = gpu.time(&passes).expect("the device works");
    assert_eq!(times.len(), passes.len());
    assert!(times.iter().all(std::result::Result::is_ok), "{times:?}");
}

#[test]
fn threads_that_share_a_device_each_get_their_times() {
    let gpu = gpu();
    let (workload, _tensors) = on_default_buffers(gpu, 1 << 16);
    thread::scope(|scope| {
        for passes in [10, 20, 30, 140] {
            let workload = &workload;
            scope.spawn(move || times(gpu, workload, passes, 1));
        }
    });
}

#[test]
fn passes_without_work_have_a_time_or_a_reason() {
    let gpu = gpu();
    // No elements are no buffers and no dispatches; neither are no repetitions.
    let (nothing, tensors) = on_default_buffers(gpu, 0);
    assert_eq!(tensors[0].layout.buffers().count(), 0);
    gpu.run(&nothing).expect("the device works");
    times(gpu, &nothing, 200, 1);
    let (something, _tensors) = on_default_buffers(gpu, 1000);
    times(gpu, &something, 3, 0);
}

#[test]
fn a_device_that_never_gives_a_time_is_an_error_and_no_endless_loop() {
    let gpu = gpu();
    let (nothing, _tensors) = on_default_buffers(gpu, 0);
    match measure::time_once(gpu, &nothing, 1) {
        Ok(ns) => assert!(ns > 0.0, "{ns}"),
        Err(Error::Machine(reason)) => assert!(reason.contains("gave no time"), "{reason}"),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_tensor_larger_than_memory_is_unsupported() {
    let gpu = gpu();
    // 4 TiB; 2^64 bytes and more, which no counter holds.
    for elements in [1 << 40, 1 << 62, (1 << 62) + 1, u64::MAX] {
        match gpu.tensor("too large", gpu.layout(elements, 4)) {
            Err(Error::Unsupported(reason)) => assert!(reason.contains("bytes"), "{reason}"),
            Err(other) => panic!("{elements} elements: {other:?}"),
            Ok(_) => panic!("room for {elements} elements"),
        }
        let found = Trial::new(gpu, relu(), Inputs::normal(1), elements).run(gpu);
        assert!(matches!(found, Err(Error::Unsupported(_))), "{elements} elements: {found:?}");
    }
    // And the device still works.
    let found =
        Trial::new(gpu, relu(), Inputs::normal(1), 1000).run(gpu).expect("the device works");
    assert!(found.is_right());
}
