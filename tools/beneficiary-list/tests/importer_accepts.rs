//! The importer takes what the generator makes, and the cases that a list must have are in it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;

use ansinh_import::{Checked, WarningCode, check};
use ansinh_reference::Reference;
use beneficiary_list::{Template, generate};

fn template(people: u32, seed: u64) -> Template {
    Template {
        people,
        seed,
        period: "202611".to_owned(),
    }
}

fn checked(template: &Template) -> Checked {
    let list = generate(template).unwrap();
    check(&list, "list.csv", &Reference::load().unwrap(), "79")
        .unwrap_or_else(|rejected| panic!("{:#?}", rejected.errors))
}

#[test]
fn twenty_people_have_every_case() {
    let Checked { list, warnings, .. } = checked(&template(20, 1));
    // Of minority names; nothing else is unusual.
    assert!(
        warnings
            .iter()
            .all(|one| one.warning == Some(WarningCode::UnusualLetters))
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(list.lines.len(), 21);
    let people: HashSet<_> = list.lines.iter().map(|line| &line.person.personal_id).collect();
    assert_eq!(people.len(), 20);
    assert_eq!(
        list.lines
            .iter()
            .filter(|line| line.representative.is_some())
            .count(),
        1
    );
    assert!(
        list.lines
            .iter()
            .any(|line| line.person.birth_date.ends_with("0000"))
    );
    assert!(
        list.lines
            .iter()
            .any(|line| line.person.full_name.chars().count() > 50)
    );
    for letter in ["F", "J", "W", "Z", "ŭ"] {
        assert!(
            list.lines
                .iter()
                .any(|line| line.person.full_name.contains(letter)),
            "no {letter}"
        );
    }
}

#[test]
fn small_and_large_lists_of_several_seeds_are_accepted() {
    for (people, seed) in [(1, 1), (2, 9), (7, 3), (400, 7), (5_000, 1)] {
        let lines = checked(&template(people, seed)).list.lines.len();
        assert_eq!(lines, people as usize + 1, "{people} people, seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    assert_eq!(
        generate(&template(50, 1)).unwrap(),
        generate(&template(50, 1)).unwrap()
    );
    assert_ne!(
        generate(&template(50, 1)).unwrap(),
        generate(&template(50, 2)).unwrap()
    );
}
