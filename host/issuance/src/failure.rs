//! What can go wrong at the issuing desk: what happened, what it means for the plastic, what to do next.

use core::fmt;

use card_spec::apdu::StatusWord;

/// What has become of the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plastic {
    /// Nothing was done to it.
    Untouched,
    /// It may have been written; inserted again, the same card is finished.
    Resumable,
    /// It can never become a valid card. The ledger gives it up, and the person waits again.
    Spoilt,
}

/// Why a chip is not (yet) a card. The texts hold no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The card left the reader or lost power.
    CardLost,
    /// The card has not answered for longer than any card may take.
    MuteCard,
    /// The reader was unplugged.
    ReaderGone,
    /// No application of ours, or of another version, or another secure channel.
    ForeignCard,
    /// The chip came with no delivery to this station.
    UnknownChip,
    /// The keys of this chip are the public default keys 40…4F.
    DefaultKeys,
    /// The chip does not have the keys that its serial stands for.
    WrongCardKeys,
    /// Ten wrong authentications in a row.
    AuthenticationBlocked,
    /// The card is blocked or terminated.
    ClosedCard,
    /// The ledger gave this chip up, or blocked its card.
    RetiredChip,
    /// The chip has issuer keys, but the ledger has no card on it: the ledger is older than the chip.
    UnrecordedCard,
    /// The chip carries a CSO that the ledger never released: the ledger is older than the card.
    UnrecordedCso,
    /// The chip has its transport keys, but the ledger saw it with the issuer's.
    CopiedChip,
    /// A response was altered on its way, or did not come from the chip.
    Altered,
    /// The card answered, authenticated or not, that it will not do this.
    CardRefused {
        /// Name of the command.
        command: &'static str,
        /// What it said.
        status: StatusWord,
    },
    /// The card says, authenticated or not, that it has no room for its data (SPEC 6.6), which any card of ours has.
    CardFull,
    /// An authenticated answer breaks the specification.
    Malformed(&'static str),
    /// The card did not prove that its keys are its own; what failed.
    KeyProof(&'static str),
    /// The card's public key belongs to another card already.
    DuplicateKey,
    /// The chip is active with another CSO than the one released for it.
    OtherCso,
    /// A CSO was released for keys that the chip no longer has.
    LostKeys,
    /// The ledger's CSO or data groups do not fit this card: the ledger was changed from outside.
    LedgerCso,
    /// A field of the person's record does not fit a card.
    PersonRecord(&'static str),
    /// The person's data exceed the space on a card.
    TooMuchData,
    /// No usable PIN was given; what the prompt or command said.
    Pin(String),
    /// The ledger could not be read or written; what it said.
    Ledger(String),
    /// A key could not be opened or used; what it said.
    Keys(String),
    /// The reader or its driver failed; what it said.
    Reader(String),
    /// A fault of this program.
    Program(&'static str),
    /// Maintenance: the card is another than the one that was named.
    OtherCard,
    /// Maintenance: the card says what the ledger says; there is nothing to update.
    NothingDue,
    /// Maintenance: the ledger knows of no payment of this card whose money was not handed over.
    NothingToUndo,
    /// Maintenance: the chip is blank; there is no card on it.
    BlankChip,
    /// Maintenance: the card's issuance is not finished.
    UnfinishedCard,
    /// Maintenance: the job needs a card that may pay, and this one is blocked, by its chip or by the ledger.
    BlockedCard,
    /// Maintenance: the card is closed for ever.
    TerminatedCard,
    /// Maintenance: the card's last day is over.
    ExpiredCard,
    /// Maintenance: the card has fewer receipts than it showed before.
    RewoundCard,
    /// Maintenance: the ledger counts the card as blocked, so that its chip is not unblocked.
    NotUnblockable,
    /// Maintenance: the card answered, authenticated or not, that it will not do this.
    JobRefused {
        /// Name of the command.
        command: &'static str,
        /// What it said.
        status: StatusWord,
    },
    /// Maintenance: an authenticated answer breaks the specification.
    JobMalformed(&'static str),
}

impl Failure {
    /// What has become of the chip. Only an authenticated fact spoils a chip: anybody can send a bare status word.
    pub const fn plastic(&self) -> Plastic {
        match self {
            Self::ForeignCard
            | Self::UnknownChip
            | Self::DefaultKeys
            | Self::WrongCardKeys
            | Self::AuthenticationBlocked
            | Self::ClosedCard
            | Self::RetiredChip
            | Self::UnrecordedCard
            | Self::UnrecordedCso
            | Self::CopiedChip
            | Self::OtherCard
            | Self::NothingDue
            | Self::NothingToUndo
            | Self::BlankChip
            | Self::UnfinishedCard
            | Self::BlockedCard
            | Self::TerminatedCard
            | Self::ExpiredCard
            | Self::RewoundCard
            | Self::NotUnblockable => Plastic::Untouched,
            Self::KeyProof(_) | Self::DuplicateKey | Self::OtherCso | Self::LostKeys => Plastic::Spoilt,
            _ => Plastic::Resumable,
        }
    }

    /// A stable name for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CardLost => "card-lost",
            Self::MuteCard => "mute-card",
            Self::ReaderGone => "reader-gone",
            Self::ForeignCard => "foreign-card",
            Self::UnknownChip => "unknown-chip",
            Self::DefaultKeys => "default-keys",
            Self::WrongCardKeys => "wrong-card-keys",
            Self::AuthenticationBlocked => "authentication-blocked",
            Self::ClosedCard => "closed-card",
            Self::RetiredChip => "retired-chip",
            Self::UnrecordedCard => "unrecorded-card",
            Self::UnrecordedCso => "unrecorded-cso",
            Self::CopiedChip => "copied-chip",
            Self::Altered => "altered",
            Self::CardRefused { .. } => "card-refused",
            Self::CardFull => "card-full",
            Self::Malformed(_) => "malformed",
            Self::KeyProof(_) => "key-proof",
            Self::DuplicateKey => "duplicate-key",
            Self::OtherCso => "other-cso",
            Self::LostKeys => "lost-keys",
            Self::LedgerCso => "ledger-cso",
            Self::PersonRecord(_) => "person-record",
            Self::TooMuchData => "too-much-data",
            Self::Pin(_) => "pin",
            Self::Ledger(_) => "ledger",
            Self::Keys(_) => "keys",
            Self::Reader(_) => "reader",
            Self::Program(_) => "program",
            Self::OtherCard => "other-card",
            Self::NothingDue => "nothing-due",
            Self::NothingToUndo => "nothing-to-undo",
            Self::BlankChip => "blank-chip",
            Self::UnfinishedCard => "unfinished-card",
            Self::BlockedCard => "blocked-card",
            Self::TerminatedCard => "terminated-card",
            Self::ExpiredCard => "expired-card",
            Self::RewoundCard => "rewound-card",
            Self::NotUnblockable => "not-unblockable",
            Self::JobRefused { .. } => "job-refused",
            Self::JobMalformed(_) => "job-malformed",
        }
    }

    /// What happened, what it means for the plastic, what to do next: in Vietnamese.
    pub const fn vietnamese(&self) -> &'static str {
        match self {
            Self::CardLost => {
                "Thẻ bị rút ra hoặc mất điện. Thẻ chưa xong nhưng không hỏng. Đưa lại đúng thẻ này để làm tiếp."
            }
            Self::MuteCard => {
                "Thẻ không trả lời quá lâu. Thẻ có thể chưa xong nhưng không hỏng. Rút thẻ ra, đưa lại đúng thẻ này; nếu lặp lại, thử đầu đọc khác rồi để riêng thẻ và báo người quản trị."
            }
            Self::ReaderGone => {
                "Đầu đọc bị rút khỏi máy. Thẻ có thể chưa xong nhưng không hỏng. Cắm lại đầu đọc hoặc dùng đầu đọc khác, đưa lại đúng thẻ này để làm tiếp."
            }
            Self::ForeignCard => {
                "Đây không phải thẻ trắng an sinh. Thẻ không bị thay đổi. Lấy thẻ ra và dùng thẻ khác."
            }
            Self::UnknownChip => {
                "Chip không thuộc lô thẻ nào của trạm này. Thẻ không bị thay đổi. Trả thẻ về trạm của nó hoặc đăng ký lô thẻ trước."
            }
            Self::DefaultKeys => {
                "Thẻ dùng khóa mặc định ai cũng biết. Thẻ không bị thay đổi. Không dùng lô này, báo nhà cung cấp."
            }
            Self::WrongCardKeys => {
                "Chip không có khóa ứng với số sê-ri của nó. Thẻ không bị thay đổi. Để riêng thẻ này và báo người quản trị."
            }
            Self::AuthenticationBlocked => {
                "Thẻ tạm khóa xác thực sau mười lần sai. Thẻ không bị thay đổi. Rút thẻ ra, đưa lại một lần; nếu vẫn vậy, để riêng thẻ."
            }
            Self::ClosedCard => {
                "Thẻ đã bị khóa hoặc hủy. Thẻ không bị thay đổi. Để riêng thẻ này và dùng thẻ khác."
            }
            Self::RetiredChip => {
                "Chip này đã bị loại hoặc thẻ của nó đã bị khóa. Thẻ không bị thay đổi. Bỏ vào hộp thẻ hỏng và dùng thẻ khác."
            }
            Self::UnrecordedCard => {
                "Chip có khóa của cơ quan cấp nhưng sổ không có thẻ này. Thẻ không bị thay đổi. Dừng cấp thẻ: sổ có thể bị khôi phục từ bản sao cũ, báo người quản trị."
            }
            Self::UnrecordedCso => {
                "Thẻ đã mang chữ ký của cơ quan cấp mà sổ không có. Thẻ không bị thay đổi. Dừng cấp thẻ: sổ cũ hơn thẻ này; báo người quản trị khôi phục bản sao mới nhất."
            }
            Self::CopiedChip => {
                "Chip quay lại khóa vận chuyển, có thể là bản sao. Thẻ không bị thay đổi. Để riêng thẻ này và báo người quản trị; nếu không còn chip thật: `ansinh issue --give-up CARD`."
            }
            Self::Altered => {
                "Câu trả lời của thẻ bị sửa trên đường đi. Thẻ chưa xong nhưng không hỏng. Đưa lại thẻ; nếu lặp lại, đổi đầu đọc và báo người quản trị."
            }
            Self::CardRefused { .. } => {
                "Thẻ từ chối một lệnh. Thẻ chưa xong. Đưa lại thẻ; nếu lặp lại ba lần, để riêng thẻ và loại nó: `ansinh issue --give-up CARD`."
            }
            Self::CardFull => {
                "Thẻ báo hết bộ nhớ. Thẻ chưa xong. Đưa lại thẻ một lần; nếu vẫn vậy, để riêng thẻ, loại nó: `ansinh issue --give-up CARD`, dùng thẻ khác và báo nhà cung cấp."
            }
            Self::Malformed(_) => {
                "Thẻ trả lời sai đặc tả. Thẻ chưa xong. Đưa lại thẻ; nếu lặp lại, để riêng thẻ, báo nhà cung cấp và loại nó: `ansinh issue --give-up CARD`."
            }
            Self::KeyProof(_) => {
                "Thẻ không chứng minh được khóa là của chính nó. Chip bị loại, người hưởng chờ thẻ khác. Để riêng chip và báo nhà cung cấp."
            }
            Self::DuplicateKey => {
                "Khóa của thẻ trùng với một thẻ khác. Chip bị loại, người hưởng chờ thẻ khác. Để riêng chip và báo nhà cung cấp."
            }
            Self::OtherCso => {
                "Thẻ mang chữ ký khác với chữ ký trong sổ. Chip bị loại và số thẻ bị khóa, người hưởng chờ thẻ khác. Để riêng chip, báo người quản trị và gửi danh sách khóa: `ansinh block publish`."
            }
            Self::LostKeys => {
                "Chip mất khóa sau khi đã ký. Chip bị loại và số thẻ bị khóa, người hưởng chờ thẻ khác. Bỏ vào hộp thẻ hỏng và gửi danh sách khóa: `ansinh block publish`."
            }
            Self::LedgerCso => {
                "Sổ có chữ ký không khớp thẻ này. Thẻ chưa xong. Dừng cấp thẻ và báo người quản trị: sổ đã bị sửa từ bên ngoài."
            }
            Self::PersonRecord(_) => {
                "Hồ sơ người hưởng có mục không ghi được lên thẻ. Thẻ chưa xong nhưng không hỏng. Sửa hồ sơ rồi đưa lại thẻ này."
            }
            Self::TooMuchData => {
                "Dữ liệu của người hưởng dài hơn chỗ trên thẻ. Thẻ chưa xong nhưng không hỏng. Rút gọn hồ sơ rồi đưa lại thẻ này, hoặc loại thẻ: `ansinh issue --give-up CARD`."
            }
            Self::Pin(_) => {
                "Chưa có mã PIN. Thẻ chưa xong nhưng không hỏng. Đưa lại thẻ này và nhập mã PIN sáu chữ số."
            }
            Self::Ledger(_) => {
                "Không đọc hoặc ghi được sổ. Thẻ chưa xong nhưng không hỏng. Kiểm tra ổ đĩa rồi chạy lại."
            }
            Self::Keys(_) => {
                "Không dùng được khóa của trạm. Thẻ chưa xong nhưng không hỏng. Kiểm tra tệp khóa và mật khẩu rồi chạy lại."
            }
            Self::Reader(_) => {
                "Đầu đọc gặp lỗi. Thẻ có thể chưa xong nhưng không hỏng. Đưa lại đúng thẻ này để làm tiếp."
            }
            Self::Program(_) => {
                "Lỗi của chương trình. Thẻ có thể chưa xong. Ghi lại thông báo này và báo người quản trị."
            }
            Self::OtherCard => {
                "Đây là thẻ khác với số thẻ đã nêu. Thẻ không bị thay đổi. Lấy thẻ ra và đưa đúng thẻ."
            }
            Self::NothingDue => {
                "Thẻ này đã đúng như sổ, không có gì để cập nhật. Thẻ không bị thay đổi. Trả thẻ cho người hưởng."
            }
            Self::NothingToUndo => {
                "Sổ không có khoản nào của thẻ này đã trả mà chưa giao tiền. Thẻ không bị thay đổi. Đồng bộ thiết bị đã trả trước: `ansinh terminal sync`."
            }
            Self::BlankChip => {
                "Đây là chip trắng, chưa phải thẻ của ai. Chip không bị thay đổi. Trả về kho thẻ trắng và đưa đúng thẻ của người hưởng."
            }
            Self::UnfinishedCard => {
                "Thẻ này chưa phát hành xong. Thẻ không bị thay đổi. Làm cho xong bằng `ansinh issue` rồi đưa lại."
            }
            Self::BlockedCard => {
                "Thẻ đang bị khóa trên chip hoặc trong sổ. Việc yêu cầu chưa được làm. Giữ thẻ lại; nếu đúng người được dùng lại thẻ, mở khóa trước: `ansinh card unblock`."
            }
            Self::TerminatedCard => {
                "Thẻ đã hủy vĩnh viễn. Thẻ không trả tiền được nữa. Giữ thẻ lại, đục lỗ và cấp thẻ khác nếu người hưởng còn được hưởng."
            }
            Self::ExpiredCard => {
                "Thẻ đã hết hạn. Thẻ không được cập nhật. Giữ thẻ lại và cấp thẻ khác cho người hưởng."
            }
            Self::RewoundCard => {
                "Thẻ có ít biên nhận hơn lần trước, có thể là bản sao. Thẻ không bị thay đổi. Giữ thẻ lại, khóa số thẻ: `ansinh block add`, và báo người quản trị."
            }
            Self::NotUnblockable => {
                "Trong sổ thẻ này đang bị khóa. Thẻ không được mở khóa. Nếu người hưởng không có thẻ khác, người duyệt mở khóa trong sổ trước: `ansinh card approve-unblock CARD`."
            }
            Self::JobRefused { .. } => {
                "Thẻ từ chối một lệnh. Việc chưa xong, tiền và biên nhận trên thẻ còn nguyên. Đưa lại thẻ; nếu lặp lại ba lần, giữ thẻ và báo người quản trị."
            }
            Self::JobMalformed(_) => {
                "Thẻ trả lời sai đặc tả. Việc chưa xong. Đưa lại thẻ; nếu lặp lại, giữ thẻ, khóa số thẻ: `ansinh block add`, và báo nhà cung cấp."
            }
        }
    }

    const fn english(&self) -> &'static str {
        match self {
            Self::CardLost => {
                "The card was removed or lost power. It is unfinished, not spoilt. Insert the same card again to go on."
            }
            Self::MuteCard => {
                "The card has not answered for too long. It may be unfinished, it is not spoilt. Take it out and insert the same card again; if this repeats, try another reader, then keep it apart and tell the administrator."
            }
            Self::ReaderGone => {
                "The reader was unplugged. The card may be unfinished, it is not spoilt. Plug the reader in again or use another one, and insert the same card to go on."
            }
            Self::ForeignCard => {
                "This is no blank card of ours. It was not changed. Take it out and use another."
            }
            Self::UnknownChip => {
                "The chip is of no delivery to this station (a card of another station?). It was not changed. Return it, or register its delivery first."
            }
            Self::DefaultKeys => {
                "The card has the default keys that everybody knows. It was not changed. Use no card of this delivery and tell the vendor."
            }
            Self::WrongCardKeys => {
                "The chip does not have the keys of its serial. It was not changed. Keep it apart and tell the administrator."
            }
            Self::AuthenticationBlocked => {
                "The card blocks authentication after ten wrong attempts. It was not changed. Take it out and insert it once more; if it stays so, keep it apart."
            }
            Self::ClosedCard => {
                "The card is blocked or terminated. It was not changed. Keep it apart and use another."
            }
            Self::RetiredChip => {
                "This chip was given up, or its card is blocked. It was not changed. Put it with the spoilt cards and use another."
            }
            Self::UnrecordedCard => {
                "The chip has the issuer's keys, but the store knows no card on it. It was not changed. Stop issuing: the store may be an old backup; tell the administrator."
            }
            Self::UnrecordedCso => {
                "The card carries a security object that the store never released. It was not changed. Stop issuing: the store is older than this card; have the newest backup restored."
            }
            Self::CopiedChip => {
                "The chip is back at its transport keys, so it may be a copy. It was not changed. Keep it apart and tell the administrator; if the genuine chip is gone: `ansinh issue --give-up CARD`."
            }
            Self::Altered => {
                "The card's answer was altered on its way. It is unfinished, not spoilt. Insert it again; if this repeats, change the reader and tell the administrator."
            }
            Self::CardRefused { .. } => {
                "The card refused a command. It is unfinished. Insert it again; after three times keep it apart and give it up: `ansinh issue --give-up CARD`."
            }
            Self::CardFull => {
                "The card says that its memory is full. It is unfinished. Insert it once more; if it stays so, keep it apart, give it up: `ansinh issue --give-up CARD`, use another card and tell the vendor."
            }
            Self::Malformed(_) => {
                "The card's answer breaks the specification. It is unfinished. Insert it again; if this repeats, keep it apart, tell the vendor and give it up: `ansinh issue --give-up CARD`."
            }
            Self::KeyProof(_) => {
                "The card did not prove that its keys are its own. The chip is spoilt and the person waits for another. Keep the chip apart and tell the vendor."
            }
            Self::DuplicateKey => {
                "The card's key belongs to another card already. The chip is spoilt and the person waits for another. Keep the chip apart and tell the vendor."
            }
            Self::OtherCso => {
                "The card carries another security object than the one released for it. The chip is spoilt, its number blocked, the person waits for another. Keep the chip apart, tell the administrator, and send the block list: `ansinh block publish`."
            }
            Self::LostKeys => {
                "The chip lost its keys after they were signed. The chip is spoilt, its number blocked, the person waits for another. Put it with the spoilt cards and send the block list: `ansinh block publish`."
            }
            Self::LedgerCso => {
                "The store holds a security object that does not fit this card. It is unfinished. Stop issuing and tell the administrator: the store was changed from outside."
            }
            Self::PersonRecord(_) => {
                "A field of the person's record does not fit a card. The card is unfinished, not spoilt. Correct the record, then insert the same card again."
            }
            Self::TooMuchData => {
                "The person's data exceed the space on a card. It is unfinished, not spoilt. Shorten the record and insert the same card again, or give it up: `ansinh issue --give-up CARD`."
            }
            Self::Pin(_) => {
                "There is no PIN. The card is unfinished, not spoilt. Insert it again and enter six digits."
            }
            Self::Ledger(_) => {
                "The store could not be read or written. The card is unfinished, not spoilt. Check the disk, then start again."
            }
            Self::Keys(_) => {
                "The station's keys could not be used. The card is unfinished, not spoilt. Check key files and passphrase, then start again."
            }
            Self::Reader(_) => {
                "The reader failed. The card may be unfinished, but is not spoilt. Insert the same card again to go on."
            }
            Self::Program(_) => {
                "A fault of this program. The card may be unfinished. Write this message down and tell the administrator."
            }
            Self::OtherCard => {
                "This is another card than the one named. It was not changed. Take it out and insert the right one."
            }
            Self::NothingDue => {
                "This card says what the store says. It was not changed, for there is nothing to update. Give it back to its holder."
            }
            Self::NothingToUndo => {
                "The store knows of no payment of this card whose money was not handed over. It was not changed. Synchronise the terminal that paid first: `ansinh terminal sync`."
            }
            Self::BlankChip => {
                "This is a blank chip, nobody's card. It was not changed. Put it back to the blank cards and insert the holder's own."
            }
            Self::UnfinishedCard => {
                "The issuance of this card is not finished. It was not changed. Finish it with `ansinh issue`, then insert it again."
            }
            Self::BlockedCard => {
                "The card is blocked, on its chip or in the store. The job was not done. Keep the card; if its holder is to use it again, unblock it first: `ansinh card unblock`."
            }
            Self::TerminatedCard => {
                "The card is closed for ever. It pays nothing any more. Keep it, punch it, and issue another if its holder is still entitled."
            }
            Self::ExpiredCard => {
                "The card's last day is over. It was not updated. Keep it, and issue another to its holder."
            }
            Self::RewoundCard => {
                "The card has fewer receipts than it showed before, so it may be a copy. It was not changed. Keep it, block its number: `ansinh block add`, and tell the administrator."
            }
            Self::NotUnblockable => {
                "The store counts this card as blocked. It was not unblocked. If its holder has no other card, an approver lifts the block first: `ansinh card approve-unblock CARD`."
            }
            Self::JobRefused { .. } => {
                "The card refused a command. The job is not done; money and receipts on the card are as they were. Insert it again; after three times keep it and tell the administrator."
            }
            Self::JobMalformed(_) => {
                "The card's answer breaks the specification. The job is not done. Insert it again; if this repeats, keep it, block its number: `ansinh block add`, and tell the vendor."
            }
        }
    }
}

/// The English text with the detail.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.english())?;
        match self {
            Self::CardRefused { command, status } | Self::JobRefused { command, status } => {
                write!(f, " ({command}: {status})")
            }
            Self::Malformed(detail)
            | Self::KeyProof(detail)
            | Self::PersonRecord(detail)
            | Self::JobMalformed(detail)
            | Self::Program(detail) => {
                write!(f, " ({detail})")
            }
            Self::Pin(detail) | Self::Ledger(detail) | Self::Keys(detail) | Self::Reader(detail) => {
                write!(f, " ({detail})")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
