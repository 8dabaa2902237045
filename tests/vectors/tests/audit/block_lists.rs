//! Block lists that come as changes, and each way in which they do not lead to what was signed.

use ansinh_audit::Code;
use card_spec::block_delta::{BlockChange, BlockDeltaBase};
use card_spec::list::BlockEntry;
use card_spec::values::Time;
use vectors::{BlockListName, World, date};

use crate::{Files, assert_found, audit_files, audit_folders, codes, files_give, world_gives};

const DELTA: &str = "blocklists/3.blockdelta";

/// List 2 blocks cards 1 and 4; list 3, as changes to it, cards 0 and 4; terminal 0 has loaded both.
fn honest(world: &mut World) -> BlockListName {
    let second = world.issue_block_list(&[1, 4]);
    world.load_block_list(0, &second);
    let changes = [world.blocked(0), world.unblocked(1)];
    let third = world.issue_block_delta(&second, &[0, 4], &changes);
    world.load_block_list(0, &third);
    third
}

fn honest_files() -> Files {
    let mut world = World::standard();
    honest(&mut world);
    world.all_files()
}

#[track_caller]
fn delta_gives(change: impl FnOnce(&mut Vec<u8>), expected: &[Code]) {
    let mut files = honest_files();
    change(files.get_mut(DELTA).unwrap());
    assert_found(&files, expected);
}

/// A delta that is signed as it should be, for cards 0 and 4, with other changes to list 2 than it takes.
#[track_caller]
fn changes_give(changes: impl FnOnce(&World) -> Vec<BlockChange>, expected: &[Code]) {
    world_gives(
        |world| {
            let second = world.issue_block_list(&[1, 4]);
            let changes = changes(world);
            world.issue_block_delta(&second, &[0, 4], &changes);
        },
        expected,
    );
}

#[test]
fn a_delta_that_leads_to_its_list_is_clean_and_so_is_the_list_in_full_beside_it() {
    let mut files = honest_files();
    let report = assert_found(&files, &[]);
    assert_eq!(report.counts.block_lists, 3);
    let mut world = World::standard();
    world.issue_block_list(&[1, 4]);
    world.issue_block_list(&[0, 4]);
    files.insert(
        "copy/blocklists/3.blocklist".into(),
        world.files["blocklists/3.blocklist"].clone(),
    );
    assert_eq!(assert_found(&files, &[]).counts.block_lists, 3);
}

#[test]
fn a_chain_of_deltas_blocks_who_is_on_it() {
    for (card, paid) in [(0, 1), (1, 2), (2, 3)] {
        let report = world_gives(
            |world| {
                let third = honest(world);
                let changes = [world.blocked(2), world.unblocked(4)];
                let fourth = world.issue_block_delta(&third, &[0, 2], &changes);
                world.load_block_list(0, &fourth);
                let month = card_spec::values::Period::new(2026, 12).unwrap();
                let line = vectors::LineSpec::new(card, month, card_spec::payment::LineType::Regular, 1);
                let list = world.issue_list(0, &[line]);
                world.load_list(0, list);
                world.pay(0, list, 1);
            },
            match card {
                1 => &[],
                _ => &[Code::BlockedCard],
            },
        );
        assert_eq!(report.findings.len(), usize::from(paid != 2));
    }
}

#[test]
fn a_card_that_is_missing_from_the_changes() {
    let result = &[Code::BlockDeltaResult];
    changes_give(|world| vec![world.unblocked(1)], result);
    changes_give(|world| vec![world.blocked(0)], result);
    changes_give(|_| vec![], result);
    changes_give(
        |world| vec![world.blocked(0), world.unblocked(1), world.unblocked(4)],
        result,
    );
    changes_give(
        |world| vec![world.blocked(0), world.unblocked(1), world.blocked(2)],
        result,
    );
}

#[test]
fn changes_that_are_none() {
    let change = &[Code::BlockDeltaChange];
    changes_give(|world| vec![world.unblocked(1), world.blocked(0)], change);
    changes_give(
        |world| vec![world.blocked(0), world.blocked(0), world.unblocked(1)],
        change,
    );
    changes_give(|world| vec![world.blocked(0), world.unblocked(2)], change);
    changes_give(
        |world| vec![world.blocked(0), world.unblocked(1), world.blocked(4)],
        change,
    );
}

#[test]
fn a_change_that_was_edited_or_cut_off() {
    // The last change takes card 1 off the list: 13 bytes.
    delta_gives(|file| file.truncate(file.len() - 13), &[Code::BlockDeltaResult]);
    delta_gives(|file| file.truncate(file.len() - 1), &[Code::Encoding]);
    delta_gives(|file| *file.last_mut().unwrap() ^= 1, &[Code::Encoding]);
    // Reason 1 of card 0 becomes 3.
    delta_gives(
        |file| {
            let reason = file.len() - 14;
            file[reason] = 3;
        },
        &[Code::BlockDeltaResult],
    );
    let tail = BlockDeltaBase::LENGTH + BlockEntry::LENGTH + 13;
    delta_gives(
        |file| {
            let signature = file.len() - tail - 1;
            file[signature] ^= 1;
        },
        &[Code::BlockListSignature],
    );
}

#[test]
fn a_delta_without_its_base_or_with_another() {
    let base = BlockEntry::LENGTH + 13 + BlockDeltaBase::LENGTH;
    // The object is not there, or stands twice.
    delta_gives(
        |file| drop(file.drain(file.len() - base..file.len() - 29)),
        &[Code::BlockDeltaBase],
    );
    delta_gives(
        |file| {
            let object = file[file.len() - base..file.len() - 29].to_vec();
            file.extend(object);
        },
        &[Code::Encoding],
    );
    // It names another number, or another hash.
    delta_gives(
        |file| {
            let number = file.len() - base + 3 + 2 + 3;
            file[number] = 1;
        },
        &[Code::BlockDeltaBase],
    );
    delta_gives(
        |file| {
            let hash = file.len() - 29 - 1;
            file[hash] ^= 1;
        },
        &[Code::BlockDeltaBase],
    );
    // The base is not among the files: whom the delta blocks is known as far as it says.
    let mut files = honest_files();
    files.remove("blocklists/2.blocklist");
    let report = audit_files(&files);
    let missing = [Code::BlockDeltaBase, Code::BlockListMissing, Code::IssuerGap];
    let mut missing = missing.map(Code::as_str);
    missing.sort_unstable();
    assert_eq!(codes(&report), missing, "{report}");
}

#[test]
fn a_delta_to_another_list_than_it_says() {
    world_gives(
        |world| {
            let second = world.issue_block_list(&[1, 4]);
            world.issue_block_list(&[2]);
            let changes = [world.blocked(0), world.unblocked(1)];
            let other = BlockListName { number: 3, ..second };
            world.issue_block_delta(&other, &[0, 4], &changes);
        },
        &[Code::BlockDeltaBase, Code::BlockListPublication],
    );
}

/// A chain as long as whoever writes the folder likes: neither the work nor the stack grows with what lies before a list.
#[test]
fn a_long_chain_of_deltas_is_clean() {
    let mut world = World::standard();
    let mut last = world.issue_block_list(&[1]);
    for _ in 0..2_000 {
        last = world.issue_block_delta(&last, &[1], &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    world.write(folder.path()).unwrap();
    // A tenth of what a thread commonly has.
    let auditor = std::thread::Builder::new().stack_size(200 << 10);
    let audited = auditor.spawn(move || audit_folders(&[folder.path()]));
    let report = audited.unwrap().join().unwrap();
    assert!(report.clean, "{report}");
    assert_eq!(report.counts.block_lists, 2_002);
}

#[test]
fn a_delta_to_another_list_than_the_one_published_before_it() {
    let third = |between: fn(&mut World)| {
        move |world: &mut World| {
            let second = world.issue_block_list(&[1, 4]);
            between(world);
            let changes = [world.blocked(0), world.unblocked(1)];
            world.issue_block_delta(&second, &[0, 4], &changes);
        }
    };
    let publication = &[Code::BlockListPublication];
    // Numbers may have a gap; what is published behind the delta is not before it.
    world_gives(third(|world| world.block_list_number += 1), &[]);
    let behind = |world: &mut World| {
        third(|_| ())(world);
        world.issue_block_list(&[2]);
    };
    world_gives(behind, &[]);
    world_gives(third(|world| _ = world.issue_block_list(&[2])), publication);
    let delta = |world: &mut World| {
        let fork = BlockListName {
            number: 2,
            header: world.issuer_previous,
        };
        let changes = [world.unblocked(1)];
        world.issue_block_delta(&fork, &[4], &changes);
    };
    world_gives(third(delta), publication);
}

#[test]
fn a_delta_where_a_list_in_full_is_due() {
    let on = |day: u8| Time::new(date(2026, 12, day), 7, 0, 0).unwrap();
    // The list in full is of 4 November; a delta of 2 December comes 28 days later, and the next one goes back to the same.
    let after = |first: u8, second: u8| {
        move |world: &mut World| {
            let mut last = world.issue_block_list(&[4]);
            for day in [first, second] {
                world.block_list_issued = on(day);
                last = world.issue_block_delta(&last, &[4], &[]);
            }
        }
    };
    world_gives(after(1, 2), &[]);
    world_gives(after(2, 3), &[Code::BlockListPublication]);
    world_gives(
        |world| {
            world.issue_block_list(&[4]);
            world.block_list_issued = on(2);
            let full = world.issue_block_list(&[4]);
            world.block_list_issued = on(30);
            world.issue_block_delta(&full, &[4], &[]);
        },
        &[],
    );
}

#[test]
fn a_delta_as_the_first_list_under_another_key() {
    world_gives(
        |world| {
            let last = world.issue_block_list(&[4]);
            world.change_issuer_key();
            world.issue_block_delta(&last, &[4], &[]);
        },
        &[Code::BlockListPublication],
    );
}

#[test]
fn a_removed_delta_and_one_under_another_number() {
    files_give(
        |files| {
            *files = honest_files();
            files.remove(DELTA);
        },
        &[Code::BlockListMissing],
    );
    files_give(
        |files| {
            *files = honest_files();
            let delta = files.remove(DELTA).unwrap();
            files.insert("blocklists/7.blockdelta".into(), delta);
        },
        &[Code::FileName],
    );
    // Entries in full under the name of a delta are no delta, and changes under the name of a list are no list.
    files_give(
        |files| {
            *files = honest_files();
            let delta = files.remove(DELTA).unwrap();
            files.insert("blocklists/3.blocklist".into(), delta);
        },
        &[Code::Encoding],
    );
}
