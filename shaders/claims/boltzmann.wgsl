// Restricted Boltzmann machines, trained by one step of contrastive divergence (Hinton 2002): a
// workgroup trains one machine. `probability` makes a probability of a unit's input; a unit is on
// where it exceeds a uniform random number. Units are taken four at a time.
struct Params {
    first_step: u32,
    // Steps of this dispatch, and of the whole training.
    steps: u32,
    all_steps: u32,
    // Machines that see the same examples follow one another.
    machines_per_seed: u32,
}

// What a step found, by machine and step.
struct Found {
    // The mean squared error of the reconstruction's probabilities.
    error: f32,
    // Probabilities above 1, and those that are not numbers.
    above_1: u32,
    nan: u32,
    padding: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// By machine: weights by visible unit and hidden word; biases of hidden words and visible words.
@group(0) @binding(1) var<storage, read_write> weights: array<T>;
@group(0) @binding(2) var<storage, read_write> found: array<Found>;
// By machine, its learning rate.
@group(0) @binding(3) var<storage, read> rates: array<f32>;
// By seed, the key of its random numbers.
@group(0) @binding(4) var<storage, read> keys: array<vec2<u32>>;
// By pattern and visible word.
@group(0) @binding(5) var<storage, read> patterns: array<T>;
// By seed, step and example, which pattern.
@group(0) @binding(6) var<storage, read> picks: array<u32>;

const LANES: u32 = 64u;
const HIDDEN_WORDS: u32 = HIDDEN / 4u;
const VISIBLE_WORDS: u32 = VISIBLE / 4u;
const MATRIX: u32 = VISIBLE * HIDDEN_WORDS;
const MACHINE: u32 = MATRIX + HIDDEN_WORDS + VISIBLE_WORDS;

// Streams of random numbers.
const OF_HIDDEN: u32 = 0u;
const OF_VISIBLE: u32 = 1u;

// Those of a word of units in a step: four of two counters.
fn uniform_numbers(word: u32, step: u32, stream: u32, key: vec2<u32>) -> T {
    let first = random(vec2<u32>(4u * word + 2u * stream, step), key);
    let second = random(vec2<u32>(4u * word + 2u * stream + 1u, step), key);
    return T(uniform_of(first.x), uniform_of(first.y), uniform_of(second.x), uniform_of(second.y));
}

// Where the data and the reconstruction begin among the visible units.
const DATA: u32 = 0u;
const RECONSTRUCTION: u32 = BATCH * VISIBLE_WORDS;

var<workgroup> visible: array<T, 2u * BATCH * VISIBLE_WORDS>;
// Hidden probabilities of the data and of the reconstruction; between the two the hidden units that
// are on.
var<workgroup> p0: array<T, BATCH * HIDDEN_WORDS>;
var<workgroup> on: array<T, BATCH * HIDDEN_WORDS>;
var<workgroup> p1: array<T, BATCH * HIDDEN_WORDS>;
var<workgroup> squares: array<f32, LANES>;
var<workgroup> counts_above_1: array<u32, LANES>;
var<workgroup> counts_nan: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let machine = workgroup.x;
    let seed = machine / params.machines_per_seed;
    for (var step = 0u; step < params.steps; step++) {
        let at = params.first_step + step;
        squares[lane] = 0.0;
        counts_above_1[lane] = 0u;
        counts_nan[lane] = 0u;
        load_examples((seed * params.all_steps + at) * BATCH, lane);
        workgroupBarrier();
        hidden_of_data(machine * MACHINE, keys[seed], at, lane);
        workgroupBarrier();
        reconstruct(machine * MACHINE, keys[seed], at, lane);
        workgroupBarrier();
        hidden_of_reconstruction(machine * MACHINE, lane);
        workgroupBarrier();
        if lane == 0u {
            found[machine * params.all_steps + at] = sum_up();
        }
        update(machine * MACHINE, rates[machine] / f32(BATCH), lane);
        // Of weights, and of what the next step overwrites.
        storageBarrier();
        workgroupBarrier();
    }
}

fn load_examples(first: u32, lane: u32) {
    for (var i = lane; i < BATCH * VISIBLE_WORDS; i += LANES) {
        let pattern = picks[first + i / VISIBLE_WORDS];
        visible[DATA + i] = patterns[pattern * VISIBLE_WORDS + i % VISIBLE_WORDS];
    }
}

// The input of a word of hidden units from the visible units from `first` on.
fn hidden_input(machine: u32, first: u32, i: u32) -> T {
    let example = first + i / HIDDEN_WORDS * VISIBLE_WORDS;
    let word = i % HIDDEN_WORDS;
    var a = weights[machine + MATRIX + word];
    for (var v = 0u; v < VISIBLE; v++) {
        a += visible[example + v / 4u][v % 4u] * weights[machine + v * HIDDEN_WORDS + word];
    }
    return a;
}

fn hidden_of_data(machine: u32, key: vec2<u32>, at: u32, lane: u32) {
    for (var i = lane; i < BATCH * HIDDEN_WORDS; i += LANES) {
        let p = probability(hidden_input(machine, DATA, i));
        count_probabilities(p, lane);
        p0[i] = p;
        on[i] = select(T(0.0), T(1.0), uniform_numbers(i, at, OF_HIDDEN, key) < p);
    }
}

fn reconstruct(machine: u32, key: vec2<u32>, at: u32, lane: u32) {
    for (var i = lane; i < BATCH * VISIBLE_WORDS; i += LANES) {
        let word = i % VISIBLE_WORDS;
        var a = weights[machine + MATRIX + HIDDEN_WORDS + word];
        for (var k = 0u; k < HIDDEN_WORDS; k++) {
            let h = on[i / VISIBLE_WORDS * HIDDEN_WORDS + k];
            let first = machine + word * 4u * HIDDEN_WORDS + k;
            a += T(
                dot(weights[first], h),
                dot(weights[first + HIDDEN_WORDS], h),
                dot(weights[first + 2u * HIDDEN_WORDS], h),
                dot(weights[first + 3u * HIDDEN_WORDS], h),
            );
        }
        let p = probability(a);
        count_probabilities(p, lane);
        squares[lane] += dot(visible[DATA + i] - p, visible[DATA + i] - p);
        visible[RECONSTRUCTION + i] = select(T(0.0), T(1.0), uniform_numbers(i, at, OF_VISIBLE, key) < p);
    }
}

fn hidden_of_reconstruction(machine: u32, lane: u32) {
    for (var i = lane; i < BATCH * HIDDEN_WORDS; i += LANES) {
        let p = probability(hidden_input(machine, RECONSTRUCTION, i));
        count_probabilities(p, lane);
        p1[i] = p;
    }
}

// By their bits: what a comparison with NaN gives is left open.
fn count_probabilities(p: T, lane: u32) {
    let bits = bitcast<vec4<u32>>(p);
    let is_nan = (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    let is_above = (bits > vec4<u32>(0x3f800000u)) & (bits <= vec4<u32>(0x7f800000u));
    counts_above_1[lane] += dot(select(vec4<u32>(0u), vec4<u32>(1u), is_above), vec4<u32>(1u));
    counts_nan[lane] += dot(select(vec4<u32>(0u), vec4<u32>(1u), is_nan), vec4<u32>(1u));
}

fn sum_up() -> Found {
    var sum = Found(0.0, 0u, 0u, 0u);
    for (var i = 0u; i < LANES; i++) {
        sum.error += squares[i];
        sum.above_1 += counts_above_1[i];
        sum.nan += counts_nan[i];
    }
    sum.error /= f32(BATCH * VISIBLE);
    return sum;
}

fn update(machine: u32, rate: f32, lane: u32) {
    for (var i = lane; i < MATRIX; i += LANES) {
        let v = i / HIDDEN_WORDS;
        let word = i % HIDDEN_WORDS;
        var difference = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            let at = example * VISIBLE_WORDS + v / 4u;
            let hidden = example * HIDDEN_WORDS + word;
            difference += visible[DATA + at][v % 4u] * p0[hidden] - visible[RECONSTRUCTION + at][v % 4u] * p1[hidden];
        }
        weights[machine + i] += rate * difference;
    }
    for (var i = lane; i < HIDDEN_WORDS; i += LANES) {
        var difference = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            difference += p0[example * HIDDEN_WORDS + i] - p1[example * HIDDEN_WORDS + i];
        }
        weights[machine + MATRIX + i] += rate * difference;
    }
    for (var i = lane; i < VISIBLE_WORDS; i += LANES) {
        var difference = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            let at = example * VISIBLE_WORDS + i;
            difference += visible[DATA + at] - visible[RECONSTRUCTION + at];
        }
        weights[machine + MATRIX + HIDDEN_WORDS + i] += rate * difference;
    }
}
