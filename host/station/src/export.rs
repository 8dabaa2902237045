//! The ledger as files for people who do not trust our code (DATA 2): each signed object as it was signed, signatures in DER
//! as openssl takes them, keys in PEM, and CA certificates under the names that `cvc-print` looks for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ansinh_keys::public_key_pem;
use ansinh_store::Store;
use ansinh_store::block_lists::BlockList;
use ansinh_store::maintenance::CardReceipt;
use ansinh_store::terminals::Terminal;
use anyhow::{Context as _, Result, bail};
use card_spec::block_delta::BlockDeltaBase;
use card_spec::certificate::{Certificate, Role};
use card_spec::crypto::{PublicKey, Signature};
use card_spec::cso::CardSecurityObject;
use card_spec::journal::{Entry, Event};
use card_spec::list::BlockListHeader;
use card_spec::payment::{Receipt, ReceiptKind};
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Writer};
use card_spec::values::CardNumber;

/// How many objects of each kind were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Certificates.
    pub certificates: usize,
    /// Cards with a CSO.
    pub cards: usize,
    /// Receipts that were read back from cards, or are of issuer scripts that terminals carried.
    pub card_receipts: usize,
    /// Terminals with their journals.
    pub terminals: usize,
    /// Journal entries.
    pub entries: usize,
    /// Receipts in them.
    pub receipts: usize,
    /// Payment lists.
    pub lists: usize,
    /// Block lists, in full and as what changed.
    pub block_lists: usize,
    /// Acknowledgements.
    pub acknowledgements: usize,
    /// Lines of the operations log.
    pub operations: usize,
}

/// Writes everything into a new or empty folder that only its owner can open: the ledger goes along, with personal data, but
/// without what operators' PINs can be searched with (DATA 11.3).
/// Everything is of one moment, whatever other processes write meanwhile.
///
/// # Errors
/// If the folder is not empty or cannot be written, or if the ledger was changed from outside.
pub fn export(store: &Store, folder: &Path) -> Result<Exported> {
    let folder = Folder::create(folder)?;
    let place = tempfile::tempdir_in(&folder.0)?;
    let snapshot = place.path().join("snapshot.sqlite");
    store.copy_to(&snapshot)?;
    let snapshot = Store::open_copy_without_pins(&snapshot)?;
    let exported = export_files(&snapshot, &folder)?;
    // Copied once more: the file in use has a write-ahead log beside it and cannot be read from a read-only medium, and a new file
    // holds no octet of what was forgotten.
    snapshot.copy_to(&folder.path("store.sqlite"))?;
    Ok(exported)
}

fn export_files(store: &Store, folder: &Folder) -> Result<Exported> {
    let mut exported = Exported::default();
    for (holder, certificate) in store.certificates()? {
        write_certificate(folder, &holder, &certificate)?;
        exported.certificates += 1;
    }
    for card in store.cards()? {
        exported.cards += usize::from(card.cso.is_some());
        exported.card_receipts += write_card(store, folder, &card.number)?;
    }
    for terminal in store.terminals()? {
        let entries = store.journal(&terminal.name)?;
        exported.receipts += write_terminal(folder, &terminal, &entries)?;
        exported.entries += entries.len();
        exported.terminals += 1;
    }
    for list in store.payment_lists()? {
        let content = [list.header, list.lines.concat()].concat();
        folder.write(&format!("lists/{}.list", list.list_id), &content)?;
        exported.lists += 1;
    }
    exported.block_lists = write_block_lists(folder, &store.block_lists()?)?;
    for ack in store.acknowledgements()? {
        folder.write(
            &format!("acks/{}-{}.ack", ack.terminal, ack.sequence),
            &ack.object,
        )?;
        exported.acknowledgements += 1;
    }
    exported.operations = write_operations(store, folder)?;
    Ok(exported)
}

/// Writes each block list as it was published; gives their number.
fn write_block_lists(folder: &Folder, lists: &[BlockList]) -> Result<usize> {
    for list in lists {
        let number = list.number;
        let Some(base) = list.base else {
            let content = [&list.header[..], &list.content].concat();
            folder.write(&format!("blocklists/{number}.blocklist"), &content)?;
            continue;
        };
        let named = lists.iter().find(|list| list.number == base);
        let named = named.with_context(|| format!("block list {number}: its base {base} is not there"))?;
        let header = Signed::<BlockListHeader>::parse(&named.header)
            .with_context(|| format!("block list {base}"))?
            .hash();
        let mut buffer = [0; BlockDeltaBase::LENGTH];
        let mut writer = Writer::new(&mut buffer);
        BlockDeltaBase { number: base, header }.write(&mut writer, BlockDeltaBase::TAG)?;
        let content = [&list.header[..], writer.finish(), &list.content].concat();
        folder.write(&format!("blocklists/{number}.blockdelta"), &content)?;
    }
    Ok(lists.len())
}

/// Writes a certificate; of an authority also the key in PEM and copies under the bare reference.
fn write_certificate(folder: &Folder, holder: &str, encoding: &[u8]) -> Result<()> {
    let certificate =
        Signed::<Certificate>::parse(encoding).with_context(|| format!("certificate {holder}"))?;
    folder.write(&format!("certificates/{holder}.cvc"), encoding)?;
    let key_file = match certificate.claimed().authorization.role {
        Role::Root => "root.pem",
        Role::Issuer => "issuer.pem",
        Role::TerminalAuthority => "terminal-ca.pem",
        Role::TerminalAgreement | Role::TerminalJournal => return Ok(()),
    };
    folder.write(
        key_file,
        public_key_pem(&certificate.claimed().public_key.key)?.as_bytes(),
    )?;
    // cvc-print looks for an authority under its bare reference in --cvc-dir.
    folder.write(holder, encoding)?;
    folder.write(&format!("certificates/{holder}"), encoding)
}

/// Writes the newest version of a card into its folder, earlier ones into folders of their own in it, and the receipts that
/// are kept of it beside those in journals; gives the number of these.
fn write_card(store: &Store, folder: &Folder, number: &CardNumber) -> Result<usize> {
    let versions = store.card_versions(number)?;
    for (version, newer) in versions.iter().zip(1..) {
        let place = match versions.get(newer) {
            None => format!("cards/{number}"),
            Some(_) => format!("cards/{number}/{}", version.version),
        };
        write_version(folder, &place, &version.cso)?;
    }
    let receipts = store.card_receipts(number)?;
    for CardReceipt {
        counter,
        kind,
        receipt,
        object,
        ..
    } in &receipts
    {
        let signed =
            Signed::<Receipt>::parse(receipt).with_context(|| format!("receipt of card {number}"))?;
        let name = format!("receipts/{number}-{counter}");
        folder.write(&format!("{name}.signed.bin"), signed.signed_bytes())?;
        folder.write(&format!("{name}.sig.der"), &der(signed.signature())?)?;
        if *kind == ReceiptKind::IssuerScript as u8 {
            folder.write(&format!("{name}.script"), object)?;
        }
        if *kind == ReceiptKind::Reversal as u8 {
            folder.write(&format!("{name}.reversal"), object)?;
        }
    }
    Ok(receipts.len())
}

fn write_version(folder: &Folder, place: &str, cso: &[u8]) -> Result<()> {
    let signed = Signed::<CardSecurityObject>::parse(cso).with_context(|| place.to_owned())?;
    let place = |name: &str| format!("{place}/{name}");
    folder.write(&place("cso.tlv"), cso)?;
    folder.write(&place("cso.signed.bin"), signed.signed_bytes())?;
    folder.write(&place("cso.sig.der"), &der(signed.signature())?)?;
    let key = public_key_pem(&signed.claimed().signing_key)?;
    folder.write(&place("card-signing.pem"), key.as_bytes())
}

/// Writes key, journal and receipts of a terminal; gives the number of receipts.
fn write_terminal(folder: &Folder, terminal: &Terminal, entries: &[Vec<u8>]) -> Result<usize> {
    let name = &terminal.name;
    let key = PublicKey::from_sec1(&terminal.journal_key).with_context(|| format!("terminal {name}"))?;
    folder.write(&format!("terminal-{name}.pem"), public_key_pem(&key)?.as_bytes())?;
    folder.write(&format!("journals/{name}.journal"), &entries.concat())?;
    let mut intents = BTreeMap::new();
    let mut receipts = BTreeMap::new();
    for entry in entries {
        let entry = Signed::<Entry<'_>>::parse(entry).with_context(|| format!("journal of {name}"))?;
        match entry.claimed().event {
            Event::Intent(order) => {
                intents.insert(order.hash(), entry.claimed().sequence);
            }
            Event::Paid(receipt) => {
                let receipt = receipt.signed();
                // Ingestion takes no other.
                let intent = intents.remove(&receipt.claimed().object_hash);
                let intent =
                    intent.with_context(|| format!("journal of {name}: a receipt without its Intent"))?;
                receipts.insert(intent, (receipt.signed_bytes(), der(receipt.signature())?));
            }
            _ => {}
        }
    }
    for (intent, (signed, signature)) in &receipts {
        folder.write(&format!("receipts/{name}-{intent}.signed.bin"), signed)?;
        folder.write(&format!("receipts/{name}-{intent}.sig.der"), signature)?;
    }
    Ok(receipts.len())
}

/// Writes the operations log, each operation as the text that is hashed and its hash (DATA 2.1), as it stands in the ledger: whether
/// it is whole is for the auditor to find. Gives the number of operations.
fn write_operations(store: &Store, folder: &Folder) -> Result<usize> {
    const PAGE: u32 = 10_000;
    let path = folder.path("operations.log");
    let failed = || format!("{}: cannot be written", path.display());
    let mut file = BufWriter::new(fs::File::create(&path).with_context(failed)?);
    let (mut count, mut last) = (0, 0);
    loop {
        let page = store.operations_after(last, PAGE)?;
        let Some(newest) = page.last() else { break };
        last = newest.position;
        count += page.len();
        for operation in &page {
            let (text, hash) = (operation.hashed_text(), hex::encode(operation.hash));
            writeln!(file, "{text}{hash}").with_context(failed)?;
        }
    }
    file.flush().with_context(failed)?;
    Ok(count)
}

/// `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, 2.2.3).
fn der(signature: &Signature) -> Result<Vec<u8>> {
    let signature = p256::ecdsa::Signature::from_slice(signature.as_bytes())
        .context("a stored signature has r or s out of range: the ledger was changed from outside")?;
    Ok(signature.to_der().as_bytes().to_vec())
}

/// Where the files go.
struct Folder(PathBuf);

impl Folder {
    fn create(path: &Path) -> Result<Self> {
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{}: not empty. Export into a new folder", path.display());
        }
        // Closed before anything is in it.
        fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
            .with_context(|| path.display().to_string())?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.0);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, content));
        written.with_context(|| format!("{}: cannot be written", path.display()))
    }
}
