//! Test rig: the real software of card readers and terminals without their hardware.
//!
//! [`inside_readers`] runs a test, and the program `with-readers` runs a command, in Linux namespaces of their own in
//! which the real `pcscd` serves 1 to 16 virtual readers (Debian package `vsmartcard-vpcd`). A card is any process that
//! connects to a reader's TCP port, such as `virtual-card`. Rigs run side by side on the same ports, need no
//! privileges, leave nothing behind, and everything started inside dies with them.
//!
//! [`Machine`], and the program `qemu-terminal`, run the terminal's firmware in QEMU on a flash file that outlives a kill;
//! [`Instructions`] counts what it executes and cuts its power at an exact place.
//!
//! [`Cable`] connects a host to a terminal: it counts what passes, keeps the pace of a serial line, and can be cut.
//!
//! [`postgres`] is a private PostgreSQL server.

mod cable;
mod image;
mod instructions;
mod namespace;
mod pcscd;
mod postgres;
mod qemu;

pub use cable::{BYTES_A_SECOND, Cable, CableCut};
pub use image::Image;
pub use instructions::{Counts, Instructions};
pub use namespace::{command_in_namespace, inside_readers, inside_readers_with_postgres};
pub use pcscd::{MAX_READERS, PcscRig, SOCKET, VirtualReader};
pub use postgres::{Postgres, postgres};
pub use qemu::{Machine, QemuTerminal, firmware_image, firmware_image_with_assembly};
