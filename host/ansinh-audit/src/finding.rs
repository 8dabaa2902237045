//! What an audit finds: a stable code, the place, and the reason in words.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($( $(#[$meta:meta])* $name:ident = $text:literal, )*) => {
        /// Kind of a finding. The text of a code never changes: scripts and court files quote it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $( $(#[$meta])* $name, )* }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The code as reports print it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

codes! {
    /// A file could not be read.
    Unreadable = "file-unreadable",
    /// The name of a file says something else than its content.
    FileName = "file-name",
    /// Bytes that are no object of this system in its one encoding (SPEC 1).
    Encoding = "encoding",
    /// A PEM file holds another key than the certificates.
    KeyFile = "key-file",

    /// No certificate of the trusted root key is among the files.
    RootMissing = "root-missing",
    /// A certificate's authority is not known.
    CertificateAuthority = "certificate-authority",
    /// A certificate's signature does not verify.
    CertificateSignature = "certificate-signature",
    /// A role that its authority may not certify, or a name that does not fit it (SPEC 3.2).
    CertificateRole = "certificate-role",
    /// TEST and production in one chain (SPEC 3.3).
    CertificateFlags = "certificate-flags",
    /// Dates outside the authority's, or too long a span (SPEC 3.4).
    CertificateDates = "certificate-dates",
    /// Two certificates with one holder reference.
    CertificateTwice = "certificate-twice",
    /// Two journal keys for one terminal.
    TerminalKeys = "terminal-keys",

    /// An object names an issuer without a valid certificate.
    Issuer = "issuer-unknown",
    /// An object is dated outside its issuer's certificate.
    IssuerDates = "issuer-dates",
    /// Two objects with one number in an issuer's sequence.
    IssuerTwice = "issuer-sequence-twice",
    /// Numbers missing in an issuer's sequence (SPEC 4.3).
    IssuerGap = "issuer-sequence-gap",
    /// An object does not name the one before it in the issuer's sequence.
    IssuerPrevious = "issuer-previous",

    /// A CSO's signature does not verify.
    CsoSignature = "cso-signature",
    /// A CSO's dates are in the wrong order.
    CsoDates = "cso-dates",
    /// The files beside a CSO do not agree with it.
    CsoExport = "cso-export",
    /// A card folder without its CSO.
    CsoMissing = "cso-missing",
    /// Two CSOs with one card number that are not versions of one card.
    CardTwice = "card-number-twice",
    /// A card's versions do not rise in the issuer's sequence (SPEC 13.6).
    CardVersion = "card-version-order",
    /// One public key on two cards, or twice on one.
    CardKeyTwice = "card-key-twice",
    /// Two cards of one person valid at one time, neither on the block list.
    PersonTwice = "person-two-cards",

    /// A list's signature does not verify.
    ListSignature = "list-signature",
    /// A list's header states another Merkle root than its lines have.
    ListRoot = "list-root",
    /// A list has another number of lines than it states, or one outside the bounds.
    ListCount = "list-count",
    /// A list's total is not the sum of its lines.
    ListTotal = "list-total",
    /// Lines are not numbered 1, 2, 3 ….
    ListLineNumber = "list-line-number",
    /// A line key stands twice in one list.
    ListLineTwice = "list-line-twice",
    /// A line's card is not among the cards.
    ListLineCard = "list-line-card",
    /// A line's person is not the one of its card.
    ListLinePerson = "list-line-person",
    /// List numbers do not rise in the issuer's sequence.
    ListNumber = "list-number",
    /// A list's days of payment are in the wrong order.
    ListDates = "list-dates",

    /// A block list's signature does not verify.
    BlockListSignature = "block-list-signature",
    /// A block list's header states another Merkle root than its entries have.
    BlockListRoot = "block-list-root",
    /// A block list has another number of entries than it states.
    BlockListCount = "block-list-count",
    /// Entries are not in ascending order, or one stands twice.
    BlockListOrder = "block-list-order",
    /// Block list numbers do not rise in the issuer's sequence.
    BlockListNumber = "block-list-number",
    /// A delta's base is not among the files, or is no earlier list (DATA 4.2).
    BlockDeltaBase = "block-delta-base",
    /// A delta's changes are not in ascending order, or change nothing.
    BlockDeltaChange = "block-delta-change",
    /// A delta does not lead to the list that its header states: a blocked card may be missing.
    BlockDeltaResult = "block-delta-result",
    /// A delta where a list in full is due, or to another list than the one published before it (DATA 4.2).
    BlockListPublication = "block-list-publication",

    /// No certificate for the journal's key.
    JournalKey = "journal-key-missing",
    /// Files witness a journal that is not among them.
    JournalMissing = "journal-missing",
    /// Files witness entries after the end of the journal.
    JournalTruncated = "journal-truncated",
    /// An entry's signature does not verify.
    EntrySignature = "entry-signature",
    /// An entry names another terminal than its journal.
    EntryTerminal = "entry-terminal",
    /// Sequence numbers are missing.
    EntryGap = "entry-gap",
    /// An entry stands again or out of order.
    EntryOrder = "entry-order",
    /// An entry does not name the one before it.
    EntryPrevious = "entry-previous",
    /// One terminal and sequence number with two hashes.
    EntryFork = "entry-fork",
    /// The boot count fell.
    BootCount = "entry-boot-count",
    /// A time behind an earlier one of the same clock source.
    EntryTime = "entry-time",
    /// A terminal boots as TEST under a production certificate (SPEC 3.3).
    BootTest = "boot-test",
    /// A list keeps one that is not an earlier one of its terminal (DATA 3.1).
    ListKept = "list-kept",
    /// A list in a journal is not among the files.
    ListMissing = "list-missing",
    /// A list was loaded that names another terminal or number, or an older one.
    ListLoaded = "list-loaded",
    /// A block list in a journal is not among the files.
    BlockListMissing = "block-list-missing",
    /// A block list was loaded whose number differs or does not rise.
    BlockListLoaded = "block-list-loaded",
    /// A Synced entry does not fit the journal or the acknowledgements.
    Synced = "synced",

    /// An Intent while one of the same holder was open, or as many as can be (DATA 5.3).
    IntentOpen = "intent-open",
    /// A StillOpen entry for an order that is not open (DATA 5.3).
    StillOpen = "still-open-without-intent",
    /// A list of operators whose number does not rise (DATA 11.1).
    OperatorsLoaded = "operators-loaded",
    /// A ShiftClosed entry for a shift that is not open.
    ShiftClosed = "shift-closed-without-open",
    /// Cash of another operator than the one whose shift it is, or a count that states another sum than the entries before it.
    CashCounted = "cash-counted",
    /// A clock that a supervisor has set behind a host's time, or that does not say so (DATA 7).
    ClockSetByOperator = "clock-set-by-operator",
    /// An order or a reversal names another operator than the one whose shift it is (DATA 5.3).
    OrderOperator = "order-operator",
    /// An order names another terminal, sequence number or log head than its entry (DATA 5.2).
    OrderPlace = "order-place",
    /// An order's list is not among the files.
    OrderList = "order-list-unknown",
    /// An order's list was not loaded before, or is another terminal's.
    OrderListNotLoaded = "order-list-not-loaded",
    /// Line, card, amount or recipient of an order are not the list's.
    OrderLine = "order-line",
    /// An order outside the days of its list, its card or its terminal's certificate.
    OrderDate = "order-date",
    /// The holder-check method is not allowed on the card.
    OrderMethod = "order-method",
    /// An order's card is not among the cards.
    CardUnknown = "card-unknown",
    /// A payment to a card on the block list that the terminal had.
    BlockedCard = "blocked-card-paid",
    /// A payment without a block list, or with one older than 35 days (DATA 4).
    BlockListStale = "block-list-stale",
    /// A CardBlocked entry for a card that the block list in force does not have, or by another list (DATA 5.2).
    CardBlocked = "card-blocked-without-list",
    /// A CarriedReceipt entry with what its own terminal did (DATA 5.6).
    CarriedReceipt = "carried-receipt-of-its-own",
    /// A Paid entry whose receipt does not answer an open Intent.
    PaidWithoutIntent = "paid-without-intent",
    /// A Handed entry for what was not paid, or was handed before.
    Handed = "handed-without-paid",
    /// A NotHanded entry for what was not paid, or was handed before, or told twice.
    NotHanded = "not-handed-without-paid",
    /// A ReverseIntent entry without NotHanded before it, or for another order, terminal or place (DATA 5.2).
    ReverseIntent = "reversal-not-in-place",
    /// A Reversed entry without a ReverseIntent that its receipt answers.
    Reversed = "reversed-without-intent",
    /// A Refused entry closes what is not open, or without the card's protected answer (DATA 5.3).
    RefusedIntent = "refused-without-intent",

    /// A payment by hand that its list does not allow, or of more (DATA 5.7).
    ByHand = "by-hand-not-allowed",
    /// A payment by hand with a second operator where no list of operators was loaded (DATA 5.7).
    ByHandOperators = "by-hand-without-operators",

    /// A receipt's signature does not verify under its card's key.
    ReceiptSignature = "receipt-signature",
    /// A receipt is of another card or CSO version than its order.
    ReceiptCard = "receipt-card",
    /// The card did not see the holder check that the order states.
    ReceiptHolderCheck = "receipt-holder-check",
    /// A receipt of another kind than its entry is for (SPEC 9.4).
    ReceiptKind = "receipt-kind",
    /// Two receipts of a card with one counter.
    ReceiptFork = "receipt-fork",
    /// Counters missing among a card's receipts.
    ReceiptGap = "receipt-gap",
    /// A receipt does not name the one before it.
    ReceiptPrevious = "receipt-previous",
    /// A card paid more in one order than its cap (SPEC 9.3).
    OrderCap = "order-cap",
    /// A card paid more in one month than its cap (SPEC 9.5).
    MonthCap = "month-cap",
    /// A file under `receipts/` differs from the journal.
    ReceiptFile = "receipt-file",
    /// A file under `receipts/` for which the journal has no payment.
    ReceiptUnpaid = "receipt-without-payment",
    /// A script of a receipt that is for something else.
    Script = "script-of-receipt",
    /// A reversal beside a receipt that is for something else.
    ReversalOfReceipt = "reversal-of-receipt",
    /// A ScriptExecuted entry whose script is not among the files (DATA 2).
    ScriptMissing = "script-missing",
    /// A script's signature does not verify under its issuer's key.
    ScriptSignature = "script-signature",
    /// The issuer has undone a payment of which no journal says that the money was not handed over (SPEC 13.7).
    UndoneHanded = "undone-though-handed",
    /// A line was paid twice.
    PaidTwice = "line-paid-twice",

    /// An acknowledgement's signature does not verify.
    AcknowledgementSignature = "acknowledgement-signature",
    /// An acknowledgement names another head than the journal has.
    AcknowledgementHead = "acknowledgement-head",
    /// An acknowledgement names another journal key.
    AcknowledgementKey = "acknowledgement-journal-key",

    /// Lines of the operations log that are no operation (DATA 2.1).
    OperationEncoding = "operation-encoding",
    /// An operation's hash is not that of its lines.
    OperationHash = "operation-hash",
    /// Operations are missing.
    OperationGap = "operation-gap",
    /// An operation stands again or out of order.
    OperationOrder = "operation-order",
    /// An operation does not name the one before it.
    OperationPrevious = "operation-previous",
    /// Two operations logs of one ledger differ.
    OperationFork = "operation-fork",
    /// Something was signed of which no operation tells.
    OperationMissing = "operation-missing",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where something stands: file, byte offset in it, sequence number of the entry or object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file as it was given and found.
    pub file: Arc<str>,
    /// Offset of the object's first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Sequence number of the journal entry, or in the issuer's sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl Place {
    /// A whole file.
    pub fn file(path: &Path) -> Self {
        Self {
            file: path.to_string_lossy().into(),
            offset: None,
            sequence: None,
        }
    }

    /// The same file, at this offset.
    #[must_use]
    pub fn at(&self, offset: u64) -> Self {
        Self {
            offset: Some(offset),
            ..self.clone()
        }
    }

    /// The same place, with a sequence number.
    #[must_use]
    pub fn numbered(&self, sequence: impl Into<u64>) -> Self {
        Self {
            sequence: Some(sequence.into()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(offset) = self.offset {
            write!(f, ", byte {offset}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, ", sequence {sequence}")?;
        }
        Ok(())
    }
}

/// One finding, or one note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Why, for a person.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.code, self.text)
    }
}

/// Findings in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, code: Code, place: &Place, text: impl Into<String>) {
        self.0.push(Finding {
            code,
            place: place.clone(),
            text: text.into(),
        });
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}
