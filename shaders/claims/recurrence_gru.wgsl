// The pre-activations of a unit are those of update and reset gate, and of the candidate; the
// fourth is not used.
fn advance(drive: vec4<f32>, of_state: vec4<f32>, state: State) -> State {
    let a = drive + of_state;
    let h = gru(T(a.x), T(a.y), T(drive.z), T(of_state.z), T(state.h)).h.x;
    return State(h, h);
}
