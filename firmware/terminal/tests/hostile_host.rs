//! Hosts that are not the terminal's, or no longer right: whatever they send, nothing changes that was not signed for it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod bench;

use bench::card::issuer::{CertificatePlan, plan, reference, secret, signed};
use bench::card::{TestRandom, date};
use bench::host::{Host, ListPlan, block_entry, block_header, card, line, noon};
use bench::{Bench, chip, story};
use card_spec::certificate::{Authorization, AuthorizationBits, Flags, Role};
use card_spec::journal::{Acknowledgement, TimeStatement};
use card_spec::list::{BlockListHeader, ListHeader, ListLine};
use card_spec::values::{Amount, CardNumber, Time};
use link::{Refusal, Request, TerminalState};
use rand_core::Rng as _;

fn usual() -> Host {
    Host::new(vec![line(1, 1, 500_000), line(2, 2, 7)])
}

fn hello(bench: &mut Bench<'_>) -> link::Hello {
    bench.hello()
}

#[test]
fn nothing_works_before_its_turn() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    let header = signed(&host.list.header(), host.issuer());
    let requests = [
        Request::Install { objects: &header },
        Request::SetTime { signed: &header },
        Request::ListBegin { header: &header },
        Request::ListLines { bytes: &header },
        Request::ListEnd,
        Request::BlockBegin { header: &header },
        Request::BlockEntries { bytes: &header },
        Request::BlockEnd,
        Request::ReadJournal { from: 1 },
        Request::Acknowledge { signed: &header },
    ];
    for request in &requests {
        assert_eq!(bench.refusal(request), Some(Refusal::OutOfOrder), "{request:?}");
    }
    host.make_keys(&mut bench).unwrap();
    for request in &requests[1..] {
        assert_eq!(bench.refusal(request), Some(Refusal::OutOfOrder), "{request:?}");
    }
    let name = Request::MakeKeys { name: *b"VNX0000001" };
    assert_eq!(bench.refusal(&name), Some(Refusal::Malformed));
    assert_eq!(hello(&mut bench).state, TerminalState::KeysMade);
    bench.type_keys("oLan\n");
    assert!(!bench.field, "no shift without certificates");
}

#[test]
fn certificates_that_do_not_fit() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    let agreement = host.make_keys(&mut bench).unwrap();
    let journal = host.journal_key.unwrap();
    let other = secret(77).public_key();
    let office = &host.office;
    let [issuer, authority, own_agreement, own_journal] = host.certificates(agreement, journal);
    let [.., foreign_agreement, foreign_journal] = host.certificates(other, other);
    let named = |holder, role, signer, key| {
        CertificatePlan {
            holder,
            role,
            ..office.terminal_plan()
        }
        .sign(signer, key)
    };
    let ca = &office.terminal_ca;
    let other_name = named("VNT0000002J00001", Role::TerminalJournal, ca, journal);
    let swapped = named("VNT0000001A00001", Role::TerminalAgreement, ca, journal);
    let unsigned = named("VNT0000001J00001", Role::TerminalJournal, &secret(78), journal);
    let long = CertificatePlan {
        dates: (date(2026, 11, 15), date(2026, 12, 20)),
        ..office.terminal_plan()
    }
    .sign(ca, agreement);
    let mut anchor = office.trust_anchor();
    anchor.authorization = AuthorizationBits(Authorization {
        role: Role::Root,
        flags: Flags::Production,
    });
    let production = bench::card::issuer::encoded(&anchor, 0xFF38);
    let anchor = host.anchor();
    let cases: [(&str, Vec<&Vec<u8>>, Refusal); 10] = [
        (
            "no anchor",
            vec![&issuer, &authority, &own_agreement, &own_journal],
            Refusal::OutOfOrder,
        ),
        (
            "one missing",
            vec![&anchor, &issuer, &authority, &own_agreement],
            Refusal::Malformed,
        ),
        (
            "one too many",
            vec![
                &anchor,
                &issuer,
                &authority,
                &own_agreement,
                &own_journal,
                &issuer,
            ],
            Refusal::Malformed,
        ),
        (
            "order",
            vec![&anchor, &authority, &issuer, &own_agreement, &own_journal],
            Refusal::Malformed,
        ),
        (
            "foreign agreement key",
            vec![&anchor, &issuer, &authority, &foreign_agreement, &own_journal],
            Refusal::NotForThisTerminal,
        ),
        (
            "foreign journal key",
            vec![&anchor, &issuer, &authority, &own_agreement, &foreign_journal],
            Refusal::NotForThisTerminal,
        ),
        (
            "other name",
            vec![&anchor, &issuer, &authority, &own_agreement, &other_name],
            Refusal::NotForThisTerminal,
        ),
        (
            "role",
            vec![&anchor, &issuer, &authority, &own_agreement, &swapped],
            Refusal::NotGenuine,
        ),
        (
            "signature",
            vec![&anchor, &issuer, &authority, &own_agreement, &unsigned],
            Refusal::NotGenuine,
        ),
        (
            "36 days",
            vec![&anchor, &issuer, &authority, &long, &own_journal],
            Refusal::NotGenuine,
        ),
    ];
    for (name, objects, refusal) in cases {
        let objects: Vec<u8> = objects.into_iter().flatten().copied().collect();
        assert_eq!(
            bench.refusal(&Request::Install { objects: &objects }),
            Some(refusal),
            "{name}"
        );
    }
    let certificates = [issuer, authority, own_agreement, own_journal].concat();
    let objects = [production, certificates.clone()].concat();
    assert_eq!(
        bench.refusal(&Request::Install { objects: &objects }),
        Some(Refusal::NotGenuine),
        "TEST"
    );
    assert_eq!(hello(&mut bench).state, TerminalState::KeysMade);

    let objects = [anchor.clone(), certificates.clone()].concat();
    bench.done(&Request::Install { objects: &objects }).unwrap();
    // Later the same anchor or none, and never another one.
    bench.done(&Request::Install { objects: &objects }).unwrap();
    bench
        .done(&Request::Install {
            objects: &certificates,
        })
        .unwrap();
    let mut other_anchor = host.office.trust_anchor();
    other_anchor.key = secret(79).public_key();
    let objects = [bench::card::issuer::encoded(&other_anchor, 0xFF38), certificates].concat();
    assert_eq!(
        bench.refusal(&Request::Install { objects: &objects }),
        Some(Refusal::AnchorInstalled)
    );
}

#[test]
fn a_board_without_a_test_flag_takes_no_test_certificates() {
    let flash = chip();
    let mut bench = Bench::with(&flash, false, 1).unwrap();
    assert!(!bench.read_screen().contains("TEST"));
    assert_eq!(usual().prepare(&mut bench), Err(Refusal::NotGenuine));
}

#[test]
fn time_statements_that_are_not_for_now() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let later = Time::new(date(2026, 11, 22), 13, 0, 0).unwrap();
    let set = |bench: &mut Bench<'_>, statement: &TimeStatement, key: &card_spec::crypto::SecretKey| {
        bench.refusal(&Request::SetTime {
            signed: &signed(statement, key),
        })
    };
    let not_accepted = Some(Refusal::TimeNotAccepted);
    // Without a nonce; with another one; with one that was used.
    let stale = host.time_statement([1; 16], later);
    assert_eq!(set(&mut bench, &stale, host.issuer()), not_accepted);
    Host::nonce(&mut bench);
    assert_eq!(set(&mut bench, &stale, host.issuer()), not_accepted);
    let nonce = Host::nonce(&mut bench);
    let good = host.time_statement(nonce, later);
    assert_eq!(set(&mut bench, &good, host.issuer()), None);
    assert_eq!(set(&mut bench, &good, host.issuer()), not_accepted);
    // Signed by somebody else, for somebody else, by another issuer, in the past, unset.
    let fresh = |bench: &mut Bench<'_>| host.time_statement(Host::nonce(bench), later);
    let statement = fresh(&mut bench);
    assert_eq!(
        set(&mut bench, &statement, &secret(80)),
        Some(Refusal::NotGenuine)
    );
    let foreign = TimeStatement {
        terminal: "VNT0000002".parse().unwrap(),
        ..fresh(&mut bench)
    };
    assert_eq!(
        set(&mut bench, &foreign, host.issuer()),
        Some(Refusal::NotForThisTerminal)
    );
    let foreign = TimeStatement {
        issuer: reference("VNISS0100001"),
        ..fresh(&mut bench)
    };
    assert_eq!(
        set(&mut bench, &foreign, host.issuer()),
        Some(Refusal::NotForThisTerminal)
    );
    for time in [noon(), Time::UNSET] {
        let past = TimeStatement {
            time,
            ..fresh(&mut bench)
        };
        assert_eq!(set(&mut bench, &past, host.issuer()), not_accepted);
    }
    // The newest entry bars the past after a restart as well, and after its space was released.
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert_eq!(host.set_time(&mut bench, noon()), Err(Refusal::TimeNotAccepted));
    host.set_time(&mut bench, later).unwrap();
}

#[test]
fn lists_that_are_not_what_the_issuer_signed() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let two = ListPlan::new(2, vec![line(1, 1, 10), line(2, 2, 20), line(3, 3, 30)]);
    let begin = |bench: &mut Bench<'_>, header: ListHeader<'_>| {
        bench.refusal(&Request::ListBegin {
            header: &signed(&header, host.issuer()),
        })
    };
    for (number, refusal) in [(0, Refusal::NotNewer), (1, Refusal::NotNewer)] {
        assert_eq!(
            begin(
                &mut bench,
                ListHeader {
                    number,
                    ..two.header()
                }
            ),
            Some(refusal)
        );
    }
    let terminal = "VNT0000002".parse().unwrap();
    let foreign = ListHeader {
        terminal,
        ..two.header()
    };
    assert_eq!(begin(&mut bench, foreign), Some(Refusal::NotForThisTerminal));
    assert_eq!(
        begin(
            &mut bench,
            ListHeader {
                lines: 0,
                ..two.header()
            }
        ),
        Some(Refusal::Malformed)
    );
    assert_eq!(
        begin(
            &mut bench,
            ListHeader {
                lines: 4_001,
                ..two.header()
            }
        ),
        Some(Refusal::TooLarge)
    );
    let header = signed(&two.header(), &secret(81));
    assert_eq!(
        bench.refusal(&Request::ListBegin { header: &header }),
        Some(Refusal::NotGenuine)
    );

    // Lines that do not make up the header: each is told at the line or at the end, and changes nothing.
    let changed = |change: &dyn Fn(&mut Vec<ListLine>)| {
        let mut lines = two.lines.clone();
        change(&mut lines);
        ListPlan { lines, ..two.clone() }.body()
    };
    let bodies = [
        changed(&|lines| lines.truncate(2)),
        changed(&|lines| lines.push(line(4, 4, 1))),
        changed(&|lines| lines.swap(0, 1)),
        changed(&|lines| lines[1].amount = Amount::new(21).unwrap()),
        changed(&|lines| {
            lines[0].amount = Amount::new(11).unwrap();
            lines[1].amount = Amount::new(19).unwrap();
        }),
        changed(&|lines| lines[2].number = 4),
        changed(&|lines| lines[2].recipients = 3),
    ];
    for body in &bodies {
        assert_eq!(begin(&mut bench, two.header()), None);
        let taken = bench.done(&Request::ListLines { bytes: body });
        let ended = taken.and_then(|()| bench.done(&Request::ListEnd));
        assert_eq!(ended, Err(Refusal::Incomplete));
        assert_eq!(bench.refusal(&Request::ListEnd), Some(Refusal::OutOfOrder));
    }
    let body = two.body();
    for end in 1..ListLine::LENGTH {
        assert_eq!(begin(&mut bench, two.header()), None);
        let cut = bench.refusal(&Request::ListLines { bytes: &body[..end] });
        assert_eq!(cut, Some(Refusal::Malformed), "{end} bytes");
    }
    // Wrong total in a header that is signed all the same.
    let total = Amount::new(61).unwrap();
    assert_eq!(
        begin(
            &mut bench,
            ListHeader {
                total,
                ..two.header()
            }
        ),
        None
    );
    bench.done(&Request::ListLines { bytes: &body }).unwrap();
    assert_eq!(bench.refusal(&Request::ListEnd), Some(Refusal::Incomplete));

    assert_eq!(hello(&mut bench).list_number, 1);
    bench.type_keys("oLan\n");
    bench.tap(&mut card(&plan()));
    assert!(
        bench.read_screen().contains("500.007 đồng"),
        "the old list is in force"
    );
    // And not while a holder is served.
    assert_eq!(begin(&mut bench, two.header()), Some(Refusal::Busy));
    bench.type_keys("c");
    host.load_list(&mut bench, &two).unwrap();
    assert_eq!(hello(&mut bench).list_number, 2);
}

#[test]
fn block_lists_that_are_not_what_the_issuer_signed() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let cards: Vec<CardNumber> = (1..5)
        .map(|serial| CardNumber::new(79, serial).unwrap())
        .collect();
    let header = block_header(2, &cards, noon());
    let entries: Vec<Vec<u8>> = cards.iter().map(|card| block_entry(*card)).collect();
    let mut load = |header: &BlockListHeader, entries: &[u8]| {
        let header = signed(header, host.issuer());
        bench.done(&Request::BlockBegin { header: &header })?;
        bench.done(&Request::BlockEntries { bytes: entries })?;
        bench.done(&Request::BlockEnd)
    };
    let old = BlockListHeader { number: 1, ..header };
    assert_eq!(load(&old, &entries.concat()), Err(Refusal::NotNewer));
    let large = BlockListHeader { count: 385, ..header };
    assert_eq!(load(&large, &entries.concat()), Err(Refusal::TooLarge));
    let unset = BlockListHeader {
        issued: Time::UNSET,
        ..header
    };
    assert_eq!(load(&unset, &entries.concat()), Err(Refusal::Malformed));
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    let mut twice = entries.clone();
    twice[1] = twice[0].clone();
    for wrong in [&entries[1..], &entries[..3], &swapped, &twice] {
        assert_eq!(load(&header, &wrong.concat()), Err(Refusal::Incomplete));
    }
    assert_eq!(load(&header, &entries.concat()[1..]), Err(Refusal::Malformed));
    load(&header, &entries.concat()).unwrap();
}

#[test]
fn acknowledgements_that_name_what_is_not_there() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let entries = bench.journal();
    let good = host.acknowledgement(&entries[2]);
    let mut acknowledge = |body: &Acknowledgement, key: &card_spec::crypto::SecretKey| {
        bench.done(&Request::Acknowledge {
            signed: &signed(body, key),
        })
    };
    assert_eq!(acknowledge(&good, &secret(82)), Err(Refusal::NotGenuine));
    let head = Acknowledgement {
        head: [0; 32],
        ..good
    };
    let beyond = Acknowledgement { sequence: 99, ..good };
    let zero = Acknowledgement { sequence: 0, ..good };
    let shifted = Acknowledgement { sequence: 2, ..good };
    for wrong in [head, beyond, zero, shifted] {
        assert_eq!(acknowledge(&wrong, host.issuer()), Err(Refusal::UnknownEntry));
    }
    let terminal = "VNT0000002".parse().unwrap();
    let key = Acknowledgement {
        journal_key: [0; 32],
        ..good
    };
    let issuer = Acknowledgement {
        issuer: reference("VNISS0100001"),
        ..good
    };
    for wrong in [Acknowledgement { terminal, ..good }, key, issuer] {
        assert_eq!(
            acknowledge(&wrong, host.issuer()),
            Err(Refusal::NotForThisTerminal)
        );
    }
    acknowledge(&good, host.issuer()).unwrap();
    acknowledge(&good, host.issuer()).unwrap();
    let told = story(&bench.journal(), &host.journal_key.unwrap());
    assert_eq!(
        told.kinds.iter().filter(|kind| **kind == 10).count(),
        1,
        "Synced once"
    );
    assert_eq!(hello(&mut bench).acknowledged, 3);
}

#[test]
fn new_keys_need_an_acknowledged_journal_and_a_new_name() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let other = Request::MakeKeys { name: *b"VNT0000002" };
    assert_eq!(bench.refusal(&other), Some(Refusal::Unacknowledged));
    let last = bench.journal().pop().unwrap();
    host.acknowledge(&mut bench, &last).unwrap();
    assert_eq!(host.make_keys(&mut bench), Err(Refusal::NotNewer));
    assert_eq!(bench.refusal(&other), None);
    let hello = hello(&mut bench);
    assert_eq!(
        (hello.state, hello.journal_tail, hello.list_number),
        (TerminalState::KeysMade, 0, 0)
    );
    assert_eq!(hello.name, Some(*b"VNT0000002"));
}

#[test]
fn an_open_order_is_told_again_before_it_is_released() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    bench.type_keys("oLan\n");
    let mut card = card(&plan());
    bench.tap(&mut card);
    bench.type_keys("271828\n");
    bench.tap_with(&mut card, &mut |_, command, answer| {
        (command[..2] != [0x84, 0x54]).then_some(answer)
    });
    let entries = bench.journal();
    let open = story(&entries, &host.journal_key.unwrap()).open.unwrap();
    host.acknowledge(&mut bench, entries.last().unwrap()).unwrap();
    assert_eq!(hello(&mut bench).acknowledged as usize, entries.len());
    let told = story(&bench.journal(), &host.journal_key.unwrap());
    assert_eq!((told.still_open, told.open), (vec![open], Some(open)));
    drop(bench);
    let mut bench = Bench::power_on(&flash).unwrap();
    assert!(bench.read_screen().contains("CHƯA RÕ KẾT QUẢ"));
    bench.tap(&mut card);
    assert_eq!(story(&bench.journal(), &host.journal_key.unwrap()).paid, [1]);
}

#[test]
fn bytes_that_are_no_frame_get_no_answer_and_harm_nothing() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let before = bench.journal();
    let mut random = TestRandom(3);
    for length in 0..3_000 {
        let mut junk = vec![0; length % 301];
        random.fill_bytes(&mut junk);
        bench.host_bytes(&junk);
        assert!(bench.no_answer() || junk.contains(&0));
    }
    bench.host_bytes(&[0x41; 10_000]);
    assert_eq!(bench.refusal(&Request::ListEnd), Some(Refusal::OutOfOrder));
    assert_eq!(bench.journal(), before);
}

#[test]
fn any_bytes_as_an_object_are_refused() {
    let flash = chip();
    let mut bench = Bench::power_on(&flash).unwrap();
    let mut host = usual();
    host.prepare(&mut bench).unwrap();
    let header = signed(&ListPlan::new(2, vec![line(1, 1, 1)]).header(), host.issuer());
    let before = hello(&mut bench);
    for end in 0..header.len() {
        let cut = &header[..end];
        for request in [
            Request::ListBegin { header: cut },
            Request::BlockBegin { header: cut },
            Request::SetTime { signed: cut },
            Request::Acknowledge { signed: cut },
            Request::Install { objects: cut },
        ] {
            assert!(bench.refusal(&request).is_some(), "{request:?}");
        }
        let mut flipped = header.clone();
        flipped[end] ^= 0x01;
        assert!(
            bench.refusal(&Request::ListBegin { header: &flipped }).is_some(),
            "byte {end}"
        );
    }
    assert_eq!(hello(&mut bench), before);
}
