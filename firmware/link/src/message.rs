//! What host and terminal say to each other: `postcard` encodings of these enums; DATA 8.2.
//!
//! The order of the variants and fields is the protocol. Append only; anything else is a new [`VERSION`]. `Hello` stays
//! first in both directions and its `version` stays the first field, so that two versions can tell each other apart.

use core::fmt;

use postcard::{take_from_bytes, to_slice};
use serde::{Deserialize, Serialize};

use crate::frame::{Encoded, FrameError, MAX_MESSAGE, encode};

/// The version of this protocol.
pub const VERSION: u8 = 1;

/// The longest byte field that fits into every message, in bytes.
pub const MAX_BYTES: usize = 2000;

/// Name of a terminal as in its certificates (SPEC 3).
pub type TerminalName = [u8; 10];

/// What the host asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'b> {
    /// Who are you? Always answered, whatever the version.
    Hello {
        /// The host's [`VERSION`].
        version: u8,
    },
    /// Make both key pairs for a new name. Refused while entries are unacknowledged.
    MakeKeys {
        /// The terminal's new name.
        name: TerminalName,
    },
    /// Trust anchor (first time only) and certificates, concatenated (DATA 8.2).
    Install {
        /// `FF38` and `7F21` objects.
        objects: &'b [u8],
    },
    /// A nonce for a time statement.
    TimeNonce,
    /// A time statement over that nonce.
    SetTime {
        /// Signed `FF28` (DATA 7).
        signed: &'b [u8],
    },
    /// A payment list begins, or goes on where the terminal stands ([`Answer::Taken`]); what another header began is dropped.
    ListBegin {
        /// Signed `FF22` (DATA 3).
        header: &'b [u8],
    },
    /// Lines of that list, whole ones, in order.
    ListLines {
        /// Concatenated lines.
        bytes: &'b [u8],
    },
    /// The list is complete: it counts from now on.
    ListEnd,
    /// A block list begins, or goes on where the terminal stands ([`Answer::Taken`]); what another header began is dropped.
    BlockBegin {
        /// Signed `FF25` (DATA 4).
        header: &'b [u8],
    },
    /// Entries of that block list, or changes of that delta, whole ones, in order.
    BlockEntries {
        /// Concatenated `FF39` entries; in a delta `FF39` and `FF3B` (DATA 4.2).
        bytes: &'b [u8],
    },
    /// The block list is complete: it counts from now on.
    BlockEnd,
    /// Journal entries from a sequence number on.
    ReadJournal {
        /// The first one wanted.
        from: u32,
    },
    /// The host's acknowledgement; space up to it may be used again.
    Acknowledge {
        /// Signed `FF27` (DATA 6).
        signed: &'b [u8],
    },
    /// A block list begins as the changes to the one in force, or goes on where the terminal stands ([`Answer::Taken`]); what
    /// another header or base began is dropped. `BlockEntries` and `BlockEnd` follow.
    BlockDelta {
        /// Signed `FF25` of the list that comes out (DATA 4).
        header: &'b [u8],
        /// Hash of the body `FF25` of the list in force.
        base: [u8; 32],
    },
    /// Who may work at this terminal, from now on.
    Operators {
        /// Signed `FF2E` (DATA 11).
        signed: &'b [u8],
    },
    /// The issuer scripts that this terminal is to carry from now on, in place of those that it had (DATA 12).
    Scripts {
        /// Concatenated signed `FF2B`, none to 12, ascending by card number, then counter.
        bytes: &'b [u8],
    },
}

/// What the terminal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'b> {
    /// To `Hello`.
    Hello(Hello),
    /// To `MakeKeys`: the two certificate requests (SPEC 3.5).
    Requests {
        /// For the key agreement key.
        agreement: &'b [u8],
        /// For the journal key.
        journal: &'b [u8],
    },
    /// Done, and durable.
    Done,
    /// To `TimeNonce`.
    Nonce {
        /// 16 random bytes, good for one time statement.
        nonce: [u8; 16],
    },
    /// To `ReadJournal`: as many whole entries as fit, oldest first; empty: no more.
    Entries {
        /// Concatenated `FF20` entries (DATA 5).
        bytes: &'b [u8],
    },
    /// Not done; nothing was changed.
    Refused {
        /// Why.
        code: Refusal,
    },
    /// To `ListBegin`, `BlockBegin`, `BlockDelta`: this very list is under way, and goes on behind what came already.
    Taken {
        /// Lines, entries or changes that came; never 0.
        count: u32,
    },
}

/// Who the terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The terminal's [`VERSION`].
    pub version: u8,
    /// Its name; none before keys were made.
    pub name: Option<TerminalName>,
    /// How far it has been provisioned.
    pub state: TerminalState,
    /// It has no certified random source: for tests only (DATA 8.3).
    pub test: bool,
    /// SHA-256 of the firmware image, as its build wrote it down.
    pub firmware: [u8; 32],
    /// Sequence number of the last journal entry; 0 for none.
    pub journal_tail: u32,
    /// Sequence number of the last acknowledged entry; 0 for none. Read from the next one.
    pub acknowledged: u32,
    /// Number of the payment list in force; 0 for none.
    pub list_number: u32,
    /// Number of the block list in force; 0 for none.
    pub block_list_number: u32,
}

/// How far a terminal has been provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminalState {
    /// It has no keys.
    Blank,
    /// It has keys and waits for their certificates.
    KeysMade,
    /// It has trust anchor and certificates.
    Provisioned,
}

/// Why the terminal refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The message cannot be read.
    Malformed,
    /// The host speaks another version.
    Version,
    /// Not now: keys, certificates or the beginning of the list are missing.
    OutOfOrder,
    /// Journal entries are not acknowledged yet.
    Unacknowledged,
    /// A trust anchor is already installed.
    AnchorInstalled,
    /// A signature or certificate does not verify.
    NotGenuine,
    /// A certificate of the chain expired before what this terminal has already seen signed.
    Expired,
    /// Meant for another terminal or issuer, or from another issuer than the list in force.
    NotForThisTerminal,
    /// The number is not above the present one; or a certificate begins before the present one.
    NotNewer,
    /// The time lies before what this terminal has already seen signed, or its nonce is not the last one given, or too
    /// old; or a block list was issued after the terminal's time.
    TimeNotAccepted,
    /// The lines or entries do not make up what the header says.
    Incomplete,
    /// More than this terminal can hold.
    TooLarge,
    /// The journal is full.
    JournalFull,
    /// The acknowledgement names an entry that is not in the journal.
    UnknownEntry,
    /// The flash failed.
    Storage,
    /// A holder is being served.
    Busy,
    /// A delta to another block list than the one in force.
    OtherBase,
    /// It would hold more issuer certificates than it can.
    TooManyIssuers,
    /// The list keeps one in force that is not.
    KeepsOther,
}

impl Refusal {
    /// What the operator reads: Vietnamese, and the same in English.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => (
                "Thiết bị không hiểu yêu cầu. Chưa có gì thay đổi. Hãy thử lại.",
                "The terminal does not understand the request. Nothing was changed. Try again.",
            ),
            Self::Version => (
                "Phần mềm máy chủ và thiết bị khác phiên bản. Chưa có gì thay đổi. Hãy cập nhật bên cũ hơn.",
                "Host and terminal speak different versions. Nothing was changed. Update the older one.",
            ),
            Self::OutOfOrder => (
                "Chưa đến bước này. Hãy làm lại từ đầu việc đang làm.",
                "A step before this one is missing. Start this task again from its beginning.",
            ),
            Self::Unacknowledged => (
                "Thiết bị còn nhật ký chưa được xác nhận. Hãy đồng bộ trước, rồi làm lại.",
                "The journal holds entries that are not acknowledged. Synchronise first, then try again.",
            ),
            Self::AnchorInstalled => (
                "Thiết bị đã có khóa gốc tin cậy. Khóa gốc không bị thay đổi.",
                "The terminal already has its trust anchor. It was not changed.",
            ),
            Self::NotGenuine => (
                "Chữ ký hoặc chứng thư không hợp lệ. Dữ liệu bị từ chối. Hãy báo người quản trị.",
                "A signature or certificate is not valid. The data was refused. Tell the administrator.",
            ),
            Self::Expired => (
                "Chứng thư đã hết hạn. Hãy cấp chứng thư mới cho thiết bị.",
                "A certificate has expired. Have a new one issued for the terminal.",
            ),
            Self::NotForThisTerminal => (
                "Dữ liệu dành cho thiết bị hoặc tỉnh khác. Dữ liệu bị từ chối. Hãy chọn đúng thiết bị.",
                "The data is meant for another terminal or issuer. It was refused. Choose the right one.",
            ),
            Self::NotNewer => (
                "Dữ liệu không mới hơn dữ liệu đang dùng. Dữ liệu đang dùng được giữ nguyên.",
                "List, certificate or name is not newer than the present one. The present one stays.",
            ),
            Self::TimeNotAccepted => (
                "Giờ không được chấp nhận. Đồng hồ giữ nguyên. Hãy kiểm tra giờ máy chủ rồi đồng bộ lại.",
                "The time was not accepted. The clock is unchanged. Check the host's clock and synchronise again.",
            ),
            Self::Incomplete => (
                "Danh sách nhận được không đầy đủ. Danh sách cũ được giữ nguyên. Hãy gửi lại.",
                "The list arrived incomplete. The old one stays. Send it again.",
            ),
            Self::TooLarge => (
                "Danh sách quá lớn đối với thiết bị. Hãy chia cho nhiều thiết bị.",
                "The list is larger than the terminal can hold. Divide it among several terminals.",
            ),
            Self::JournalFull => (
                "Nhật ký đã đầy, không thể chi trả. Hãy đồng bộ với máy chủ.",
                "The journal is full and no payment is possible. Synchronise with the host.",
            ),
            Self::UnknownEntry => (
                "Xác nhận không khớp với nhật ký của thiết bị. Nhật ký được giữ nguyên. Hãy báo người quản trị.",
                "The acknowledgement does not match this journal. The journal stays. Tell the administrator.",
            ),
            Self::Busy => (
                "Thiết bị đang phục vụ một thẻ. Chưa có gì thay đổi. Hãy hoàn tất chi trả, rồi làm lại.",
                "The terminal is serving a card. Nothing was changed. Finish that payment, then try again.",
            ),
            Self::OtherBase => (
                "Thiết bị không giữ danh sách khóa mà bản thay đổi cần. Danh sách cũ được giữ nguyên. Hãy gửi danh sách đầy đủ.",
                "The changes are to another block list than the terminal's. The old list stays. Send a full one.",
            ),
            Self::TooManyIssuers => (
                "Thiết bị đã giữ bốn chứng thư nơi cấp còn hạn, không nhận thêm. Chưa có gì thay đổi. Nếu còn khoản chi chưa rõ kết quả, hãy đặt lại thẻ đó rồi đồng bộ lại; nếu không, hãy báo người quản trị.",
                "The terminal holds four valid issuer certificates and takes no other. Nothing was changed. If a payment is unsettled, tap its card again and synchronise; else tell the administrator.",
            ),
            Self::KeepsOther => (
                "Danh sách mới dùng cùng danh sách mà thiết bị chưa có. Danh sách đang dùng được giữ nguyên. Hãy nạp danh sách kia trước.",
                "The list keeps another one in force that this terminal does not hold. Its lists stay. Load the other one first.",
            ),
            Self::Storage => (
                "Bộ nhớ của thiết bị bị lỗi. Ngừng chi trả trên thiết bị này và báo người quản trị.",
                "The terminal's flash has failed. Stop paying with this terminal and tell the administrator.",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vietnamese, english) = self.text();
        write!(formatter, "{vietnamese} / {english}")
    }
}

/// Why bytes are no message, or a message does not become a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not one of ours, or with bytes left over.
    #[error(
        "a message between host and terminal cannot be read; nothing was done; check that both have the same version"
    )]
    Malformed,
    /// Too long for a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Makes a frame of a [`Request`] or [`Answer`] and returns the bytes for the line.
///
/// # Errors
/// [`FrameError::TooLong`]: byte fields up to [`MAX_BYTES`] in total always fit.
pub fn send<'e>(message: &impl Serialize, encoded: &'e mut Encoded) -> Result<&'e [u8], FrameError> {
    let mut bytes = [0; MAX_MESSAGE];
    let message = to_slice(message, &mut bytes).map_err(|_| FrameError::TooLong)?;
    encode(message, encoded)
}

/// Reads a [`Request`] or [`Answer`] from what the frame decoder gave.
///
/// # Errors
/// [`MessageError::Malformed`].
pub fn receive<'m, T: Deserialize<'m>>(message: &'m [u8]) -> Result<T, MessageError> {
    match take_from_bytes(message) {
        Ok((message, [])) => Ok(message),
        _ => Err(MessageError::Malformed),
    }
}
