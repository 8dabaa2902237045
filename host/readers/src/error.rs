//! What can go wrong between host and card, told to the operator.

use std::time::Duration;

/// Why a card could not be reached, or gave no usable answer. After any but [`TransmitError::Reset`],
/// [`TransmitError::Unending`] and [`TransmitError::Malformed`] the connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransmitError {
    /// The card is not in the reader (any more), or lost power: the last command may or may not have been carried out.
    #[error(
        "the card was removed or lost power; its last step may or may not have been done: \
         insert the same card again and the work resumes"
    )]
    CardLost,
    /// Another process reset the card: sessions, authentication and selection on the card are gone.
    #[error(
        "another program reset the card; nothing is lost on it, but the step must start again from its beginning"
    )]
    Reset,
    /// The card has not answered within the time-out. Its last command may yet be carried out.
    #[error(
        "the card has not answered for {} seconds; its last step may or may not have been done: \
         take the card out and insert it again", .0.as_secs()
    )]
    Mute(Duration),
    /// Another process kept the card or the reader for itself throughout the time-out.
    #[error(
        "another program is using the card or its reader; the card is untouched: close that program, try again"
    )]
    Busy,
    /// The card announced more data than any answer has (`61xx` without end, or too much in total).
    #[error("the card sends an answer without end, as no genuine card does: put it aside and report it")]
    Unending,
    /// The reader or its driver cannot power the card up or read its answers.
    #[error(
        "the reader gets no contact with the card: clean the card, check which side is up, insert it again"
    )]
    Unresponsive,
    /// The reader was unplugged.
    #[error(
        "the reader is gone; the card's last step may or may not have been done: plug the reader in again"
    )]
    ReaderLost,
    /// The PC/SC service does not run or has stopped.
    #[error("the PC/SC service does not run: start it (systemctl start pcscd.socket), then try again")]
    ServiceLost,
    /// Not a command APDU: fewer than 4 bytes or more than an extended one has. Nothing was sent.
    #[error(
        "a command of {0} bytes is no APDU; the card is untouched: report this as a fault of the program"
    )]
    Malformed(usize),
    /// Any other failure that PC/SC reports.
    #[error("PC/SC: {0}; the card's last step may or may not have been done: insert the card again")]
    Other(pcsc::Error),
}

impl From<pcsc::Error> for TransmitError {
    fn from(error: pcsc::Error) -> Self {
        use pcsc::Error as Pcsc;
        match error {
            Pcsc::NoSmartcard | Pcsc::RemovedCard | Pcsc::UnpoweredCard | Pcsc::NotTransacted => {
                Self::CardLost
            }
            Pcsc::ResetCard => Self::Reset,
            Pcsc::SharingViolation => Self::Busy,
            Pcsc::UnresponsiveCard | Pcsc::UnsupportedCard | Pcsc::ProtoMismatch => Self::Unresponsive,
            Pcsc::UnknownReader | Pcsc::ReaderUnavailable => Self::ReaderLost,
            Pcsc::NoService | Pcsc::ServiceStopped | Pcsc::CommError => Self::ServiceLost,
            other => Self::Other(other),
        }
    }
}
