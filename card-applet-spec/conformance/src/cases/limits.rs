//! SPEC 15: what the other modules do not bring to its end.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, check};
use crate::encoding::{objects, set, split, tlv};
use crate::issuer::{EXECUTE_SCRIPT, IssuerSession};
use crate::material::{BlockList, ISSUER, Plan, Reversal, Script, hash, node};
use crate::terminal::{DEACTIVATE_ENTRY, DEACTIVATE_LIST, DISBURSE, REVERSE, TerminalSession};

use super::issuer_scripts::execute;
use super::support::refuses;
use super::update::{card, cso_hash};

/// Where the card stands in a block list that is too long to make up: the path to it is made up instead.
const PLACE: u32 = 0x1A5A;

/// Header and proof of a list of 2^`height` entries: the card's entry, its index, and an audit path of `height` hashes.
fn tall_list(bench: &Bench, height: u8) -> (Vec<u8>, Vec<u8>) {
    let list = BlockList::with(5, &bench.material.plan.number);
    let entry = list.proof().swap_remove(0);
    let path: Vec<[u8; 32]> = (1..=height).map(|level| [level; 32]).collect();
    let mut root = hash(&[&[0x00], &entry[..]].concat());
    for (level, sibling) in path.iter().enumerate() {
        root = match PLACE >> level & 1 {
            0 => node(&root, sibling),
            _ => node(sibling, &root),
        };
    }
    let mut members = objects(split(&list.body()).2);
    set(&mut members, 0x83, &(1u32 << height).to_be_bytes());
    set(&mut members, 0x84, &root);
    let header = bench.material.signed(&tlv(0xFF25, &members.concat()), ISSUER);
    let proof = [entry, tlv(0x81, &PLACE.to_be_bytes()), tlv(0x82, &path.concat())];
    (header, proof.concat())
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "15-02",
            Stage::Active,
            "an audit path of 14 hashes, in a block list of 16,384 entries",
            "9000; life cycle 04",
            |bench| {
                let (header, proof) = tall_list(bench, 14);
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
                session.send(bench, DEACTIVATE_ENTRY, &proof)?.expect(0x9000)?;
                check(bench.select()? == Stage::Blocked, "the card is not blocked")
            },
        )
        .alone(),
        Case::new(
            "15-03",
            Stage::Active,
            "an audit path of 15 hashes, which leads to the root",
            "6A80; still active",
            |bench| {
                let (header, proof) = tall_list(bench, 15);
                let mut session = TerminalSession::open(bench)?;
                session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
                refuses(bench, &mut session.secure, DEACTIVATE_ENTRY, &proof, 0x6A80)
            },
        ),
        Case::new(
            "15-04",
            Stage::Active,
            "a portrait of 6,000 octets comes with an update",
            "in force; read back whole",
            |bench| {
                let (keys, counter) = card(bench)?;
                let plan = Plan {
                    version: 2,
                    portrait: Some((0..6_000).map(|octet| octet as u8).collect()),
                    ..bench.material.plan.clone()
                };
                let objects = bench.material.objects(&plan, &keys);
                IssuerSession::open(bench)?.store(bench, &objects.concatenated())?;
                let mut session = TerminalSession::open(bench)?;
                execute(bench, &mut session, &Script::update(counter, &cso_hash(&objects)))?;
                let mut session = TerminalSession::open(bench)?;
                check(
                    Some(session.read_file(bench, 0x02)?) == objects.portrait,
                    "not the portrait",
                )
            },
        )
        .alone(),
        Case::new(
            "15-05",
            Stage::Active,
            "the receipt counter at its end",
            "FFFFFFFF is given once; then 6348 to order, reversal, script and block list, and the last receipt to the last order",
            |bench| {
                let mut session = TerminalSession::open_verified(bench)?;
                let order = session.order(bench);
                session.pay(bench, &order)?;
                bench.set_receipt_counter(u32::MAX - 1)?;
                let last = session.order(bench);
                let object = session.disburse(bench, &last)?.expect(0x9000)?;
                let counter = session.receipt(&object)?.counter;
                check(counter == u32::MAX, "the last receipt is not number FFFFFFFF")?;
                nothing_more(bench, &mut session, &last)?;
                check(
                    session.disburse(bench, &last)?.expect(0x9000)? == object,
                    "not the last receipt",
                )
            },
        )
        .with_counter_set(),
    ]
}

/// `6348` to all that has a receipt.
fn nothing_more(bench: &mut Bench, session: &mut TerminalSession, last: &crate::material::Order) -> Outcome {
    let order = session.order(bench).encode();
    refuses(bench, &mut session.secure, DISBURSE, &order, 0x6348)?;
    let reversal = Reversal::of(last, [4; 16]).encode();
    refuses(bench, &mut session.secure, REVERSE, &reversal, 0x6348)?;
    let script = bench.material.script(&Script::fill_tries(u32::MAX));
    refuses(bench, &mut session.secure, EXECUTE_SCRIPT, &script, 0x6348)?;
    let list = BlockList::with(5, &bench.material.plan.number);
    let header = bench.material.block_list(&list);
    session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
    let proof = list.proof().concat();
    refuses(bench, &mut session.secure, DEACTIVATE_ENTRY, &proof, 0x6348)
}
