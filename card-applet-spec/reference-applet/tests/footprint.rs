//! What PROFILE.md tells a chip vendor about memory.

use reference_applet::memory::{MAX_WRITE, PAID_ROWS, RING};
use reference_applet::{Applet, Slot};

/// Volatile memory of JCOP4-class chips that an applet may take, in bytes.
const VOLATILE: usize = 1_600;

#[test]
fn what_goes_with_the_power_fits_a_chip() {
    // Memory and random source are the owner's, and have no size here.
    let volatile = size_of::<Applet<(), ()>>();
    println!("volatile state: {volatile} bytes");
    assert!(volatile <= VOLATILE, "{volatile} bytes");
}

#[test]
fn the_slots_are_as_many_as_the_profile_says() {
    assert_eq!((Slot::COUNT, PAID_ROWS, RING, MAX_WRITE), (182, 40, 33, 384));
}
