//! SPEC 6: what the issuer's session allows.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::{CardStatus, LifeCycle};
use card_spec::scp03::{HostHandshake, InitializeUpdateResponse, SecurityLevel, StaticKeys, encode_put_key};
use common::issuer::{IssuerHost, Objects, Office, active_card, card_with_keys, issuer_keys, objects, plan};
use common::terminal::Terminal;
use common::till::Till;
use common::{Card, Failure, SELECT, blank_card, plain, raw, status, transport_keys};

const HEADERS: [[u8; 4]; 5] = [
    [0x80, 0x47, 0x00, 0x00],
    [0x80, 0xE2, 0x00, 0x00],
    [0x80, 0x24, 0x01, 0x81],
    [0x80, 0x44, 0x00, 0x00],
    [0x80, 0xB0, 0x9D, 0x00],
];

#[test]
fn select_names_the_life_cycle_and_nobody() {
    let office = Office::new();
    let expected = |life_cycle| {
        [
            b"\x6F\x12\x84\x08\xF0ANSINH\x01\x8A\x01",
            &[life_cycle][..],
            b"\xA5\x03\x80\x01\x01",
        ]
        .concat()
    };
    let mut card = blank_card();
    assert_eq!(plain(&mut card, &SELECT), Ok(expected(0x01)));
    IssuerHost::open(&mut card).unwrap().put_key(&mut card).unwrap();
    assert_eq!(plain(&mut card, &SELECT), Ok(expected(0x03)));
    let mut card = active_card(&office, &plan());
    assert_eq!(plain(&mut card, &SELECT), Ok(expected(0x05)));

    let mut other = SELECT;
    other[12] = 0x02;
    assert_eq!(status(&mut card, &other), 0x6A82);
    other = SELECT;
    other[3] = 0x04;
    assert_eq!(status(&mut card, &other), 0x6A86);
}

#[test]
fn a_blank_card_takes_nothing_but_keys() {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    for header in HEADERS {
        assert_eq!(
            host.secure.status(&mut card, header, &[]),
            0x6985,
            "{header:02X?}"
        );
    }
    let status = host.card_status(&mut card).unwrap();
    assert_eq!(
        (status.life_cycle, status.key_version, status.flags),
        (LifeCycle::Blank, 1, 0)
    );
    host.put_key(&mut card).unwrap();
    assert_eq!(
        host.card_status(&mut card).unwrap().life_cycle,
        LifeCycle::Personalizing
    );
}

#[test]
fn keys_come_one_version_after_the_other_and_whole() {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    let put = |host: &mut IssuerHost, card: &mut Card, data: &[u8]| {
        host.secure.status(card, [0x80, 0xD8, 0x00, 0x81], data)
    };
    let right = encode_put_key(2, &issuer_keys(2), &host.keys.dek).unwrap();
    for version in [0, 1, 3, 0xFF] {
        let data = encode_put_key(version, &issuer_keys(2), &host.keys.dek).unwrap();
        assert_eq!(put(&mut host, &mut card, &data), 0x6A80, "version {version}");
    }
    let other_dek = encode_put_key(2, &issuer_keys(2), &issuer_keys(9).dek).unwrap();
    assert_eq!(put(&mut host, &mut card, &other_dek), 0x6A80);
    for place in 0..right.len() {
        let mut damaged = right;
        damaged[place] ^= 0x01;
        assert_eq!(put(&mut host, &mut card, &damaged), 0x6A80, "byte {place}");
        assert_eq!(
            put(&mut host, &mut card, &right[..place]),
            0x6A80,
            "{place} bytes"
        );
    }
    assert_eq!(host.card_status(&mut card).unwrap().key_version, 1);
    assert_eq!(
        host.secure.status(&mut card, [0x80, 0xD8, 0x01, 0x81], &right),
        0x6A86
    );
    host.put_key(&mut card).unwrap();
    // The session stays open, under the keys it began with; the next one needs the new keys.
    assert_eq!(host.card_status(&mut card).unwrap().key_version, 2);
    assert_eq!(IssuerHost::open(&mut card).unwrap().key_version, 2);
}

#[test]
fn key_versions_end_at_7f() {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    for version in 2..=0x7F {
        host.put_key(&mut card).unwrap();
        assert_eq!(host.key_version, version);
    }
    let data = encode_put_key(0x80, &issuer_keys(0x80), &host.keys.dek).unwrap();
    assert_eq!(
        host.secure.status(&mut card, [0x80, 0xD8, 0x00, 0x81], &data),
        0x6A80
    );
    assert_eq!(host.card_status(&mut card).unwrap().key_version, 0x7F);
}

/// One EXTERNAL AUTHENTICATE under `keys`.
fn authenticate(card: &mut Card, keys: &StaticKeys) -> u16 {
    plain(card, &SELECT).unwrap();
    let handshake = HostHandshake::new([7; 8]);
    let (answer, data) = raw(card, &handshake.initialize_update(0)).unwrap();
    if answer.0 != 0x9000 {
        return answer.0;
    }
    let mut response = InitializeUpdateResponse::parse(&data).unwrap();
    // A wrong host does not mind the card's cryptogram: it computes the one it expects.
    response.card_cryptogram = expected_cryptogram(keys, &handshake, &response);
    let (_, apdu) = handshake.card_response(keys, &response).unwrap();
    status(card, &apdu)
}

fn expected_cryptogram(
    keys: &StaticKeys,
    handshake: &HostHandshake,
    response: &InitializeUpdateResponse,
) -> [u8; 8] {
    use card_spec::apdu::Command;
    use card_spec::scp03::CardHandshake;
    let apdu = handshake.initialize_update(0);
    let command = Command::parse(&apdu).unwrap();
    let challenge = response.card_challenge;
    let (_, answer) = CardHandshake::initialize_update(
        &command,
        keys,
        response.key_version,
        response.chip_serial,
        challenge,
    )
    .unwrap();
    InitializeUpdateResponse::parse(&answer).unwrap().card_cryptogram
}

#[test]
fn ten_wrong_keys_in_a_row_end_it_until_power_off() {
    let mut card = blank_card();
    let (right, wrong) = (transport_keys(), issuer_keys(5));
    for _ in 0..9 {
        assert_eq!(authenticate(&mut card, &wrong), 0x6982);
    }
    // A right one clears the count.
    assert_eq!(authenticate(&mut card, &right), 0x9000);
    for _ in 0..10 {
        assert_eq!(authenticate(&mut card, &wrong), 0x6982);
    }
    assert_eq!(authenticate(&mut card, &right), 0x6983);
    card.reset();
    assert_eq!(authenticate(&mut card, &right), 0x9000);
}

#[test]
fn a_failed_or_repeated_authentication_leaves_no_session() {
    let mut card = blank_card();
    let handshake = HostHandshake::new([7; 8]);
    let open = |card: &mut Card| {
        plain(card, &SELECT).unwrap();
        let handshake = HostHandshake::new([7; 8]);
        let data = plain(card, &handshake.initialize_update(0)).unwrap();
        let response = InitializeUpdateResponse::parse(&data).unwrap();
        handshake.card_response(&transport_keys(), &response).unwrap().1
    };
    for place in 5..21 {
        let mut apdu = open(&mut card);
        apdu[place] ^= 0x80;
        assert_eq!(status(&mut card, &apdu), 0x6982, "byte {place}");
        // Dead: even the right one, even a new challenge.
        apdu[place] ^= 0x80;
        assert_eq!(status(&mut card, &apdu), 0x6982);
        assert_eq!(status(&mut card, &handshake.initialize_update(0)), 0x6982);
        card.reset();
    }
    // Replayed after success it is a plain command in a session.
    let apdu = open(&mut card);
    assert_eq!(status(&mut card, &apdu), 0x9000);
    assert_eq!(status(&mut card, &apdu), 0x6988);
    assert_eq!(status(&mut card, &apdu), 0x6982);
}

#[test]
fn only_the_full_security_level() {
    for level in [
        SecurityLevel::C_MAC,
        SecurityLevel::C_MAC_C_DECRYPTION,
        SecurityLevel::C_MAC_R_MAC,
    ] {
        let mut card = blank_card();
        plain(&mut card, &SELECT).unwrap();
        let handshake = HostHandshake::new([7; 8]).at_level(level);
        let data = plain(&mut card, &handshake.initialize_update(0)).unwrap();
        let response = InitializeUpdateResponse::parse(&data).unwrap();
        let (_, apdu) = handshake.card_response(&transport_keys(), &response).unwrap();
        assert_eq!(status(&mut card, &apdu), 0x6A86);
    }
}

#[test]
fn initialize_update_has_one_form() {
    let mut card = blank_card();
    let right = HostHandshake::new([7; 8]).initialize_update(0);
    assert_eq!(status(&mut card, &right), 0x6982, "nothing before SELECT");
    plain(&mut card, &SELECT).unwrap();
    let with = |place: usize, value: u8| {
        let mut apdu = right;
        apdu[place] = value;
        apdu
    };
    assert_eq!(status(&mut card, &with(2, 0x01)), 0x6A86);
    assert_eq!(status(&mut card, &with(3, 0x01)), 0x6A86);
    assert_eq!(status(&mut card, &with(0, 0x00)), 0x6D00);
    assert_eq!(status(&mut card, &with(0, 0x81)), 0x6E00);
    assert_eq!(
        status(&mut card, &[0x80, 0x50, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7]),
        0x6700
    );
    assert_eq!(status(&mut card, &right[..12]), 0x6700);
    assert_eq!(status(&mut card, &right), 0x9000);
}

#[test]
fn key_pairs_change_until_a_cso_names_them() {
    let office = Office::new();
    let (mut card, mut host, first) = card_with_keys();
    let proven = host.key_pairs(&mut card, 1, plan().number).unwrap();
    assert_eq!(
        (proven.agreement_key, proven.signing_key),
        (first.agreement_key, first.signing_key)
    );
    let second = host.key_pairs(&mut card, 0, plan().number).unwrap();
    assert_ne!(first.signing_key, second.signing_key);
    assert_ne!(first.agreement_key, second.agreement_key);

    // A CSO for keys that are gone binds nothing; one for the present keys does, and starting anew does not free them.
    host.store(&mut card, &objects(&office, &plan(), &first).concatenated(), 223)
        .unwrap();
    let third = host.key_pairs(&mut card, 0, plan().number).unwrap();
    let loaded = objects(&office, &plan(), &third).concatenated();
    host.store(&mut card, &loaded, 223).unwrap();
    let again = Err(Failure::Refused(card_spec::apdu::StatusWord(0x6985)));
    assert_eq!(host.key_pairs(&mut card, 0, plan().number), again);
    assert_eq!(
        host.secure
            .status(&mut card, [0x80, 0xE2, 0x00, 0x00], &loaded[..100]),
        0x9000
    );
    assert_eq!(host.key_pairs(&mut card, 0, plan().number), again);
    assert!(host.key_pairs(&mut card, 1, plan().number).is_ok());
}

#[test]
fn there_is_nothing_to_prove_without_keys() {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    host.put_key(&mut card).unwrap();
    let none = card_spec::apdu::StatusWord(0x6A88);
    assert_eq!(
        host.key_pairs(&mut card, 1, plan().number),
        Err(Failure::Refused(none))
    );
    assert_eq!(
        host.secure.status(&mut card, [0x80, 0x47, 0x02, 0x00], &[]),
        0x6A86
    );
    assert_eq!(
        host.secure
            .status(&mut card, [0x80, 0x47, 0x00, 0x00], &[0x5A, 0]),
        0x6A80
    );
    let flags = host.card_status(&mut card).unwrap().flags;
    assert_eq!(flags & CardStatus::KEYS_PRESENT, 0, "a refused command made keys");
}

#[test]
fn data_come_in_order_and_fit() {
    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    let data = objects(&office, &plan(), &keys).concatenated();
    let send = |host: &mut IssuerHost, card: &mut Card, p1: u8, p2: u8, block: &[u8]| {
        host.secure.status(card, [0x80, 0xE2, p1, p2], block)
    };
    // A block that is not the next one is refused and changes nothing: the next one still fits.
    assert_eq!(send(&mut host, &mut card, 0x00, 1, &data[..100]), 0x6A86);
    assert_eq!(send(&mut host, &mut card, 0x00, 0, &data[..100]), 0x9000);
    for number in [2, 1 + 16, 0xFF] {
        assert_eq!(send(&mut host, &mut card, 0x00, number, &data[100..200]), 0x6A86);
    }
    assert_eq!(send(&mut host, &mut card, 0x40, 1, &data[100..200]), 0x6A86);
    assert_eq!(send(&mut host, &mut card, 0x00, 1, &[]), 0x6700);
    assert_eq!(
        send(&mut host, &mut card, 0x80, 1, &data[100..200]),
        0x6A80,
        "not the last block of anything"
    );
    for (block, number) in data[100..].chunks(200).zip(1..) {
        assert_eq!(send(&mut host, &mut card, 0x00, number, block), 0x9000);
    }
    // A loading belongs to its session.
    host = IssuerHost::open(&mut card).unwrap();
    assert_eq!(send(&mut host, &mut card, 0x80, 1, &data[..100]), 0x6A86);
    // An unfinished or a shortened loading is none.
    host.store(&mut card, &data, 223).unwrap();
    assert_eq!(send(&mut host, &mut card, 0x00, 0, &data[..100]), 0x9000);
    assert_eq!(
        host.card_status(&mut card).unwrap().flags & CardStatus::DATA_LOADED,
        0
    );
    assert_eq!(send(&mut host, &mut card, 0x80, 1, &data[100..300]), 0x6A80);
    assert_eq!(host.card_status(&mut card).unwrap().cso_hash, None);
    // 8,704 bytes and not one more.
    let large = [0x5A; 39 * 223];
    for (number, block) in large.chunks(223).enumerate() {
        assert_eq!(send(&mut host, &mut card, 0x00, number as u8, block), 0x9000);
    }
    assert_eq!(send(&mut host, &mut card, 0x00, 39, &large[..8]), 0x6A84);
    assert_eq!(send(&mut host, &mut card, 0x00, 39, &large[..7]), 0x9000);
    assert_eq!(send(&mut host, &mut card, 0x00, 40, &large[..1]), 0x6A84);
    // Numbers of blocks end before the room does, if blocks are short, and none is used twice.
    for number in 0..=0xFF {
        assert_eq!(send(&mut host, &mut card, 0x00, number, &[0x5A]), 0x9000);
    }
    assert_eq!(send(&mut host, &mut card, 0x00, 0xFF, &[0x5A]), 0x6A86);
    // Blocks of any size give the same card.
    for size in [1 + data.len() / 200, 37, 200, 223] {
        host.store(&mut card, &data, size).unwrap();
        host.set_pin(&mut card, b"123456").unwrap();
        assert!(host.secure.done(&mut card, [0x80, 0xB0, 0x9D, 0x00], &[]).is_ok());
    }
    host.activate(&mut card).unwrap();
}

#[test]
fn a_loading_is_the_eight_objects_in_order_and_nothing_else() {
    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    let right = objects(&office, &plan(), &keys);
    let whole = right.concatenated();
    let changed = |change: &dyn Fn(&mut Objects)| {
        let mut objects = right.clone();
        change(&mut objects);
        objects.concatenated()
    };
    let wrong = [
        changed(&|objects| objects.groups.swap(0, 1)),
        changed(&|objects| std::mem::swap(&mut objects.cso, &mut objects.issuer)),
        changed(&|objects| objects.anchor.clear()),
        changed(&|objects| objects.groups[2].clear()),
        changed(&|objects| objects.groups[4].clear()),
        changed(&|objects| objects.groups[4] = objects.groups[3].clone()),
        // An object of 769 bytes; a CSO that is none.
        changed(&|objects| {
            objects.groups[4] = [&[0xFF, 0x36, 0x82, 0x02, 0xFC][..], &[0; 0x2FC][..]].concat();
        }),
        changed(&|objects| objects.cso = vec![0xFF, 0x20, 0x02, 0x80, 0x00]),
        [&whole[..], &[0x00]].concat(),
        [&whole[..], &right.groups[4]].concat(),
        whole[..whole.len() - 1].to_vec(),
    ];
    for (number, data) in wrong.iter().enumerate() {
        assert_eq!(
            host.store(&mut card, data, 223),
            Err(Failure::Refused(card_spec::apdu::StatusWord(0x6A80))),
            "loading {number}"
        );
        let flags = host.card_status(&mut card).unwrap().flags;
        assert_eq!(flags & CardStatus::DATA_LOADED, 0, "loading {number}");
    }
    // None of them bound the keys.
    host.key_pairs(&mut card, 0, plan().number).unwrap();
}

#[test]
fn a_refused_first_block_leaves_what_is_loaded() {
    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    let data = objects(&office, &plan(), &keys).concatenated();
    host.store(&mut card, &data, 223).unwrap();
    let before = card.memory().slots.clone();
    let refused: [(u8, &[u8], u16); 4] = [
        // The last block of a loading that cannot be one.
        (0x80, &data[..223], 0x6A80),
        (0x80, &[0x5A], 0x6A80),
        (0x00, &[], 0x6700),
        (0x40, &data[..223], 0x6A86),
    ];
    for (p1, block, status) in refused {
        assert_eq!(
            host.secure.status(&mut card, [0x80, 0xE2, p1, 0x00], block),
            status
        );
        assert!(card.memory().slots == before, "{p1:02X}: a refused block wrote");
    }
    // Nor does it end a loading that is under way.
    for (number, block) in data.chunks(223).enumerate() {
        let last = (number + 1) * 223 >= data.len();
        let header = [0x80, 0xE2, if last { 0x80 } else { 0x00 }, number as u8];
        host.secure.done(&mut card, header, block).unwrap();
        if !last {
            assert_eq!(
                host.secure
                    .status(&mut card, [0x80, 0xE2, 0x80, 0x00], &data[..223]),
                0x6A80
            );
        }
    }
    host.set_pin(&mut card, &plan().pin).unwrap();
    host.activate(&mut card).unwrap();
}

#[test]
fn a_pin_is_six_digits() {
    let (mut card, mut host, _) = card_with_keys();
    for wrong in [
        &b""[..],
        b"12345",
        b"1234567",
        b"12345a",
        b"12345\xFF",
        b"\x12\x34\x56\xFF\xFF\xFF",
    ] {
        assert_eq!(
            host.secure.status(&mut card, [0x80, 0x24, 0x01, 0x81], wrong),
            0x6A80,
            "{wrong:?}"
        );
    }
    assert_eq!(
        host.secure.status(&mut card, [0x80, 0x24, 0x00, 0x81], b"123456"),
        0x6A86
    );
    assert_eq!(
        host.card_status(&mut card).unwrap().flags & CardStatus::PIN_SET,
        0
    );
    host.set_pin(&mut card, b"123456").unwrap();
    assert_eq!(
        host.card_status(&mut card).unwrap().flags & CardStatus::PIN_SET,
        CardStatus::PIN_SET
    );
}

#[test]
fn activating_again_forgets_no_payment() {
    let mut till = Till::new();
    let order = till.order();
    let standing = till.pays(&order);
    let before = till.card.memory().slots.clone();
    let mut host = IssuerHost::open(&mut till.card).unwrap();
    host.activate(&mut till.card).unwrap();
    assert!(till.card.memory().slots == before, "an active card was activated");
    assert_eq!(host.card_status(&mut till.card).unwrap().counter, 1);
    let mut session = Terminal::new(&Office::new()).open(&mut till.card).unwrap();
    let again = session.order((2026, 11), 1_000_000, 2);
    assert_eq!(session.disburse(&mut till.card, &again), Ok((0x6340, standing)));
}

#[test]
fn parameters_and_data_are_as_the_clause_has_them() {
    let office = Office::new();
    let (mut card, mut host, keys) = card_with_keys();
    host.store(&mut card, &objects(&office, &plan(), &keys).concatenated(), 223)
        .unwrap();
    host.set_pin(&mut card, &plan().pin).unwrap();
    let refused: [([u8; 4], &[u8], u16); 7] = [
        ([0x80, 0x44, 0x01, 0x00], &[], 0x6A86),
        ([0x80, 0x44, 0x00, 0x01], &[], 0x6A86),
        ([0x80, 0x44, 0x00, 0x00], &[0], 0x6700),
        ([0x80, 0xCA, 0xFF, 0x3F], &[0], 0x6700),
        ([0x80, 0xCA, 0xFF, 0x3E], &[], 0x6A88),
        ([0x80, 0xB0, 0x9D, 0x00], &[0], 0x6700),
        ([0x80, 0x47, 0x01, 0x01], &[], 0x6A86),
    ];
    for (header, data, status) in refused {
        assert_eq!(
            host.secure.status(&mut card, header, data),
            status,
            "{header:02X?}"
        );
    }
    assert_eq!(
        host.card_status(&mut card).unwrap().life_cycle,
        LifeCycle::Personalizing
    );
    host.activate(&mut card).unwrap();
}

#[test]
fn an_active_card_gives_the_issuer_no_hold_on_money() {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    let mut host = IssuerHost::open(&mut card).unwrap();
    let before = card.memory().slots.clone();
    // Keys, a new PIN without permission, and all that is a terminal's. An update (E2) counts for nothing yet (13.6).
    for (instruction, expected) in [
        (0x47, 0x6985),
        (0x24, 0x6985),
        (0x20, 0x6D00),
        (0x54, 0x6D00),
        (0x56, 0x6D00),
    ] {
        let answer = host
            .secure
            .status(&mut card, [0x80, instruction, 0x00, 0x00], &[0x5A; 20]);
        assert_eq!(answer, expected, "{instruction:02X}");
    }
    host.activate(&mut card).unwrap();
    assert!(card.memory().slots == before);
    let status = host.card_status(&mut card).unwrap();
    assert_eq!(
        (status.life_cycle, status.flags, status.pin_tries),
        (LifeCycle::Active, 7, 3)
    );
    assert_eq!(
        (status.counter, status.head, status.date),
        (0, status.cso_hash, Some(plan().dates.0))
    );
    host.put_key(&mut card).unwrap();
    assert_eq!(IssuerHost::open(&mut card).unwrap().key_version, 3);
}

#[test]
fn the_issuer_reads_every_file_back() {
    let office = Office::new();
    let mut card = active_card(&office, &plan());
    let mut host = IssuerHost::open(&mut card).unwrap();
    let groups = common::issuer::groups(&plan());
    for (file, group) in [0x81, 0x83, 0x84, 0x85, 0x86].into_iter().zip(&groups) {
        let first = host
            .secure
            .done(&mut card, [0x80, 0xB0, file, 0x00], &[])
            .unwrap();
        assert_eq!(first, group[..group.len().min(239)]);
        let [high, low] = (group.len() as u16).to_be_bytes();
        assert_eq!(
            host.secure.status(&mut card, [0x80, 0xB0, high, low], &[]),
            0x6B00
        );
        assert_eq!(
            host.secure
                .done(&mut card, [0x80, 0xB0, 0x00, 0x05], &[])
                .unwrap(),
            first[5..]
        );
    }
    for missing in [0x80, 0x82, 0x87, 0x9E] {
        assert_eq!(
            host.secure.status(&mut card, [0x80, 0xB0, missing, 0x00], &[]),
            0x6A82
        );
    }
}
