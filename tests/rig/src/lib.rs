//! Test rig: a private pcscd with virtual readers, the QEMU terminal, and processes that die with the test.
