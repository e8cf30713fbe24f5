// The pre-activations of a unit are those of input, forget and output gate and candidate.
fn advance(drive: vec4<f32>, of_state: vec4<f32>, state: State) -> State {
    let a = drive + of_state;
    let cell = lstm(T(a.x), T(a.y), T(a.z), T(a.w), T(state.c));
    return State(cell.c.x, cell.h.x);
}
