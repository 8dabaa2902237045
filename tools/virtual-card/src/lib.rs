//! A card in a process: a chip behind a virtual PC/SC reader, its memory in a file, and a hand that can tear it out.

pub mod blank;
pub mod control;
pub mod memory;
pub mod pn532;
pub mod vpcd;

mod chip;
mod holder;
mod reference;
mod slow;

pub use chip::Chip;
pub use control::{Control, Moment};
pub use holder::Holder;
pub use reference::ReferenceCard;
pub use slow::Slow;
