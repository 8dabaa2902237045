//! The card as a pure state machine: (state, command) -> (state, response, persistent writes).
