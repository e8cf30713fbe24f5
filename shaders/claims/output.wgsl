// A binary output and its loss, the cross-entropy: what each way to compute them gives for a logit
// x and a label, 0 or 1. In all of them the loss of label 1 at x is that of label 0 at -x, by
// mathematics.
struct Output {
    loss: T,
    // The gradient of the loss in x.
    dx: T,
}

// From the logit: softplus(s) = max(s, 0) + log(1 + exp(-|s|)) of s = x for label 0 and -x for
// label 1, and the gradient sigmoid(s), with that sign. Nothing overflows and nothing cancels.
fn output_fused(x: T, label: T) -> Output {
    let s = select(x, -x, label == T(1.0));
    let z = exp(-abs(s));
    let y = sigmoid_of(s, z);
    return Output(max(s, T(0.0)) + log_1p(z), select(y, -y, label == T(1.0)));
}

// The same by the built-in log, which loses z beside 1 below 2^-24 and has an absolute error near
// 1.
fn output_fused_log(x: T, label: T) -> Output {
    let s = select(x, -x, label == T(1.0));
    let z = exp(-abs(s));
    let y = sigmoid_of(s, z);
    return Output(max(s, T(0.0)) + log(T(1.0) + z), select(y, -y, label == T(1.0)));
}

// Sigmoid first, then the logarithm of the label's probability, then back through both, as layers
// would.
fn output_apart(x: T, label: T) -> Output {
    let y = sigmoid_two_sided(x);
    let of_y = cross_entropy(y, label);
    return Output(of_y.loss, sigmoid_from_y(y, of_y.dx));
}

// As textbooks have the loss: both logarithms, one of them times 0.
fn output_textbook(x: T, label: T) -> Output {
    let y = sigmoid_two_sided(x);
    let loss = -(label * log(y) + (T(1.0) - label) * log(T(1.0) - y));
    return Output(loss, sigmoid_from_y(y, (y - label) / (y * (T(1.0) - y))));
}

// Logarithms of -100 at least, and a denominator of 1e-12 at least: what is done about infinities.
fn output_clamped(x: T, label: T) -> Output {
    let y = sigmoid_two_sided(x);
    let loss = -max(log(select(T(1.0) - y, y, label == T(1.0))), T(-100.0));
    return Output(loss, sigmoid_from_y(y, (y - label) / max(y * (T(1.0) - y), T(1e-12))));
}

// ReLU in the place of sigmoid.
fn output_relu(x: T, label: T) -> Output {
    let y = relu_plain(x);
    let of_y = cross_entropy(y, label);
    return Output(of_y.loss, relu_from_y(y, of_y.dx));
}

// The loss of a probability y, and its gradient in y: of the two logarithms only the label's.
fn cross_entropy(y: T, label: T) -> Output {
    let is_one = label == T(1.0);
    let p = select(T(1.0) - y, y, is_one);
    return Output(-log(p), select(T(1.0), T(-1.0), is_one) / p);
}

// log(1 + z) of 0 <= z <= 1 within a few ULP of the result, where log(1 + z) rounds z away: 2
// atanh(w) of w = z / (2 + z) <= 1/3.
fn log_1p(z: T) -> T {
    // 2 w, since w may be subnormal, and so flushed, where z is not.
    let twice = (z + z) / (T(2.0) + z);
    let square = T(0.25) * twice * twice;
    // The series of atanh(w) / w in w^2 <= 1/9; what follows is below 2^-28.
    var sum = T(1.0 / 15.0);
    sum = sum * square + T(1.0 / 13.0);
    sum = sum * square + T(1.0 / 11.0);
    sum = sum * square + T(1.0 / 9.0);
    sum = sum * square + T(1.0 / 7.0);
    sum = sum * square + T(1.0 / 5.0);
    sum = sum * square + T(1.0 / 3.0);
    return twice + twice * (sum * square);
}
