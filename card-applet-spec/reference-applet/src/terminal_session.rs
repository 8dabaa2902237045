//! Terminal session (SPEC 7): certificates, key agreement, reading, the binding of the CSO to the session.

use card_spec::apdu::{Command, StatusWord};
use card_spec::certificate::{Certificate, CertificateError, Certified, Role};
use card_spec::command::SessionBinding;
use card_spec::command::instruction::{
    CHANGE_REFERENCE_DATA, DEACTIVATE, DISBURSE, EXECUTE_ISSUER_SCRIPT, GET_DATA, INTERNAL_AUTHENTICATE,
    READ_BINARY, READ_RECORD, REVERSE, VERIFY,
};
use card_spec::crypto::{SecretKey, Sign as _};
use card_spec::scp03::MAX_RESPONSE_DATA;
use card_spec::scp11::{KEY_IDENTIFIER, Receipt, card_agreement};
use card_spec::signed::Signed;
use card_spec::tlv::Writer;
use card_spec::values::TerminalName;
use rand_core::CryptoRng;

use crate::answer::{Answer, Stop};
use crate::blocking::BlockList;
use crate::content::{Content, Object};
use crate::holder_check::Authorized;
use crate::life_cycle::terminal_reads;
use crate::memory::{Memory, Slot};
use crate::record::Record as _;
use crate::session::{Peer, Session};
use crate::state::{KeyPairs, Ledger, State};
use crate::trust_anchors::{TrustAnchors, UNKNOWN_AUTHORITY, certify, not_expired};
use crate::{Card, require_no_data, require_parameters};

/// Version of the trust anchor (SPEC 7.3), P1 of PERFORM SECURITY OPERATION and MUTUAL AUTHENTICATE.
const TRUST_ANCHOR_VERSION: u8 = 0x01;
/// P2 of PERFORM SECURITY OPERATION: identifier of the trust anchor, and `80` for "more certificates follow".
const LAST_CERTIFICATE: u8 = 0x10;
const FIRST_CERTIFICATE: u8 = 0x90;

/// The session of a terminal whose certificate verified and with which keys are agreed.
pub(crate) struct TerminalSession {
    /// The terminal's agreement certificate.
    pub(crate) terminal: Certified,
    /// Its name, out of that certificate.
    pub(crate) name: TerminalName,
    /// What the holder authorized by VERIFY in this session.
    pub(crate) authorized: Option<Authorized>,
    /// The block list that the terminal showed (SPEC 13.10).
    pub(crate) block_list: Option<BlockList>,
    receipt: Receipt,
    /// A valid C-MAC has come.
    authenticated: bool,
    current_file: Option<Object>,
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// PERFORM SECURITY OPERATION (SPEC 7.2): first the terminal CA's certificate, then the terminal's. A link certificate
    /// (SPEC 7.8) leaves the chain as it was.
    pub(crate) fn present_certificate(
        &mut self,
        session: &mut Session,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let last = match (command.p1, command.p2) {
            (TRUST_ANCHOR_VERSION, FIRST_CERTIFICATE) => false,
            (TRUST_ANCHOR_VERSION, LAST_CERTIFICATE) => true,
            _ => return Err(Stop::P1_P2),
        };
        let certificate = Signed::<Certificate>::parse(command.data)?;
        let remembered = State::of(&self.memory)?.activated()?.remembered;
        let accepted = if last {
            let Session::AuthorityPresented(authority) = &*session else {
                return Err(UNKNOWN_AUTHORITY);
            };
            certify(authority, &certificate, Role::TerminalAgreement)
                .and_then(|terminal| not_expired(terminal, remembered))
                .map(|terminal| *session = Session::TerminalPresented(terminal))
        } else if certificate.claimed().authorization.role == Role::Root {
            self.follow_link(&certificate, remembered)?
        } else {
            TrustAnchors::of(&self.memory)?
                .certify(&certificate, Role::TerminalAuthority)
                .and_then(|authority| not_expired(authority, remembered))
                .map(|authority| *session = Session::AuthorityPresented(authority))
        };
        match accepted {
            Ok(()) => Ok(Answer::done()),
            Err(CertificateError::UnknownAuthority) => Err(UNKNOWN_AUTHORITY),
            Err(_) => {
                *session = Session::Selected;
                Err(Stop::SECURITY)
            }
        }
    }

    /// READ BINARY in plain (SPEC 7.4): the CSO, after a valid terminal certificate.
    pub(crate) fn read_security_object(
        &self,
        session: &Session,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let address = FileAddress::of(command)?;
        if !matches!(session, Session::TerminalPresented(_)) {
            return Err(Stop::SECURITY);
        }
        require_no_data(command)?;
        match address {
            FileAddress::Start(Some(Object::Cso)) => self.read_part(Object::Cso, 0),
            FileAddress::Start(_) => Err(Stop::SECURITY),
            FileAddress::Offset(offset) => self.read_part(Object::Cso, offset),
        }
    }

    /// MUTUAL AUTHENTICATE (SPEC 7.5).
    pub(crate) fn mutual_authenticate(
        &mut self,
        session: &mut Session,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [TRUST_ANCHOR_VERSION, KEY_IDENTIFIER])?;
        let Session::TerminalPresented(terminal) = &*session else {
            return Err(Stop::SECURITY);
        };
        let name = terminal.holder().terminal_name().ok_or(Stop::SECURITY)?;
        let pairs = self.key_pairs()?;
        let key = SecretKey::from_bytes(&pairs.agreement_secret).map_err(|_| Stop::FAULT)?;
        let ephemeral = SecretKey::generate(&mut self.random);
        let (channel, receipt, response) = card_agreement(command.data, &key, terminal.key(), &ephemeral)
            .map_err(|error| Stop::Refused(error.status()))?;
        let terminal = TerminalSession {
            terminal: *terminal,
            name,
            authorized: None,
            block_list: None,
            receipt,
            authenticated: false,
            current_file: None,
        };
        *session = Session::Secure(channel, Peer::Terminal(terminal));
        Answer::data(&response)
    }

    /// The first valid C-MAC proves the terminal's key. Only then its certificate's date is believed (SPEC 7.5). It lies
    /// within its CA's dates (SPEC 3.4), so no mistaken date locks the card out for good.
    pub(crate) fn authenticated(&mut self, session: &mut TerminalSession) -> Result<(), Stop> {
        if session.authenticated {
            return Ok(());
        }
        let ledger = State::of(&self.memory)?.activated()?;
        let seen = session.terminal.effective();
        if seen > ledger.remembered {
            Ledger {
                remembered: seen,
                ..ledger
            }
            .store(&mut self.memory, Slot::Ledger)?;
        }
        session.authenticated = true;
        Ok(())
    }

    /// A command in a terminal session.
    pub(crate) fn terminal_command(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        match command.instruction {
            READ_BINARY => self.read_as_terminal(session, command),
            INTERNAL_AUTHENTICATE => self.internal_authenticate(session, command),
            VERIFY => self.verify_pin(session, command),
            CHANGE_REFERENCE_DATA => self.change_pin(session, command),
            DISBURSE => self.disburse(session, command),
            GET_DATA => self.get_data(command),
            READ_RECORD => self.read_record(command),
            REVERSE => self.reverse(session, command),
            EXECUTE_ISSUER_SCRIPT => self.execute_issuer_script(&mut session.authorized, command),
            DEACTIVATE => self.deactivate(session, command),
            _ => Err(Stop::INSTRUCTION),
        }
    }

    /// INTERNAL AUTHENTICATE (SPEC 7.6).
    fn internal_authenticate(
        &self,
        session: &TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, 0x00])?;
        require_no_data(command)?;
        let binding = SessionBinding {
            suite: Default::default(),
            session_receipt: session.receipt,
            cso_hash: self.content()?.security_object()?.hash,
            terminal: session.name,
        };
        let mut buffer = [0; 96];
        let signed = binding.signed_bytes(&mut buffer)?;
        let Ok(signature) = self.signing_key()?.sign(signed);
        let mut buffer = [0; 96];
        let mut writer = Writer::new(&mut buffer);
        writer.put(0x5F37, signature.as_bytes())?;
        Answer::data(writer.finish())
    }

    fn read_as_terminal(&self, session: &mut TerminalSession, command: &Command<'_>) -> Result<Answer, Stop> {
        let life_cycle = State::of(&self.memory)?.life_cycle();
        let may_read = |file| terminal_reads(file, life_cycle);
        self.read_binary(&mut session.current_file, may_read, command)
    }

    /// READ BINARY in a session (SPEC 7.7).
    pub(crate) fn read_binary(
        &self,
        current_file: &mut Option<Object>,
        may_read: impl FnOnce(Object) -> bool,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let (file, offset) = match FileAddress::of(command)? {
            FileAddress::Start(file) => (file, 0),
            FileAddress::Offset(offset) => (*current_file, offset),
        };
        if file.is_some_and(|file| !may_read(file)) {
            return Err(Stop::SECURITY);
        }
        require_no_data(command)?;
        let file = file.ok_or(FILE_NOT_FOUND)?;
        let answer = self.read_part(file, offset)?;
        *current_file = Some(file);
        Ok(answer)
    }

    fn read_part(&self, file: Object, offset: usize) -> Result<Answer, Stop> {
        let generation = State::of(&self.memory)?.generation();
        let content = Content::of(&self.memory, generation)?.ok_or(FILE_NOT_FOUND)?;
        if !content.has(file) {
            return Err(FILE_NOT_FOUND);
        }
        let part = content.part::<MAX_RESPONSE_DATA>(file, offset)?;
        if part.is_empty() {
            return Err(Stop::Refused(StatusWord::WRONG_OFFSET));
        }
        Answer::data(&part)
    }

    /// The content in force, which an activated card has.
    pub(crate) fn content(&self) -> Result<Content<'_, M>, Stop> {
        let generation = State::of(&self.memory)?.generation();
        Content::of(&self.memory, generation)?.ok_or(Stop::FAULT)
    }

    /// The key pairs, which an active card has.
    pub(crate) fn key_pairs(&self) -> Result<KeyPairs, Stop> {
        KeyPairs::load(&self.memory, Slot::KeyPairs)?.ok_or(Stop::FAULT)
    }

    /// The private signing key.
    pub(crate) fn signing_key(&self) -> Result<SecretKey, Stop> {
        SecretKey::from_bytes(&self.key_pairs()?.signing_secret).map_err(|_| Stop::FAULT)
    }
}

/// `6A82`.
const FILE_NOT_FOUND: Stop = Stop::Refused(StatusWord::FILE_NOT_FOUND);

/// Where READ BINARY reads (ISO/IEC 7816-4:2020, 11.3.3).
enum FileAddress {
    /// From the start of the file with a short identifier; `None` if there is no such file.
    Start(Option<Object>),
    /// From an offset in the current file.
    Offset(usize),
}

impl FileAddress {
    fn of(command: &Command<'_>) -> Result<Self, Stop> {
        if command.p1 & 0x80 == 0 {
            return Ok(Self::Offset(usize::from(u16::from_be_bytes([
                command.p1, command.p2,
            ]))));
        }
        if command.p2 != 0x00 {
            return Err(Stop::P1_P2);
        }
        Ok(Self::Start(Object::file(command.p1 & 0x7F)))
    }
}
