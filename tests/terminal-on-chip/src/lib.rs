//! The terminal's image in QEMU, switched on with the flash of a pay point that has paid for a while. That past is made by the
//! terminal core in this process (`firmware/terminal/tests/bench`): a thousand entries in seconds, each with its own signature.
