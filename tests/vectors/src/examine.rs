//! Reads an object by the name that the vectors give its kind, and writes it again.

use card_spec::block_delta::{BlockDeltaBase, Unblocked};
use card_spec::certificate::{Certificate, Request};
use card_spec::command::{KeyPossession, SessionBinding};
use card_spec::crypto::Signature;
use card_spec::cso::CardSecurityObject;
use card_spec::groups::{Holder, Issuance, LinkedNumbers, PORTRAIT, Portrait, Programmes, Representatives};
use card_spec::journal::{Acknowledgement, EncodedOrder, Entry, TimeStatement};
use card_spec::list::{BlockEntry, BlockListHeader, ListHeader, ListLine};
use card_spec::payment::{Order, Receipt};
use card_spec::reversal::Reversal;
use card_spec::script::IssuerScript;
use card_spec::signed::{Body, Signed};
use card_spec::tlv::{DataObject, Error, Field, Reader, Writer};

/// What `card-spec` makes of an object.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The bytes that are signed, or the object itself if it is not a signed one.
    pub body: Vec<u8>,
    /// The signature of a signed object.
    pub signature: Option<Signature>,
    /// The object written again from its parsed values.
    pub encoding: Vec<u8>,
}

/// Parses an object of the named kind and writes it again.
///
/// # Errors
/// What `card-spec` refuses it for; [`Error::Expected`] 0 for a kind that does not exist.
pub fn examine(kind: &str, encoding: &[u8]) -> Result<Examined, Error> {
    match kind {
        "certificate" => signed::<Certificate>(encoding),
        "request" => signed::<Request>(encoding),
        "cso" => signed::<CardSecurityObject>(encoding),
        "receipt" => signed::<Receipt>(encoding),
        "list-header" => signed::<ListHeader<'_>>(encoding),
        "block-list-header" => signed::<BlockListHeader>(encoding),
        "journal-entry" => signed::<Entry<'_>>(encoding),
        "acknowledgement" => signed::<Acknowledgement>(encoding),
        "time-statement" => signed::<TimeStatement>(encoding),
        "key-possession" => signed::<KeyPossession>(encoding),
        "session-binding" => signed::<SessionBinding>(encoding),
        "order" => {
            EncodedOrder::parse(encoding).and_then(|order| plain::<Order<'_>>(order.encoding(), Order::TAG))
        }
        "issuer-script" => signed::<IssuerScript>(encoding),
        "reversal" => {
            Reversal::parse(DataObject::parse(encoding)?)?;
            plain::<Reversal<'_>>(encoding, Reversal::TAG)
        }
        "list-line" => plain::<ListLine>(encoding, ListLine::TAG),
        "block-list-entry" => plain::<BlockEntry>(encoding, BlockEntry::TAG),
        "block-delta-base" => plain::<BlockDeltaBase>(encoding, BlockDeltaBase::TAG),
        "block-delta-unblocked" => plain::<Unblocked>(encoding, Unblocked::TAG),
        "holder" => plain::<Holder<'_>>(encoding, 0xFF31),
        "portrait" => plain::<Portrait<'_>>(encoding, PORTRAIT),
        "programmes" => plain::<Programmes>(encoding, 0xFF33),
        "linked-numbers" => plain::<LinkedNumbers<'_>>(encoding, 0xFF34),
        "representatives" => plain::<Representatives<'_>>(encoding, 0xFF35),
        "issuance" => plain::<Issuance<'_>>(encoding, 0xFF36),
        _ => Err(Error::Expected(0)),
    }
}

fn signed<'a, B: Body<'a>>(encoding: &'a [u8]) -> Result<Examined, Error> {
    let signed = Signed::<B>::parse(encoding)?;
    let mut buffer = [0; 2048];
    let mut writer = Writer::new(&mut buffer);
    writer.template(B::WRAPPER, |writer| {
        signed.claimed().write(writer, B::TAG)?;
        signed.signature().write(writer, 0x5F37)
    })?;
    Ok(Examined {
        body: signed.signed_bytes().to_vec(),
        signature: Some(*signed.signature()),
        encoding: writer.finish().to_vec(),
    })
}

fn plain<'a, T: Field<'a>>(encoding: &'a [u8], tag: u16) -> Result<Examined, Error> {
    let mut reader = Reader::new(encoding);
    let value = T::read(&mut reader, tag)?;
    reader.finish()?;
    let mut buffer = [0; 2048];
    let mut writer = Writer::new(&mut buffer);
    value.write(&mut writer, tag)?;
    Ok(Examined {
        body: encoding.to_vec(),
        signature: None,
        encoding: writer.finish().to_vec(),
    })
}
