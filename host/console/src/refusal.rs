//! Why a call was not done: problem details (RFC 9457) in both languages, the same over the network and at the command line.

use ansinh_payout::PayoutError;
use ansinh_store::StoreError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calls::imports::Findings;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The parameters cannot be read.
    BadRequest,
    /// No token was sent.
    NoToken,
    /// The token is nobody's.
    UnknownToken,
    /// The caller lacks the role.
    NotAllowed,
    /// One's own draft.
    FourEyes,
    /// No such call or thing.
    NotFound,
    /// No such method.
    WrongMethod,
    /// It is there already.
    Exists,
    /// Not in the state that this needs.
    WrongState,
    /// No card is left of the officer's quota.
    QuotaUsedUp,
    /// Too many bytes.
    TooLarge,
    /// The body took too long to come.
    TooSlow,
    /// The body is no JSON.
    WrongMediaType,
    /// Readable, but not what the rules allow.
    RefusedData,
    /// A list has warnings that nobody accepted.
    WarningsNotAccepted,
    /// A key does not open.
    Keys,
    /// The service is stopping, or has too much to do.
    Unavailable,
    /// The database's answer to COMMIT was lost.
    PerhapsDone,
    /// The log of operations was changed from outside.
    BrokenLog,
    /// The service failed.
    Internal,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 20] = [
        Self::BadRequest,
        Self::NoToken,
        Self::UnknownToken,
        Self::NotAllowed,
        Self::FourEyes,
        Self::NotFound,
        Self::WrongMethod,
        Self::Exists,
        Self::WrongState,
        Self::QuotaUsedUp,
        Self::TooLarge,
        Self::TooSlow,
        Self::WrongMediaType,
        Self::RefusedData,
        Self::WarningsNotAccepted,
        Self::Keys,
        Self::Unavailable,
        Self::PerhapsDone,
        Self::BrokenLog,
        Self::Internal,
    ];

    /// The HTTP status (RFC 9110, 15).
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NoToken | Self::UnknownToken => 401,
            Self::NotAllowed | Self::FourEyes => 403,
            Self::NotFound => 404,
            Self::WrongMethod => 405,
            Self::TooSlow => 408,
            Self::Exists | Self::WrongState | Self::QuotaUsedUp => 409,
            Self::TooLarge => 413,
            Self::WrongMediaType => 415,
            Self::RefusedData | Self::WarningsNotAccepted => 422,
            Self::Keys | Self::PerhapsDone | Self::BrokenLog | Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// What happened, what it means, what to do.
    pub const fn vietnamese(self) -> &'static str {
        match self {
            Self::BadRequest => "Yêu cầu không đọc được, chưa thay đổi gì",
            Self::NoToken => "Thiếu mã cán bộ, chưa thay đổi gì. Hãy gửi kèm mã",
            Self::UnknownToken => {
                "Mã cán bộ không đúng hoặc đã bị ngừng, chưa thay đổi gì. Hãy hỏi quản trị viên"
            }
            Self::NotAllowed => "Cán bộ không có quyền làm việc này, chưa thay đổi gì. Hãy hỏi quản trị viên",
            Self::FourEyes => "Người lập không được tự duyệt, chưa thay đổi gì. Cần cán bộ khác duyệt",
            Self::NotFound => "Không tìm thấy, chưa thay đổi gì",
            Self::WrongMethod => "Phương thức không dùng được ở đây, chưa thay đổi gì",
            Self::Exists => "Đã có từ trước, chưa thay đổi gì",
            Self::WrongState => "Chưa làm được ở trạng thái hiện tại, chưa thay đổi gì",
            Self::QuotaUsedUp => {
                "Cán bộ đã dùng hết hạn mức của đợt, thẻ vẫn còn trắng. Cán bộ khác có thể làm tiếp"
            }
            Self::TooLarge => "Dữ liệu gửi quá lớn, chưa thay đổi gì",
            Self::TooSlow => "Dữ liệu gửi quá chậm, chưa thay đổi gì. Hãy gửi lại",
            Self::WrongMediaType => "Dữ liệu gửi không phải JSON, chưa thay đổi gì",
            Self::RefusedData => "Dữ liệu không hợp lệ, chưa thay đổi gì",
            Self::WarningsNotAccepted => {
                "Danh sách có cảnh báo chưa được chấp nhận, chưa nhập gì. Hãy xem rồi chấp nhận cảnh báo"
            }
            Self::Keys => "Không mở được khóa, chưa ký gì. Hãy hỏi quản trị viên",
            Self::Unavailable => "Dịch vụ đang bận hoặc đang dừng, chưa thay đổi gì. Hãy thử lại sau",
            Self::PerhapsDone => "Chưa rõ đã làm hay chưa. Hãy yêu cầu lại, việc đã làm không bị làm hai lần",
            Self::BrokenLog => "Nhật ký thao tác đã bị sửa từ bên ngoài. Hãy giữ nguyên tệp và báo thanh tra",
            Self::Internal => "Dịch vụ gặp lỗi. Hãy báo quản trị viên",
        }
    }
}

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{vietnamese} / {detail}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What kind of refusal, for programs.
    pub code: Code,
    /// English: what happened, what it means for card or money, what to do.
    pub detail: String,
    /// The same in Vietnamese, shorter.
    pub vietnamese: String,
    /// For a list: what was found in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Box<Findings>>,
}

impl Refusal {
    /// A refusal with its details, which hold no personal data and no secret.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            detail: detail.into(),
            vietnamese: code.vietnamese().to_owned(),
            findings: None,
        }
    }

    /// With what was found in a list. It may be personal data: it goes to whoever sent the list, and never into a log.
    pub(crate) fn with_findings(self, findings: Findings) -> Self {
        Self {
            findings: Some(Box::new(findings)),
            ..self
        }
    }

    /// What can be read but breaks a rule.
    pub(crate) fn refused_data(detail: impl Into<String>) -> Self {
        Self::new(Code::RefusedData, detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NotFound { .. } => Code::NotFound,
            StoreError::Exists { .. } => Code::Exists,
            StoreError::WrongState { .. } => Code::WrongState,
            StoreError::NotAllowed { .. } => Code::NotAllowed,
            StoreError::FourEyes { .. } => Code::FourEyes,
            StoreError::UnknownToken => Code::UnknownToken,
            StoreError::QuotaUsedUp { .. } => Code::QuotaUsedUp,
            StoreError::BadName(_) | StoreError::OutOfRange(_) => Code::RefusedData,
            StoreError::PerhapsDone(_) => Code::PerhapsDone,
            StoreError::BrokenLog { .. } => Code::BrokenLog,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PayoutError> for Refusal {
    fn from(error: PayoutError) -> Self {
        match error {
            PayoutError::Store(error) => error.into(),
            PayoutError::NothingDue | PayoutError::TooManyLists => {
                Self::new(Code::WrongState, error.to_string())
            }
            other => Self::new(Code::Internal, other.to_string()),
        }
    }
}
