//! The real `ansinh issue` at a real reader with its ledger on a PostgreSQL server. Three daemons on one server, one of them killed,
//! are in `tests/store-faults`.

use issuance_tests::TestStation;
use issuance_tests::office::{Hand, Issuing};
use rig::inside_readers_with_postgres;
use virtual_card::{Control, Moment, ReferenceCard};

#[test]
fn cards_are_issued_torn_and_finished_with_the_ledger_on_a_server() {
    inside_readers_with_postgres(1, |readers, database| {
        let station = TestStation::set_up(3, 3);
        station.move_to(database);
        let hand = Hand::at(&readers[0]);
        let mut issuing = Issuing::start(&station, &["--all-readers"]);
        for (place, memory) in station.cards().iter().enumerate() {
            let control = Control::default();
            if place > 0 {
                control.commands_fuse().set(5 + 3 * place as u64, Moment::After);
            }
            let card = ReferenceCard::open(memory, control.writes_fuse(), false).unwrap();
            let card = hand.insert_chip(card, control);
            if place > 0 {
                assert_eq!(issuing.next_line().unwrap()["failure"], "card-lost");
                hand.wait_until_out();
                card.insert();
            }
            assert_eq!(issuing.next_line().unwrap()["outcome"], "issued");
            hand.take_out(&card);
        }
        let (status, errors) = issuing.end();
        assert!(status.success(), "{errors}");
        station.assert_all_issued(3);
    });
}
