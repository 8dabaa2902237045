//! Files: one flipped byte each, other names, files removed.

use ansinh_audit::Code;
use vectors::{World, pem, secret};

use crate::{BLOCK_LIST, Files, JOURNAL, LIST, audit_files, card_file, codes, files_give, flip_last};

#[test]
fn a_flipped_byte_in_a_certificate() {
    files_give(
        |files| flip_last(files, "certificates/VNTCA00001.cvc"),
        &[
            Code::CertificateSignature,
            Code::CertificateAuthority, // of the terminals below it
            Code::KeyFile,
            Code::JournalKey,
        ],
    );
}

#[test]
fn a_flipped_byte_in_the_root_certificate() {
    let report = audit_files(&{
        let mut files = World::standard().all_files();
        flip_last(&mut files, "certificates/VNROOT00001.cvc");
        files
    });
    assert!(codes(&report).contains(&"root-missing"));
    assert_eq!((report.totals.payments, report.totals.unproven_payments), (0, 4));
}

#[test]
fn a_flipped_byte_in_a_key_file() {
    let swap = |files: &mut Files| files.insert("issuer.pem".into(), pem(&secret("somebody").public_key()));
    files_give(|files| drop(swap(files)), &[Code::KeyFile]);
    files_give(
        |files| files.get_mut("terminal-VNT0000001.pem").unwrap()[40] = b'!',
        &[Code::Encoding],
    );
}

#[test]
fn a_flipped_byte_in_a_cso() {
    let report = files_give(
        |files| flip_last(files, &card_file(files, 2, "cso.tlv")),
        &[Code::CsoSignature, Code::CsoExport],
    );
    assert_eq!(report.totals.payments, 4, "card 2 was not paid");
}

#[test]
fn payments_of_a_card_without_a_valid_cso_are_not_proven() {
    let report = files_give(
        |files| flip_last(files, &card_file(files, 0, "cso.tlv")),
        &[Code::CsoSignature, Code::CsoExport],
    );
    assert_eq!((report.totals.payments, report.totals.unproven_payments), (2, 2));
}

#[test]
fn a_flipped_byte_in_the_files_beside_a_cso() {
    for name in ["cso.signed.bin", "cso.sig.der"] {
        files_give(
            |files| flip_last(files, &card_file(files, 1, name)),
            &[Code::CsoExport],
        );
    }
    let other = pem(&secret("somebody").public_key());
    files_give(
        |files| *files.get_mut(&card_file(files, 1, "card-signing.pem")).unwrap() = other,
        &[Code::CsoExport],
    );
}

#[test]
fn a_flipped_byte_in_a_list() {
    // In the Merkle root: the header has another hash then, and the root is no order's.
    files_give(
        |files| files.get_mut(LIST).unwrap()[100] ^= 1,
        &[
            Code::ListSignature,
            Code::ListRoot,
            Code::IssuerPrevious,
            Code::ListMissing,
            Code::OrderList,
        ],
    );
}

#[test]
fn a_changed_amount_in_a_list() {
    // The last amount byte of the last line, before the three bytes of the recipients.
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        let place = list.len() - 4;
        list[place] ^= 1;
    };
    files_give(change, &[Code::ListTotal, Code::ListRoot, Code::OrderLine]);
}

#[test]
fn a_line_removed_from_a_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        list.truncate(list.len() - 120);
    };
    files_give(
        change,
        &[Code::ListCount, Code::ListTotal, Code::ListRoot, Code::OrderLine],
    );
}

#[test]
fn lines_swapped_in_a_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(LIST).unwrap();
        let end = list.len();
        list[end - 120..].rotate_left(60);
    };
    files_give(change, &[Code::ListLineNumber, Code::ListRoot]);
}

#[test]
fn junk_behind_a_list() {
    let report = files_give(|files| files.get_mut(LIST).unwrap().push(0), &[Code::Encoding]);
    assert!(report.findings[0].place.offset.is_some());
}

#[test]
fn an_empty_list_file() {
    files_give(
        |files| files.get_mut(LIST).unwrap().clear(),
        &[
            Code::Encoding,
            Code::IssuerGap,
            Code::ListMissing,
            Code::OrderList,
        ],
    );
}

#[test]
fn a_flipped_byte_in_a_block_list() {
    let place = |files: &Files| files[BLOCK_LIST].len() - 16 - 1; // the header's signature
    files_give(
        |files| {
            let place = place(files);
            files.get_mut(BLOCK_LIST).unwrap()[place] ^= 1;
        },
        &[Code::BlockListSignature],
    );
    files_give(|files| flip_last(files, BLOCK_LIST), &[Code::Encoding]);
    // Reason 1 becomes 3: another valid entry.
    files_give(
        |files| *files.get_mut(BLOCK_LIST).unwrap().last_mut().unwrap() = 3,
        &[Code::BlockListRoot],
    );
}

#[test]
fn an_entry_removed_from_a_block_list() {
    let change = |files: &mut Files| {
        let list = files.get_mut(BLOCK_LIST).unwrap();
        list.truncate(list.len() - 16);
    };
    files_give(change, &[Code::BlockListCount, Code::BlockListRoot]);
}

#[test]
fn a_flipped_byte_in_an_acknowledgement() {
    let report = files_give(
        |files| flip_last(files, "acks/VNT0000001-12.ack"),
        &[Code::AcknowledgementSignature],
    );
    assert_eq!(report.terminals[0].acknowledged, None);
}

#[test]
fn a_flipped_byte_in_a_receipt_file() {
    for name in ["signed.bin", "sig.der"] {
        files_give(
            |files| flip_last(files, &format!("receipts/VNT0000001-6.{name}")),
            &[Code::ReceiptFile],
        );
    }
}

#[test]
fn renamed_files() {
    let rename = |files: &mut Files, from: &str, to: &str| {
        let content = files.remove(from).unwrap();
        files.insert(to.into(), content);
    };
    files_give(|files| rename(files, LIST, "lists/other.list"), &[Code::FileName]);
    files_give(
        |files| rename(files, BLOCK_LIST, "blocklists/7.blocklist"),
        &[Code::FileName],
    );
    files_give(
        |files| {
            rename(
                files,
                "certificates/VNTCA00001.cvc",
                "certificates/VNTCA00002.cvc",
            )
        },
        &[Code::FileName],
    );
    files_give(
        |files| rename(files, "acks/VNT0000001-12.ack", "acks/VNT0000001-11.ack"),
        &[Code::FileName],
    );
    files_give(
        |files| {
            rename(
                files,
                "receipts/VNT0000001-6.signed.bin",
                "receipts/VNT0000001-7.signed.bin",
            )
        },
        &[Code::ReceiptUnpaid],
    );
}

#[test]
fn a_removed_cso() {
    files_give(
        |files| files.retain(|path, _| !path.starts_with(card_folder().as_str())),
        &[Code::IssuerGap, Code::ListLineCard],
    );
    fn card_folder() -> String {
        format!("cards/{}", World::standard().cards[2].number)
    }
}

#[test]
fn a_removed_cso_of_a_paid_card() {
    let report = files_give(
        |files| {
            let folder = format!("cards/{}", World::standard().cards[1].number);
            files.retain(|path, _| !path.starts_with(&folder));
        },
        &[Code::IssuerGap, Code::ListLineCard, Code::CardUnknown],
    );
    assert_eq!(report.issuers[0].missing, [(2, 2)]);
    assert_eq!(report.totals.unproven_payments, 1);
}

#[test]
fn a_card_folder_without_its_cso() {
    files_give(
        |files| drop(files.remove(&card_file(files, 2, "cso.tlv"))),
        &[Code::CsoMissing, Code::IssuerGap],
    );
}

#[test]
fn a_removed_list_and_a_removed_block_list() {
    files_give(
        |files| drop(files.remove(LIST)),
        &[Code::IssuerGap, Code::ListMissing, Code::OrderList],
    );
    // It is the issuer's last object: only the journals still show it.
    files_give(|files| drop(files.remove(BLOCK_LIST)), &[Code::BlockListMissing]);
}

#[test]
fn a_removed_journal() {
    let report = files_give(|files| drop(files.remove(JOURNAL)), &[Code::JournalMissing]);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.text.contains("entries 1 to 12"))
    );
}

#[test]
fn removed_acknowledgements_and_receipts_are_a_smaller_audit() {
    let report = files_give(
        |files| files.retain(|path, _| !path.starts_with("acks") && !path.starts_with("rec")),
        &[],
    );
    assert_eq!(report.notes.len(), 2, "{report}");
}

#[test]
fn copies_for_cvc_print_must_be_the_same() {
    let copy = |files: &mut Files| {
        let certificate = files["certificates/VNTCA00001.cvc"].clone();
        files.insert("VNTCA00001".into(), certificate);
    };
    let report = files_give(copy, &[]);
    assert_eq!((report.counts.certificates, report.unknown_files.len()), (7, 0));
    files_give(
        |files| {
            copy(files);
            flip_last(files, "VNTCA00001");
        },
        &[Code::CertificateSignature],
    );
}
