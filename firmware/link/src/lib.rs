//! Messages and framing between host and terminal (no_std), shared by both; DATA 8.

#![no_std]

mod frame;
mod message;

pub use frame::{Encoded, FrameDecoder, FrameError, MAX_ENCODED, MAX_FRAME, MAX_MESSAGE, encode};
pub use message::{
    Answer, Hello, MAX_BYTES, MessageError, Refusal, Request, TerminalName, TerminalState, VERSION, receive,
    send,
};
