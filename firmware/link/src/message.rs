//! What host and terminal say to each other (DATA 8.2). The order of variants and fields is the protocol: `postcard`
//! numbers variants from 0 in this order, so new ones go to the end and none is ever removed.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Version of the protocol.
pub const VERSION: u8 = 1;
/// Longest message in bytes: a frame of 2,048 bytes less its CRC (DATA 8.1).
pub const MAXIMUM_LENGTH: usize = 2_044;
/// Most bytes of lines, entries or objects in one message: what remains behind the variant's number and a length of two
/// bytes, as a round figure.
pub const MAXIMUM_PAYLOAD: usize = 2_040;

/// What the host asks. The terminal answers each request with one [`Response`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who are you? Changes nothing.
    Hello {
        /// The host's [`VERSION`].
        version: u8,
    },
    /// Make two key pairs for a terminal of this name. Forgets certificates and lists.
    MakeKeys {
        /// `VNT` and seven digits.
        name: [u8; 10],
    },
    /// Take these objects, concatenated: trust anchor `FF38` (first time only, later the same one or none), then four
    /// certificates `7F21`: issuer, terminal CA, own agreement, own journal.
    Install {
        /// The objects.
        objects: &'a [u8],
    },
    /// Draw a nonce for a time statement. It replaces the one before.
    TimeNonce,
    /// Set the clock.
    SetTime {
        /// Time statement `FF20 { FF28, 5F37 }`.
        signed: &'a [u8],
    },
    /// Begin to load a payment list.
    ListBegin {
        /// Header `FF20 { FF22, 5F37 }`.
        header: &'a [u8],
    },
    /// The next lines `FF37`, whole ones, in order.
    ListLines {
        /// The lines.
        lines: &'a [u8],
    },
    /// The list is complete: put it in force.
    ListEnd,
    /// Begin to load a block list.
    BlockBegin {
        /// Header `FF20 { FF25, 5F37 }`.
        header: &'a [u8],
    },
    /// The next entries `FF39`, whole ones, in order.
    BlockEntries {
        /// The entries.
        entries: &'a [u8],
    },
    /// The block list is complete: put it in force.
    BlockEnd,
    /// Give journal entries.
    ReadJournal {
        /// Sequence number of the first one wanted.
        from: u32,
    },
    /// The host holds the entries up to one durably.
    Acknowledge {
        /// Acknowledgement `FF20 { FF27, 5F37 }`.
        signed: &'a [u8],
    },
}

/// What the terminal answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response<'a> {
    /// Who it is.
    Hello(Identity),
    /// Two certificate requests (SPEC 3.5), each signed by its own key.
    Requests {
        /// For the agreement key.
        agreement: &'a [u8],
        /// For the journal key.
        journal: &'a [u8],
    },
    /// Done, and on the flash.
    Done,
    /// For one time statement.
    Nonce([u8; 16]),
    /// Whole journal entries `FF20 { FF26, 5F37 }`, oldest first, as many as fit; none: no more.
    Entries(&'a [u8]),
    /// Not done; nothing has changed.
    Refused(Refusal),
}

/// What a terminal says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its [`VERSION`].
    pub version: u8,
    /// Its name, once it has keys.
    pub name: Option<[u8; 10]>,
    /// How far it is.
    pub state: State,
    /// Is it a TEST terminal (DATA 8.3)?
    pub test: bool,
    /// SHA-256 of its firmware image.
    pub firmware: [u8; 32],
    /// The newest journal entry.
    pub tail: Option<JournalTail>,
    /// Sequence number of the last acknowledged entry, 0 for none: read from the next one.
    pub acknowledged: u32,
    /// Number of the payment list in force, 0 for none.
    pub list_number: u32,
    /// Number of the block list in force, 0 for none.
    pub block_list_number: u32,
}

/// How far a terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It has no keys.
    Blank,
    /// It has keys and no certificates.
    Keyed,
    /// It has certificates. The clock is not set since power-on.
    ClockUnset,
    /// It has certificates and knows the time.
    Ready,
    /// An order was begun whose outcome is not known: the same card has to be presented.
    Unsettled,
}

/// The newest entry of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalTail {
    /// Its sequence number.
    pub sequence: u32,
    /// Hash of its body `FF26`.
    pub hash: [u8; 32],
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The message cannot be read.
    Message,
    /// The host speaks another version.
    Version,
    /// A payment is in progress.
    Busy,
    /// The terminal has no keys or no certificates yet.
    NotProvisioned,
    /// Journal entries are not acknowledged.
    Unacknowledged,
    /// A terminal that was in use needs a new name with its new keys.
    NameUsed,
    /// An object breaks the specification's encoding.
    Encoding,
    /// Another trust anchor is installed.
    TrustAnchor,
    /// A certificate does not verify, or has the wrong role.
    Certificate,
    /// A TEST terminal below a production root, or the reverse.
    Test,
    /// It is for another terminal.
    OtherTerminal,
    /// It is for other keys than the terminal's.
    OtherKey,
    /// It is not signed by the issuer that the terminal knows.
    Signature,
    /// No nonce was drawn, it was used, or it is another one.
    Nonce,
    /// The time is behind the newest signed object or journal entry.
    TimeBehind,
    /// The number is not above the newest one.
    Number,
    /// Lines without a beginning, an end without lines.
    Sequence,
    /// The lines do not fit the header: number, order, total or Merkle root.
    Content,
    /// It does not fit the space on the flash.
    Space,
    /// The entry that the acknowledgement names is not in this journal.
    Acknowledgement,
    /// An order is open.
    Unsettled,
    /// The journal is full.
    JournalFull,
    /// The flash failed.
    Flash,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => {
                "the terminal cannot read the request; check that host and firmware are of one release"
            }
            Self::Version => "the terminal speaks another version of the link; update host or firmware",
            Self::Busy => "the terminal is serving a card; try again when it is idle",
            Self::NotProvisioned => "the terminal has no keys or certificates yet; provision it first",
            Self::Unacknowledged => {
                "the terminal holds journal entries that no host has acknowledged; sync it first"
            }
            Self::NameUsed => "the terminal was in use under this name; new keys need a new name",
            Self::Encoding => "the terminal refuses the encoding of an object; nothing was changed",
            Self::TrustAnchor => "the terminal trusts another root, for good; nothing was changed",
            Self::Certificate => {
                "a certificate does not verify under the terminal's root; nothing was changed"
            }
            Self::Test => "test and production do not mix: terminal and root differ; nothing was changed",
            Self::OtherTerminal => "the object is for another terminal; check which one is connected",
            Self::OtherKey => {
                "the object is for other keys; the terminal has made new ones since, certify them"
            }
            Self::Signature => "the object is not signed by the terminal's issuer; nothing was changed",
            Self::Nonce => "the time statement is not over the terminal's present nonce; ask for a new one",
            Self::TimeBehind => {
                "the time is behind what the terminal has signed or seen; check the host's clock"
            }
            Self::Number => "the terminal has this list or a newer one; nothing was changed",
            Self::Sequence => "the terminal got parts of a list out of order; load it again from the start",
            Self::Content => "the lines do not fit the signed header; the list was not put in force",
            Self::Space => "the object is too long for the terminal's flash; nothing was changed",
            Self::Acknowledgement => {
                "the acknowledged entry is not the terminal's; nothing was released, examine the store"
            }
            Self::Unsettled => "an order is open; present its card to the terminal first",
            Self::JournalFull => "the terminal's journal is full; read it and acknowledge it",
            Self::Flash => "the terminal's flash failed; switch it off and on, then look at its state",
        })
    }
}

impl core::error::Error for Refusal {}
