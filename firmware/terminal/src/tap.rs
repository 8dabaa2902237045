//! One card in the field, from SELECT to a session with a card that has proven to be genuine (SPEC 7).
//!
//! Each step is a type of its own, so a PIN or an order can be sent to a [`GenuineCard`] only. What a card answers is
//! bounded before it is looked at.

use card_spec::APPLICATION_IDENTIFIER;
use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::certificate::Reference;
use card_spec::command::instruction::{
    INTERNAL_AUTHENTICATE, PERFORM_SECURITY_OPERATION, READ_BINARY, SELECT, VERIFY,
};
use card_spec::command::{CSO_FILE, PIN_REFERENCE, SessionBinding, VerifyData};
use card_spec::crypto::{Curve, Digest, PublicKey, SecretKey, SharedSecret, Signature, Verify};
use card_spec::cso::{self, CardSecurityObject, HolderCheckPolicy, PersonReference};
use card_spec::payment::{LineKey, Order, Receipt};
use card_spec::scp03::{
    ChannelError, HostChannel, MAX_COMMAND_DATA, MAX_PROTECTED_RESPONSE, MAX_RESPONSE_DATA, Reply,
};
use card_spec::scp11::{self, KEY_IDENTIFIER, MUTUAL_AUTHENTICATE, TerminalAgreement};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::{Field as _, Reader, length_of_first_object};
use card_spec::values::{CardNumber, Date};
use heapless::Vec;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::device::Certificates;
use crate::keys::{Credentials, Keys};

/// A command on its way to the card: the longest short APDU.
pub(crate) type CommandBuffer = Vec<u8, 261>;

const INTERINDUSTRY: u8 = 0x00;
const PROPRIETARY: u8 = 0x80;
/// Version of the trust anchor on the card (SPEC 7.3).
const TRUST_ANCHOR: u8 = 0x01;
/// P2 of the last certificate, and of one that others follow (SPEC 7.2).
const LAST: u8 = 0x10;
const MORE_FOLLOW: u8 = 0x90;

/// What a session needs of the terminal.
pub(crate) struct Context<'t, C> {
    pub(crate) curve: &'t C,
    pub(crate) keys: &'t Keys,
    pub(crate) credentials: &'t Credentials,
    pub(crate) certificates: &'t Certificates,
    /// The card of the first tap, at the second: it need not show its CSO again, for it signs the hash of it in each session (SPEC
    /// 7.6). Another card fails at the key agreement, one that was updated at that signature.
    pub(crate) known: Option<&'t KnownCard>,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TapError {
    /// What answers is not a genuine card, or somebody is between it and the reader.
    NotGenuine,
    /// Its CSO names an issuer whose certificate the terminal does not hold: nothing is known about the card.
    UnknownIssuer,
    /// The card does not want to: it is not active, or does not accept the terminal's certificate.
    Refused(StatusWord),
}

impl From<ChannelError> for TapError {
    fn from(_: ChannelError) -> Self {
        Self::NotGenuine
    }
}

/// What a verified CSO says.
#[derive(Clone, Copy)]
pub(crate) struct CardFacts {
    pub(crate) number: CardNumber,
    pub(crate) cso_hash: Digest,
    pub(crate) effective: Date,
    pub(crate) expiry: Date,
    pub(crate) policy: HolderCheckPolicy,
    pub(crate) holder_digest: Digest,
    pub(crate) representatives_digest: Digest,
    /// Whose key signed it.
    pub(crate) issuer: Reference,
    person: PersonReference,
    version: u16,
    agreement_key: PublicKey,
    signing_key: PublicKey,
}

impl CardFacts {
    fn of(cso: &Verified<'_, CardSecurityObject>) -> Self {
        Self {
            number: cso.card_number,
            cso_hash: cso.hash(),
            effective: cso.effective,
            expiry: cso.expiry,
            policy: cso.policy,
            holder_digest: cso.digests.holder,
            representatives_digest: cso.digests.representatives,
            issuer: cso.issuer,
            person: cso.person,
            version: cso.version,
            agreement_key: cso.agreement_key,
            signing_key: cso.signing_key,
        }
    }

    /// The receipt, if this card signed it (SPEC 9.4), under its present CSO or one before: an update keeps the keys and
    /// the stored receipts (SPEC 13.6). For which order it is remains to be seen.
    pub(crate) fn verify_receipt<'a>(
        &self,
        verifier: &impl Verify,
        receipt: &'a [u8],
    ) -> Option<Verified<'a, Receipt>> {
        let receipt = Signed::<Receipt>::parse(receipt).ok()?;
        let receipt = receipt.verify(verifier, &self.signing_key).ok()?;
        let own = receipt.card_number == self.number && receipt.cso_version <= self.version;
        own.then_some(receipt)
    }

    /// Is a line the card holder's?
    pub(crate) fn owns(&self, line: &LineKey) -> bool {
        line.parts().person == self.person
    }

    /// May this card have had the order, under its present CSO or under one before? An update keeps the person (SPEC 13.6);
    /// so does a replacement (SPEC 4.1), which neither has the receipt nor can decide.
    pub(crate) fn may_have_had(&self, order: &Order<'_>) -> bool {
        order.cso_hash == self.cso_hash || order.line_key.parts().person == self.person
    }

    /// Does a receipt for what names this CSO state the present version exactly if that is the present one?
    pub(crate) fn is_consistent(&self, receipt: &Receipt, cso_hash: &Digest) -> bool {
        (receipt.cso_version == self.version) == (*cso_hash == self.cso_hash)
    }
}

/// Where the ephemeral key of a session comes from: one that was made before the card came, or a fresh one. Each is good for
/// one session.
pub(crate) struct Ephemeral<'t, R> {
    pub(crate) random: &'t mut R,
    pub(crate) prepared: &'t mut Option<SecretKey>,
}

impl<R: CryptoRng> Ephemeral<'_, R> {
    fn take(self, curve: &impl Curve) -> SecretKey {
        let Self { random, prepared } = self;
        prepared.take().unwrap_or_else(|| curve.generate(random))
    }
}

/// What one tap has found out about a card, and the next need not compute once more: that the body of its CSO verified
/// under its issuer, and the secret that its static key shares with the terminal's (ShSss, the same in each session). Kept
/// until the service ends, minutes at most. That the card owns its keys is proven in each session anew.
pub(crate) struct KnownCard {
    pub(crate) facts: CardFacts,
    fixed: SharedSecret,
}

/// Where a tap is: what the answer awaited belongs to.
pub(crate) enum Tap {
    /// SELECT was sent.
    Selecting,
    /// A part of the terminal CA's certificate was sent, up to an offset.
    PresentingAuthority { sent: usize },
    /// A part of the terminal's certificate was sent.
    PresentingAgreement { sent: usize },
    /// READ BINARY of the CSO was sent.
    Reading(Vec<u8, { cso::MAXIMUM_LENGTH }>),
    /// MUTUAL AUTHENTICATE was sent.
    Agreeing(CardFacts, TerminalAgreement),
    /// INTERNAL AUTHENTICATE was sent.
    Binding(KnownCard, HostChannel, scp11::Receipt),
}

/// What became of an answer.
pub(crate) enum Progress {
    /// The next command is to be sent.
    Next(Tap),
    /// The card is genuine.
    Genuine(GenuineCard),
}

impl Tap {
    /// Begins with SELECT.
    pub(crate) fn begin(out: &mut CommandBuffer) -> Option<Self> {
        let select = command(INTERINDUSTRY, SELECT, [0x04, 0x00], &APPLICATION_IDENTIFIER, true);
        send(&select, out)?;
        Some(Self::Selecting)
    }

    /// Takes the card's answer, and writes the next command to `out`.
    pub(crate) fn answer<C: Curve>(
        self,
        context: &Context<'_, C>,
        ephemeral: Ephemeral<'_, impl CryptoRng>,
        response: &[u8],
        out: &mut CommandBuffer,
    ) -> Result<Progress, TapError> {
        if let Self::Binding(card, channel, receipt) = self {
            return bind(context, card, channel, receipt, response).map(Progress::Genuine);
        }
        let response = Response::parse(response).map_err(|_| TapError::NotGenuine)?;
        let next = match self {
            Self::Selecting => {
                response.ok().map_err(|_| TapError::NotGenuine)?;
                present(&context.certificates.authority, 0, MORE_FOLLOW, out)
                    .map(|sent| Self::PresentingAuthority { sent })
            }
            Self::PresentingAuthority { sent } => {
                response.ok().map_err(TapError::Refused)?;
                match present(&context.certificates.authority, sent, MORE_FOLLOW, out) {
                    Some(sent) => Some(Self::PresentingAuthority { sent }),
                    None => present(&context.certificates.agreement, 0, LAST, out)
                        .map(|sent| Self::PresentingAgreement { sent }),
                }
            }
            Self::PresentingAgreement { sent } => {
                response.ok().map_err(TapError::Refused)?;
                match present(&context.certificates.agreement, sent, LAST, out) {
                    Some(sent) => Some(Self::PresentingAgreement { sent }),
                    None => match context.known {
                        Some(known) => begin_agreement(context.curve, ephemeral, known.facts, out),
                        None => read_cso(0, out).map(|()| Self::Reading(Vec::new())),
                    },
                }
            }
            Self::Reading(cso) => Some(read_on(context, ephemeral, cso, &response, out)?),
            Self::Agreeing(facts, agreement) => Some(agree(context, facts, agreement, &response, out)?),
            Self::Binding(..) => None,
        };
        next.map(Progress::Next).ok_or(TapError::NotGenuine)
    }
}

/// Sends the part of a certificate from `sent` on; `None` if all was sent.
fn present(certificate: &[u8], sent: usize, p2: u8, out: &mut CommandBuffer) -> Option<usize> {
    let rest = certificate.get(sent..).filter(|rest| !rest.is_empty())?;
    let part = rest.get(..MAX_COMMAND_DATA).unwrap_or(rest);
    let parameters = [TRUST_ANCHOR, p2];
    let more = part.len() < rest.len();
    let command = command(PROPRIETARY, PERFORM_SECURITY_OPERATION, parameters, part, false);
    send(&command.with_chaining(more), out)?;
    sent.checked_add(part.len())
}

fn read_cso(offset: usize, out: &mut CommandBuffer) -> Option<()> {
    let parameters = match offset {
        0 => [0x80 | CSO_FILE, 0x00],
        _ => offset_parameters(offset)?,
    };
    send(&command(INTERINDUSTRY, READ_BINARY, parameters, &[], true), out)
}

/// P1 and P2 of READ BINARY from an offset of 15 bits (SPEC 7.7).
fn offset_parameters(offset: usize) -> Option<[u8; 2]> {
    let offset = u16::try_from(offset).ok().filter(|offset| *offset < 0x8000)?;
    Some(offset.to_be_bytes())
}

/// Takes the next part of the CSO; when it is complete and verifies, begins the key agreement.
fn read_on(
    context: &Context<'_, impl Curve>,
    ephemeral: Ephemeral<'_, impl CryptoRng>,
    mut cso: Vec<u8, { cso::MAXIMUM_LENGTH }>,
    response: &Response<'_>,
    out: &mut CommandBuffer,
) -> Result<Tap, TapError> {
    let part = response.ok().map_err(|_| TapError::NotGenuine)?;
    if !take_part(&mut cso, part)? {
        read_cso(cso.len(), out).ok_or(TapError::NotGenuine)?;
        return Ok(Tap::Reading(cso));
    }
    let signed = Signed::<CardSecurityObject>::parse(&cso).map_err(|_| TapError::NotGenuine)?;
    let issuer = context
        .credentials
        .issuer(signed.claimed().issuer)
        .ok_or(TapError::UnknownIssuer)?;
    let verified = cso::verify(context.curve, issuer, signed).map_err(|_| TapError::NotGenuine)?;
    begin_agreement(context.curve, ephemeral, CardFacts::of(&verified), out).ok_or(TapError::NotGenuine)
}

fn begin_agreement(
    curve: &impl Curve,
    ephemeral: Ephemeral<'_, impl CryptoRng>,
    facts: CardFacts,
    out: &mut CommandBuffer,
) -> Option<Tap> {
    let agreement = TerminalAgreement::new(ephemeral.take(curve));
    let parameters = [TRUST_ANCHOR, KEY_IDENTIFIER];
    let data = agreement.command_data();
    send(
        &command(PROPRIETARY, MUTUAL_AUTHENTICATE, parameters, data, true),
        out,
    )?;
    Some(Tap::Agreeing(facts, agreement))
}

/// Appends a part of a file that is one data object; true when the object is complete. A part that is not as long as
/// can be and not the last one, or that brings more than the object, is no card's: else it could go on for ever.
fn take_part<const N: usize>(object: &mut Vec<u8, N>, part: &[u8]) -> Result<bool, TapError> {
    if part.is_empty() || object.extend_from_slice(part).is_err() {
        return Err(TapError::NotGenuine);
    }
    let extent = length_of_first_object(object).map_err(|_| TapError::NotGenuine)?;
    let total = extent.map_or(usize::MAX, |extent| extent.total);
    if object.len() > total {
        return Err(TapError::NotGenuine);
    }
    let complete = object.len() == total;
    if !complete && part.len() < MAX_RESPONSE_DATA {
        return Err(TapError::NotGenuine);
    }
    Ok(complete)
}

/// Opens secure messaging and asks the card to sign the session.
fn agree(
    context: &Context<'_, impl Curve>,
    facts: CardFacts,
    agreement: TerminalAgreement,
    response: &Response<'_>,
    out: &mut CommandBuffer,
) -> Result<Tap, TapError> {
    let data = response.ok().map_err(|_| TapError::NotGenuine)?;
    let fixed = match context.known {
        Some(known) => known.fixed.clone(),
        None => context.curve.agree(&context.keys.agreement, &facts.agreement_key),
    };
    let (mut channel, receipt) = agreement
        .finish_with(context.curve, &fixed, data)
        .map_err(|_| TapError::NotGenuine)?;
    let card = KnownCard { facts, fixed };
    let command = command(PROPRIETARY, INTERNAL_AUTHENTICATE, [0x00, 0x00], &[], true);
    protect(&mut channel, &command, out)?;
    Ok(Tap::Binding(card, channel, receipt))
}

/// Checks that the card's signing key signed this session (SPEC 7.6).
fn bind(
    context: &Context<'_, impl Verify>,
    card: KnownCard,
    mut channel: HostChannel,
    session_receipt: scp11::Receipt,
    response: &[u8],
) -> Result<GenuineCard, TapError> {
    let mut plain = [0; MAX_PROTECTED_RESPONSE];
    let reply = channel.unwrap(response, &mut plain)?;
    let response = reply.authenticated().map_err(|_| TapError::NotGenuine)?;
    let data = response.ok().map_err(|_| TapError::NotGenuine)?;
    let mut reader = Reader::new(data);
    let signature = Signature::read(&mut reader, 0x5F37).map_err(|_| TapError::NotGenuine)?;
    reader.finish().map_err(|_| TapError::NotGenuine)?;
    let binding = SessionBinding {
        suite: Default::default(),
        session_receipt,
        cso_hash: card.facts.cso_hash,
        terminal: context.keys.name,
    };
    let mut signed = [0; 96];
    let signed = binding
        .signed_bytes(&mut signed)
        .map_err(|_| TapError::NotGenuine)?;
    context
        .curve
        .verify(&card.facts.signing_key, signed, &signature)
        .map_err(|_| TapError::NotGenuine)?;
    Ok(GenuineCard { card, channel })
}

/// A card whose CSO verified, that owns both keys in it, in a session of its own: nothing else is sent a PIN or an order.
pub(crate) struct GenuineCard {
    card: KnownCard,
    channel: HostChannel,
}

impl GenuineCard {
    /// What its CSO says.
    pub(crate) fn facts(&self) -> &CardFacts {
        &self.card.facts
    }

    /// What its next tap need not compute again; the session ends.
    pub(crate) fn into_known(self) -> KnownCard {
        self.card
    }

    /// Protects a command of the application.
    pub(crate) fn send(
        &mut self,
        instruction: u8,
        parameters: [u8; 2],
        data: &[u8],
        more: bool,
        out: &mut CommandBuffer,
    ) -> Result<(), TapError> {
        let command = command(PROPRIETARY, instruction, parameters, data, !more).with_chaining(more);
        protect(&mut self.channel, &command, out)
    }

    /// Reads a file of the session from an offset (SPEC 7.7).
    pub(crate) fn read(&mut self, file: u8, offset: usize, out: &mut CommandBuffer) -> Result<(), TapError> {
        let parameters = match offset {
            0 => [0x80 | file, 0x00],
            _ => offset_parameters(offset).ok_or(TapError::NotGenuine)?,
        };
        self.send(READ_BINARY, parameters, &[], false, out)
    }

    /// Sends a PIN, and what it is to authorize.
    pub(crate) fn send_pin(&mut self, claim: &VerifyData, out: &mut CommandBuffer) -> Result<(), TapError> {
        let mut buffer = Zeroizing::new([0; 64]);
        let data = claim.encode(buffer.as_mut()).map_err(|_| TapError::NotGenuine)?;
        self.send(VERIFY, [0x00, PIN_REFERENCE], data, false, out)
    }

    /// What the card says to a PIN, and in which word.
    pub(crate) fn receive_pin(&mut self, response: &[u8]) -> Result<(PinVerdict, StatusWord), TapError> {
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let (protected, status) = match self.receive(response, &mut plain)? {
            Reply::Authenticated(response) => (true, response.status()),
            Reply::Unauthenticated(response) => (false, response.status()),
        };
        let verdict = match (protected, status, status.tries()) {
            (true, StatusWord::SUCCESS, _) => PinVerdict::Right,
            (true, _, Some(tries)) => PinVerdict::Wrong { tries },
            // It comes bare, so it may be forged: then it costs a retry, never money.
            (_, StatusWord::AUTHENTICATION_METHOD_BLOCKED, _) => PinVerdict::Blocked,
            _ => PinVerdict::NotCompared,
        };
        Ok((verdict, status))
    }

    /// The card's answer, and whether it is the card's.
    pub(crate) fn receive<'o>(
        &mut self,
        response: &[u8],
        plain: &'o mut [u8],
    ) -> Result<Reply<'o>, TapError> {
        Ok(self.channel.unwrap(response, plain)?)
    }

    /// Takes the next part of a file; true when it is complete.
    pub(crate) fn receive_part<const N: usize>(
        &mut self,
        response: &[u8],
        file: &mut Vec<u8, N>,
    ) -> Result<bool, TapError> {
        let mut plain = Zeroizing::new([0; MAX_PROTECTED_RESPONSE]);
        let reply = self.receive(response, plain.as_mut())?;
        let response = reply.authenticated().map_err(TapError::Refused)?;
        take_part(file, response.ok().map_err(|_| TapError::NotGenuine)?)
    }
}

/// What a card says to a PIN (SPEC 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinVerdict {
    /// It is the card's; what was claimed is authorized in this session.
    Right,
    /// It is not, and so many tries are left.
    Wrong { tries: u8 },
    /// No try was left before.
    Blocked,
    /// The card did not compare it.
    NotCompared,
}

fn command(class: u8, instruction: u8, [p1, p2]: [u8; 2], data: &[u8], answer: bool) -> Command<'_> {
    Command {
        class,
        instruction,
        p1,
        p2,
        data,
        expected: answer.then_some(256),
    }
}

fn send(command: &Command<'_>, out: &mut CommandBuffer) -> Option<()> {
    let mut buffer = [0; 261];
    let encoding = command.encode_short(&mut buffer).ok()?;
    out.clear();
    out.extend_from_slice(encoding).ok()
}

fn protect(
    channel: &mut HostChannel,
    command: &Command<'_>,
    out: &mut CommandBuffer,
) -> Result<(), TapError> {
    let mut buffer = [0; 261];
    let encoding = channel.wrap(command, &mut buffer)?;
    out.clear();
    out.extend_from_slice(encoding).map_err(|_| TapError::NotGenuine)
}
