// Autoencoders of one hidden layer, trained by plain SGD: a workgroup trains one net, and many nets
// train side by side. The output is sigmoid with cross-entropy, the hidden layer `hidden` with
// `hidden_backward(y, dy)`. Units are taken four at a time.
struct Params {
    first_step: u32,
    // Steps of this dispatch, and of the whole training.
    steps: u32,
    all_steps: u32,
    // Nets that see the same examples follow one another.
    nets_per_seed: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// By net: weights into the hidden layer and out of it, each by visible unit and hidden word; biases
// of hidden words and visible words.
@group(0) @binding(1) var<storage, read_write> weights: array<T>;
// By net and step, the mean squared error of the reconstruction.
@group(0) @binding(2) var<storage, read_write> errors: array<f32>;
// By net.
@group(0) @binding(3) var<storage, read> rates: array<f32>;
// By pattern and visible word.
@group(0) @binding(4) var<storage, read> patterns: array<T>;
// By seed, step and example, which pattern.
@group(0) @binding(5) var<storage, read> picks: array<u32>;

const LANES: u32 = 64u;
const HIDDEN_WORDS: u32 = HIDDEN / 4u;
const VISIBLE_WORDS: u32 = VISIBLE / 4u;
const MATRIX: u32 = VISIBLE * HIDDEN_WORDS;
const NET: u32 = 2u * MATRIX + HIDDEN_WORDS + VISIBLE_WORDS;

var<workgroup> x: array<T, BATCH * VISIBLE_WORDS>;
var<workgroup> h: array<T, BATCH * HIDDEN_WORDS>;
// Gradients of the output's pre-activations, and of the hidden layer's.
var<workgroup> dy: array<T, BATCH * VISIBLE_WORDS>;
var<workgroup> dh: array<T, BATCH * HIDDEN_WORDS>;
var<workgroup> squares: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let net = workgroup.x;
    for (var step = 0u; step < params.steps; step++) {
        let at = params.first_step + step;
        load_examples((net / params.nets_per_seed * params.all_steps + at) * BATCH, lane);
        workgroupBarrier();
        encode(net * NET, lane);
        workgroupBarrier();
        let square = decode(net * NET, lane);
        squares[lane] = square;
        workgroupBarrier();
        if lane == 0u {
            errors[net * params.all_steps + at] = sum_of_squares() / f32(BATCH * VISIBLE);
        }
        backward(net * NET, lane);
        workgroupBarrier();
        update(net * NET, rates[net] / f32(BATCH), lane);
        // Of weights, and of what the next step overwrites.
        storageBarrier();
        workgroupBarrier();
    }
}

fn load_examples(first: u32, lane: u32) {
    for (var i = lane; i < BATCH * VISIBLE_WORDS; i += LANES) {
        let pattern = picks[first + i / VISIBLE_WORDS];
        x[i] = patterns[pattern * VISIBLE_WORDS + i % VISIBLE_WORDS];
    }
}

fn encode(net: u32, lane: u32) {
    for (var i = lane; i < BATCH * HIDDEN_WORDS; i += LANES) {
        let example = i / HIDDEN_WORDS;
        let word = i % HIDDEN_WORDS;
        var a = weights[net + 2u * MATRIX + word];
        for (var v = 0u; v < VISIBLE; v++) {
            a += x[example * VISIBLE_WORDS + v / 4u][v % 4u] * weights[net + v * HIDDEN_WORDS + word];
        }
        h[i] = hidden(a);
    }
}

// Returns the sum of this lane's squared errors.
fn decode(net: u32, lane: u32) -> f32 {
    var square = 0.0;
    for (var i = lane; i < BATCH * VISIBLE_WORDS; i += LANES) {
        let example = i / VISIBLE_WORDS;
        let word = i % VISIBLE_WORDS;
        var a = weights[net + 2u * MATRIX + HIDDEN_WORDS + word];
        for (var k = 0u; k < HIDDEN_WORDS; k++) {
            let of_h = h[example * HIDDEN_WORDS + k];
            let first = net + MATRIX + word * 4u * HIDDEN_WORDS + k;
            a += T(
                dot(weights[first], of_h),
                dot(weights[first + HIDDEN_WORDS], of_h),
                dot(weights[first + 2u * HIDDEN_WORDS], of_h),
                dot(weights[first + 3u * HIDDEN_WORDS], of_h),
            );
        }
        // The gradient of cross-entropy behind sigmoid.
        let difference = sigmoid_two_sided(a) - x[i];
        dy[i] = difference;
        square += dot(difference, difference);
    }
    return square;
}

fn sum_of_squares() -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) {
        sum += squares[i];
    }
    return sum;
}

fn backward(net: u32, lane: u32) {
    for (var i = lane; i < BATCH * HIDDEN_WORDS; i += LANES) {
        let example = i / HIDDEN_WORDS;
        let word = i % HIDDEN_WORDS;
        var gradient = T(0.0);
        for (var v = 0u; v < VISIBLE; v++) {
            gradient += dy[example * VISIBLE_WORDS + v / 4u][v % 4u] * weights[net + MATRIX + v * HIDDEN_WORDS + word];
        }
        dh[i] = hidden_backward(h[i], gradient);
    }
}

fn update(net: u32, rate: f32, lane: u32) {
    for (var i = lane; i < MATRIX; i += LANES) {
        let v = i / HIDDEN_WORDS;
        let word = i % HIDDEN_WORDS;
        var into_hidden = T(0.0);
        var out_of_hidden = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            let visible = example * VISIBLE_WORDS + v / 4u;
            into_hidden += x[visible][v % 4u] * dh[example * HIDDEN_WORDS + word];
            out_of_hidden += dy[visible][v % 4u] * h[example * HIDDEN_WORDS + word];
        }
        weights[net + i] -= rate * into_hidden;
        weights[net + MATRIX + i] -= rate * out_of_hidden;
    }
    for (var i = lane; i < HIDDEN_WORDS; i += LANES) {
        var sum = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            sum += dh[example * HIDDEN_WORDS + i];
        }
        weights[net + 2u * MATRIX + i] -= rate * sum;
    }
    for (var i = lane; i < VISIBLE_WORDS; i += LANES) {
        var sum = T(0.0);
        for (var example = 0u; example < BATCH; example++) {
            sum += dy[example * VISIBLE_WORDS + i];
        }
        weights[net + 2u * MATRIX + HIDDEN_WORDS + i] -= rate * sum;
    }
}
