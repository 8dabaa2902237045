//! Which file is what, by the layout of DATA 2, in any number of folders at any depth.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use card_spec::certificate::Reference;
use card_spec::values::{CardNumber, TerminalName};

/// How the names of deltas end.
const DELTA: &str = ".blockdelta";

/// How the names of issuer scripts end.
const SCRIPT: &str = ".script";

/// How the names of reversals end.
const REVERSAL: &str = ".reversal";

/// The files of one version of a card.
#[derive(Clone, Debug, Default)]
pub(crate) struct CardFiles {
    pub(crate) cso: Option<PathBuf>,
    pub(crate) signed: Option<PathBuf>,
    pub(crate) signature: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// The version that the folder's name states; the newest lies in the card's own folder.
    pub(crate) version: Option<u16>,
}

/// The files of one receipt.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceiptFiles {
    pub(crate) signed: Option<PathBuf>,
    pub(crate) signature: Option<PathBuf>,
    /// The issuer script that it is for, if it is for one and was read back from its card.
    pub(crate) script: Option<PathBuf>,
    /// The reversal that it is for, if it is for one and was read back from its card.
    pub(crate) reversal: Option<PathBuf>,
}

/// Whose key a PEM file says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOwner {
    Root,
    Issuer,
    TerminalAuthority,
    Terminal(TerminalName),
}

/// All files of an audit, sorted, so that two runs over the same files report the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) keys: Vec<(KeyOwner, PathBuf)>,
    pub(crate) certificates: Vec<(Reference, PathBuf)>,
    /// By folder, for two folders may hold the same card.
    pub(crate) cards: BTreeMap<(PathBuf, CardNumber), CardFiles>,
    /// By the terminal and its Intent.
    pub(crate) receipts: BTreeMap<(PathBuf, TerminalName, u32), ReceiptFiles>,
    /// As they were read back from a card, by card and counter.
    pub(crate) card_receipts: BTreeMap<(PathBuf, CardNumber, u32), ReceiptFiles>,
    pub(crate) journals: BTreeMap<TerminalName, Vec<PathBuf>>,
    pub(crate) lists: Vec<(String, PathBuf)>,
    /// In full and as changes, see [`is_delta`].
    pub(crate) block_lists: Vec<(u32, PathBuf)>,
    pub(crate) acknowledgements: Vec<(TerminalName, u32, PathBuf)>,
    pub(crate) operations: Vec<PathBuf>,
    pub(crate) unknown: Vec<PathBuf>,
}

impl Files {
    /// Lists the files below the given folders.
    pub(crate) fn find(folders: &[PathBuf]) -> io::Result<Self> {
        let mut files = Self::default();
        for folder in folders {
            files.walk(folder)?;
        }
        Ok(files)
    }

    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            // A link is listed as unknown: what it points to is not among the files handed over.
            if entry.file_type()?.is_dir() {
                self.walk(&path)?;
            } else if !entry.file_type()?.is_file() || self.classify(&path).is_none() {
                self.unknown.push(path);
            }
        }
        Ok(())
    }

    /// Puts the file where it belongs; `None` if its name and folder are not of the layout.
    fn classify(&mut self, path: &Path) -> Option<()> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent()?;
        let own = path.to_path_buf();
        // A bare reference is a copy for cvc-print, which looks for authorities under such names.
        if let Some(holder) = Reference::new(name) {
            self.certificates.push((holder, own));
            return Some(());
        }
        if name == "operations.log" {
            self.operations.push(own);
            return Some(());
        }
        match folder.file_name().and_then(OsStr::to_str) {
            Some("certificates") => {
                let holder = Reference::new(name.strip_suffix(".cvc")?)?;
                self.certificates.push((holder, own));
            }
            Some("journals") => {
                let terminal = name.strip_suffix(".journal")?.parse().ok()?;
                self.journals.entry(terminal).or_default().push(own);
            }
            Some("lists") => self.lists.push((name.strip_suffix(".list")?.to_owned(), own)),
            Some("blocklists") => {
                let stem = name
                    .strip_suffix(".blocklist")
                    .or_else(|| name.strip_suffix(DELTA))?;
                let number = decimal(stem)?;
                self.block_lists.push((number, own));
            }
            Some("acks") => {
                let (terminal, sequence) = terminal_and_sequence(name.strip_suffix(".ack")?)?;
                self.acknowledgements.push((terminal, sequence, own));
            }
            Some("receipts") => self.classify_receipt(folder, name, own)?,
            _ => self
                .classify_card(folder, name, &own)
                .or_else(|| self.classify_key(name, own))?,
        }
        Some(())
    }

    fn classify_receipt(&mut self, folder: &Path, name: &str, path: PathBuf) -> Option<()> {
        type Part = fn(&mut ReceiptFiles) -> &mut Option<PathBuf>;
        let parts: [(&str, Part); 4] = [
            (".signed.bin", |files| &mut files.signed),
            (".sig.der", |files| &mut files.signature),
            (SCRIPT, |files| &mut files.script),
            (REVERSAL, |files| &mut files.reversal),
        ];
        let mut stems = parts
            .into_iter()
            .filter_map(|(suffix, part)| Some((name.strip_suffix(suffix)?, part)));
        let (stem, part) = stems.next()?;
        let (owner, number) = stem.split_once('-')?;
        let (folder, number) = (folder.to_path_buf(), decimal(number)?);
        let files = match owner.parse() {
            Ok(_) if name.ends_with(SCRIPT) || name.ends_with(REVERSAL) => return None,
            Ok(terminal) => self.receipts.entry((folder, terminal, number)).or_default(),
            Err(_) => {
                let card = owner.parse().ok()?;
                self.card_receipts.entry((folder, card, number)).or_default()
            }
        };
        *part(files) = Some(path);
        Some(())
    }

    fn classify_card(&mut self, folder: &Path, name: &str, path: &Path) -> Option<()> {
        let (number, version) = card_of(folder)?;
        let field: fn(&mut CardFiles) -> &mut Option<PathBuf> = match name {
            "cso.tlv" => |files| &mut files.cso,
            "cso.signed.bin" => |files| &mut files.signed,
            "cso.sig.der" => |files| &mut files.signature,
            "card-signing.pem" => |files| &mut files.key,
            _ => return None,
        };
        let files = self.cards.entry((folder.to_path_buf(), number)).or_default();
        files.version = version;
        *field(files) = Some(path.to_path_buf());
        Some(())
    }

    fn classify_key(&mut self, name: &str, path: PathBuf) -> Option<()> {
        let owner = match name.strip_suffix(".pem")? {
            "root" => KeyOwner::Root,
            "issuer" => KeyOwner::Issuer,
            "terminal-ca" => KeyOwner::TerminalAuthority,
            terminal => KeyOwner::Terminal(terminal.strip_prefix("terminal-")?.parse().ok()?),
        };
        self.keys.push((owner, path));
        Some(())
    }
}

/// `cards/<number>` or, for an earlier version, `cards/<number>/<version>`.
fn card_of(folder: &Path) -> Option<(CardNumber, Option<u16>)> {
    let name = |folder: &Path| folder.file_name()?.to_str().map(str::to_owned);
    let parent = folder.parent()?;
    if name(parent)? == "cards" {
        return Some((name(folder)?.parse().ok()?, None));
    }
    let version = u16::try_from(decimal(&name(folder)?)?).ok()?;
    let is_card = name(parent.parent()?)? == "cards";
    Some((name(parent)?.parse().ok().filter(|_| is_card)?, Some(version)))
}

/// Is this the file of a block list as what changed (DATA 4.2)?
pub(crate) fn is_delta(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.ends_with(DELTA))
}

/// A decimal number in its shortest form, so that one number has one file name.
fn decimal(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn terminal_and_sequence(stem: &str) -> Option<(TerminalName, u32)> {
    let (terminal, sequence) = stem.split_once('-')?;
    Some((terminal.parse().ok()?, decimal(sequence)?))
}
