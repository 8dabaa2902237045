//! The soak of `tools/soak-issuance`, as short as a test has to be. The seed is fixed: another one every day would hide what
//! changed.

use issuance_tests::soak::{Plan, run};
use rig::{MAX_READERS, inside_readers};

#[test]
fn cards_torn_reset_given_up_and_a_killed_station_leave_clean_books() {
    inside_readers(MAX_READERS, |readers| {
        let figures = run(
            readers,
            Plan {
                cards: 150,
                seed: 1,
                kills: 2,
            },
        );
        assert!(
            figures.removals > 20 && figures.given_up > 0 && figures.kills == 2 && figures.resets > 0,
            "the seed brings no faults: {figures:?}"
        );
    });
}
