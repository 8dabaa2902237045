//! What the issuer signs: cards, lists, block lists, acknowledgements, certificates.

use ansinh_audit::Code;
use card_spec::certificate::{Flags, Role};
use card_spec::cso::CardSecurityObject;
use card_spec::list::ListHeader;
use card_spec::payment::LineType;
use card_spec::signed::Signed;
use card_spec::values::{Amount, Time};
use vectors::{LineSpec, Person, World, pem, secret, sign};

use crate::{BLOCK_LIST, assert_found, issue_sixth, november, world_gives};

#[test]
fn a_card_number_given_twice() {
    world_gives(
        |world| {
            let path = format!("cards/{}/cso.tlv", world.cards[4].number);
            let (honest, key) = (world.files[&path].clone(), world.cards[4].signing.public_key());
            world.issue(5, &Person::numbered(77));
            let second = world.files.insert(path.clone(), honest).unwrap();
            let folder = format!("cards/{}", world.cards[4].number);
            world
                .files
                .retain(|path, _| !path.starts_with(&folder) || path.ends_with("cso.tlv"));
            world
                .files
                .insert(format!("{folder}/card-signing.pem"), pem(&key));
            world.files.insert(format!("copy/{path}"), second);
        },
        &[Code::CardTwice],
    );
}

#[test]
fn a_person_with_two_live_cards() {
    let second = |world: &mut World| {
        world.issue(
            6,
            &Person {
                keys: "card 6".into(),
                ..Person::numbered(1)
            },
        );
    };
    world_gives(second, &[Code::PersonTwice]);
    world_gives(
        |world| {
            second(world);
            world.issue_block_list(&[0, 4]); // the first one is reported lost
        },
        &[],
    );
}

/// DATA 4.1: numbers go on when an issuer changes its key, so one list is its newest, not one for each key.
#[test]
fn a_card_that_only_the_last_list_under_the_key_before_blocks_is_live() {
    let rekeyed = |world: &mut World| {
        let second = Person {
            keys: "card 6".into(),
            ..Person::numbered(1)
        };
        world.issue(6, &second);
        world.issue_block_list(&[0, 4]);
        world.change_issuer_key();
        world.issue_block_list(&[0, 4])
    };
    world_gives(|world| _ = rekeyed(world), &[]);
    world_gives(
        |world| {
            let base = rekeyed(world);
            let changes = [world.unblocked(0)];
            world.issue_block_delta(&base, &[4], &changes);
        },
        &[Code::PersonTwice],
    );
}

#[test]
fn a_key_on_two_cards() {
    world_gives(
        |world| {
            _ = world.issue(
                6,
                &Person {
                    keys: "card 1".into(),
                    ..Person::numbered(6)
                },
            )
        },
        &[Code::CardKeyTwice],
    );
}

#[test]
fn objects_signed_with_a_wrong_key() {
    let forged = |change: fn(&mut World)| {
        move |world: &mut World| {
            world.issuer = secret("somebody");
            change(world);
        }
    };
    world_gives(forged(issue_sixth), &[Code::CsoSignature]);
    world_gives(
        forged(|world| _ = world.issue_block_list(&[])),
        &[Code::BlockListSignature],
    );
    let list =
        |world: &mut World| _ = world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1)]);
    world_gives(forged(list), &[Code::ListSignature]);
    let acknowledgement = |world: &mut World| {
        let acknowledgement = world.acknowledgement(0);
        world.file_acknowledgement(&acknowledgement);
    };
    world_gives(forged(acknowledgement), &[Code::AcknowledgementSignature]);
    let of_entries_to_come = |world: &mut World| {
        let mut acknowledgement = world.acknowledgement(0);
        acknowledgement.sequence = u32::MAX;
        world.file_acknowledgement(&acknowledgement);
    };
    world_gives(forged(of_entries_to_come), &[Code::AcknowledgementSignature]);
}

#[test]
fn a_forged_object_hides_nothing_in_its_issuers_sequence() {
    for before in [0, 2, 7, 4_000_000_000, u64::MAX - 1] {
        let forged = |change: fn(&mut World)| {
            move |world: &mut World| {
                // Numbers of its own, so that it replaces no file.
                (world.list_number, world.block_list_number) = (8_998, u32::MAX - 1);
                let honest = (world.issuer_sequence, world.issuer_previous);
                (world.issuer, world.issuer_sequence) = (secret("somebody"), before);
                change(world);
                world.issuer = secret("issuer");
                (world.issuer_sequence, world.issuer_previous) = honest;
                (world.list_number, world.block_list_number) = (2, 1);
                world.issue_block_list(&[4]);
                world.issue_list(0, &[LineSpec::new(1, november(), LineType::OneOff, 1)]);
            }
        };
        world_gives(forged(issue_sixth), &[Code::CsoSignature]);
        world_gives(
            forged(|world| _ = world.issue_block_list(&[])),
            &[Code::BlockListSignature],
        );
        let list =
            |world: &mut World| _ = world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1)]);
        let report = world_gives(forged(list), &[Code::ListSignature]);
        assert_eq!(report.issuers[0].last, 10);
    }
}

#[test]
fn acknowledgements_that_are_not_the_journals() {
    let give = |change: &dyn Fn(&mut card_spec::journal::Acknowledgement), expected: &[Code]| {
        world_gives(
            |world| {
                let mut acknowledgement = world.acknowledgement(0);
                change(&mut acknowledgement);
                world.file_acknowledgement(&acknowledgement);
            },
            expected,
        );
    };
    give(&|_| (), &[]);
    give(
        &|acknowledgement| acknowledgement.head = [1; 32],
        &[Code::AcknowledgementHead],
    );
    give(
        &|acknowledgement| acknowledgement.journal_key = [1; 32],
        &[Code::AcknowledgementKey],
    );
    give(
        &|acknowledgement| acknowledgement.sequence += 1,
        &[Code::JournalTruncated],
    );
    give(
        &|acknowledgement| acknowledgement.time = Time::UNSET,
        &[Code::Encoding],
    );
    give(
        &|acknowledgement| acknowledgement.issuer = vectors::reference("VNISS0100001"),
        &[Code::Issuer],
    );
}

#[test]
fn the_issuers_sequence_broken() {
    let issue = issue_sixth;
    world_gives(
        |world| {
            world.issuer_sequence += 1;
            issue(world);
        },
        &[Code::IssuerGap],
    );
    world_gives(
        |world| {
            world.issuer_sequence -= 1;
            issue(world);
        },
        &[Code::IssuerTwice],
    );
    world_gives(
        |world| {
            world.issuer_previous = [1; 32];
            issue(world);
        },
        &[Code::IssuerPrevious],
    );
    world_gives(
        |world| {
            world.block_list_number = 0;
            let honest = world.files[BLOCK_LIST].clone();
            world.issue_block_list(&[]);
            let second = world.files.insert(BLOCK_LIST.into(), honest).unwrap();
            world.files.insert("copy/blocklists/1.blocklist".into(), second);
        },
        &[Code::BlockListNumber],
    );
}

#[test]
fn lines_that_no_list_may_hold() {
    let give = |change: &dyn Fn(&World) -> Vec<card_spec::list::ListLine>, expected: &[Code]| {
        world_gives(
            |world| {
                let lines = change(world).into_iter().map(|line| (2, line)).collect();
                world.issue_lines(0, lines);
            },
            expected,
        );
    };
    let spec = LineSpec::new(2, november(), LineType::OneOff, 1_000);
    give(&|world| vec![world.line(1, &spec)], &[]);
    give(&|_| Vec::new(), &[Code::ListCount]);
    give(
        &|world| vec![world.line(1, &spec), world.line(2, &spec)],
        &[Code::ListLineTwice],
    );
    give(&|world| vec![world.line(2, &spec)], &[Code::ListLineNumber]);
    let other = |world: &World| card_spec::list::ListLine {
        card_number: world.cards[1].number,
        ..world.line(1, &spec)
    };
    give(&|world| vec![other(world)], &[Code::ListLinePerson]);
}

#[test]
fn a_list_longer_than_any_terminal_takes() {
    world_gives(
        |world| {
            let lines = (1..=4_001).map(|number| {
                let spec = LineSpec {
                    entitlement: u16::try_from(number).unwrap(),
                    ..LineSpec::new(2, november(), LineType::OneOff, 1_000)
                };
                (2, world.line(number, &spec))
            });
            let lines = lines.collect();
            let list = world.issue_lines(0, lines);
            world.load_list(0, list);
            world.pay(0, list, 4_000);
            world.pay(0, list, 4_001);
        },
        &[Code::ListCount, Code::OrderLine],
    );
}

#[test]
fn block_list_out_of_order() {
    world_gives(
        |world| {
            let numbers = [world.cards[4].number, world.cards[3].number];
            world.issue_block_entries(&numbers);
        },
        &[Code::BlockListOrder],
    );
}

#[test]
fn certificates_that_no_authority_may_sign() {
    let november = (vectors::date(2026, 11, 1), vectors::date(2026, 11, 30));
    let give = |change: &dyn Fn(&mut World), expected: &[Code]| {
        world_gives(change, expected);
    };
    let terminal_ca = |world: &mut World, holder: &str, dates| {
        let (authority, key) = (secret("terminal CA"), secret("somebody"));
        world.certify(
            "VNTCA00001",
            &authority,
            Role::TerminalJournal,
            holder,
            &key,
            dates,
        );
    };
    give(&|world| terminal_ca(world, "VNT0000009J00001", november), &[]);
    let long = (november.0, vectors::date(2026, 12, 6)); // 36 days
    give(
        &|world| terminal_ca(world, "VNT0000009J00001", long),
        &[Code::CertificateDates],
    );
    give(
        &|world| terminal_ca(world, "VNT0000009J00001", (november.1, november.0)),
        &[Code::CertificateDates],
    );
    give(
        &|world| terminal_ca(world, "VNT0000009A00001", november),
        &[Code::CertificateRole],
    );
    give(
        &|world| terminal_ca(world, "VNT0000001J00002", november),
        &[Code::TerminalKeys],
    );
    let production = |world: &mut World| {
        world.flags = Flags::Production;
        terminal_ca(world, "VNT0000009J00001", november);
    };
    give(&production, &[Code::CertificateFlags]);
    let root_signs = |world: &mut World| {
        let (root, key) = (secret("root"), secret("somebody"));
        world.certify(
            "VNROOT00001",
            &root,
            Role::TerminalJournal,
            "VNT0000009J00001",
            &key,
            november,
        );
    };
    give(&root_signs, &[Code::CertificateRole]);
    let second = |world: &mut World| {
        let honest = world.files["certificates/VNTCA00001.cvc"].clone();
        let (root, key) = (secret("root"), secret("somebody"));
        world.certify(
            "VNROOT00001",
            &root,
            Role::TerminalAuthority,
            "VNTCA00001",
            &key,
            november,
        );
        let second = world
            .files
            .insert("certificates/VNTCA00001.cvc".into(), honest)
            .unwrap();
        world
            .files
            .insert("copy/certificates/VNTCA00001.cvc".into(), second);
    };
    give(&second, &[Code::CertificateTwice]);
    let other_root = |world: &mut World| {
        let key = secret("somebody");
        world.certify("VNROOT00009", &key, Role::Root, "VNROOT00009", &key, november);
    };
    give(&other_root, &[Code::CertificateAuthority]);
}

#[test]
fn a_test_terminal_in_production() {
    let mut world = World::with_flags(Flags::Production);
    world.add_terminal(1);
    world.start(0);
    assert_found(&world.all_files(), &[Code::BootTest]);
}

/// A sixth card whose CSO `change` has altered before it was signed.
fn cso_gives(change: impl FnOnce(&mut CardSecurityObject), expected: &[Code]) {
    world_gives(
        |world| {
            issue_sixth(world);
            let folder = format!("cards/{}", world.cards[5].number);
            let honest = world.files[&format!("{folder}/cso.tlv")].clone();
            let mut cso: CardSecurityObject = *Signed::parse(&honest).unwrap().claimed();
            change(&mut cso);
            world.files.retain(|path, _| !path.starts_with(&folder));
            world
                .files
                .insert(format!("{folder}/cso.tlv"), sign(&cso, &world.issuer));
        },
        expected,
    );
}

#[test]
fn csos_that_no_issuer_may_sign() {
    cso_gives(|_| (), &[]);
    cso_gives(|cso| cso.expiry = vectors::date(2026, 11, 1), &[Code::CsoDates]);
    cso_gives(
        |cso| cso.effective = vectors::date(2025, 12, 31),
        &[Code::IssuerDates],
    );
    cso_gives(|cso| cso.signing_key = cso.agreement_key, &[Code::CardKeyTwice]);
    cso_gives(
        |cso| cso.issuer = vectors::reference("VNISS0100001"),
        &[Code::Issuer, Code::IssuerGap],
    );
}

/// A third list whose header `change` has altered before it was signed.
fn header_gives(change: impl FnOnce(&mut ListHeader<'_>), expected: &[Code]) {
    world_gives(
        |world| {
            world.issue_list(0, &[LineSpec::new(2, november(), LineType::OneOff, 1_000)]);
            let path = "lists/2026-11-0003.list";
            let honest = world.files[path].clone();
            let (header, lines) = honest.split_at(honest.len() - 60);
            let mut header: ListHeader<'_> = *Signed::parse(header).unwrap().claimed();
            change(&mut header);
            world
                .files
                .insert(path.into(), [&sign(&header, &world.issuer), lines].concat());
        },
        expected,
    );
}

#[test]
fn list_headers_that_no_issuer_may_sign() {
    header_gives(|_| (), &[]);
    header_gives(
        |header| header.expiry = vectors::date(2026, 11, 1),
        &[Code::ListDates],
    );
    header_gives(|header| header.number = 2, &[Code::ListNumber]);
    header_gives(|header| header.lines = 2, &[Code::ListCount]);
    header_gives(
        |header| header.total = Amount::new(1).unwrap(),
        &[Code::ListTotal],
    );
    header_gives(|header| header.root = [1; 32], &[Code::ListRoot]);
}
