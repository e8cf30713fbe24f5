// The pointwise cells of recurrent nets, four units at a time. `gate` and `gate_backward(y, dy)`
// are the gates' activation and its gradient from what it gave.

// Never overflows, and its absolute error is that of exp at most 1, wherever a driver's own tanh
// may give NaN.
fn squash(x: T) -> T {
    let z = exp(T(-2.0) * abs(x));
    let y = (T(1.0) - z) / (T(1.0) + z);
    return select(-y, y, x >= T(0.0));
}

// Hochreiter and Schmidhuber's cell with the forget gate of Gers et al.: c' = f c + i g, h = o
// tanh(c').
struct Lstm {
    input: T,
    forget: T,
    output: T,
    candidate: T,
    c: T,
    h: T,
}

fn lstm(input: T, forget: T, output: T, candidate: T, c: T) -> Lstm {
    let i = gate(input);
    let f = gate(forget);
    let o = gate(output);
    let g = squash(candidate);
    let next = f * c + i * g;
    return Lstm(i, f, o, g, next, o * squash(next));
}

// The gradients in the pre-activations and in the cell before, from what the forward pass kept, and
// the gradients dh and dc in what it gave.
struct LstmGradient {
    input: T,
    forget: T,
    output: T,
    candidate: T,
    c: T,
}

fn lstm_backward(kept: Lstm, before: T, dh: T, dc: T) -> LstmGradient {
    let of_c = squash(kept.c);
    let d = dc + dh * kept.output * (T(1.0) - of_c * of_c);
    return LstmGradient(
        gate_backward(kept.input, d * kept.candidate),
        gate_backward(kept.forget, d * before),
        gate_backward(kept.output, dh * of_c),
        d * kept.input * (T(1.0) - kept.candidate * kept.candidate),
        d * kept.forget,
    );
}

// Cho et al.'s unit, the reset gate on the recurrent product as cuDNN and PyTorch have it: n =
// tanh(x_n + r u_n), h' = (1 - z) n + z h.
struct Gru {
    update: T,
    reset: T,
    candidate: T,
    h: T,
}

fn gru(update: T, reset: T, of_input: T, of_state: T, h: T) -> Gru {
    let z = gate(update);
    let r = gate(reset);
    let n = squash(of_input + r * of_state);
    return Gru(z, r, n, (T(1.0) - z) * n + z * h);
}

struct GruGradient {
    update: T,
    reset: T,
    of_input: T,
    of_state: T,
    h: T,
}

fn gru_backward(kept: Gru, of_state: T, before: T, dh: T) -> GruGradient {
    let d = dh * (T(1.0) - kept.update) * (T(1.0) - kept.candidate * kept.candidate);
    return GruGradient(
        gate_backward(kept.update, dh * (before - kept.candidate)),
        gate_backward(kept.reset, d * of_state),
        d,
        d * kept.reset,
        dh * kept.update,
    );
}
