//! Which command a card takes in which state of its life, and who reads what (SPEC 14.2, 14.3), as the tables there say it.

use card_spec::command::LifeCycle;
use card_spec::command::instruction::{
    ACTIVATE, CHANGE_REFERENCE_DATA, DEACTIVATE, DISBURSE, EXECUTE_ISSUER_SCRIPT, EXTERNAL_AUTHENTICATE,
    GENERATE_KEY_PAIR, GET_DATA, INITIALIZE_UPDATE, INTERNAL_AUTHENTICATE, PERFORM_SECURITY_OPERATION,
    PUT_KEY, READ_BINARY, READ_RECORD, REVERSE, STORE_DATA, VERIFY,
};
use card_spec::scp11::MUTUAL_AUTHENTICATE;

use crate::answer::Stop;
use crate::content::Object;
use crate::{INTERINDUSTRY, PROPRIETARY, PROTECTED};

const YES: bool = true;
/// `6985`.
const NO: bool = false;

/// Whether a command is taken: blank, personalizing, active, blocked, terminated.
type Row = [bool; 5];

/// Commands of one kind of session. What is no row of it is no instruction of that session.
type Table<Key, const ROWS: usize> = [(Key, Row); ROWS];

/// Without a session, by class and instruction. SELECT, which every card takes, comes before all this.
pub(crate) const PLAIN: Table<[u8; 2], 5> = [
    ([INTERINDUSTRY, READ_BINARY], [NO, NO, YES, YES, YES]),
    ([PROPRIETARY, INITIALIZE_UPDATE], [YES, YES, YES, YES, YES]),
    ([PROTECTED, EXTERNAL_AUTHENTICATE], [YES, YES, YES, YES, YES]),
    ([PROPRIETARY, PERFORM_SECURITY_OPERATION], [NO, NO, YES, YES, YES]),
    ([PROPRIETARY, MUTUAL_AUTHENTICATE], [NO, NO, YES, YES, YES]),
];

/// The issuer's SCP03 session. CHANGE REFERENCE DATA on an active card needs a permission besides (SPEC 13.4).
pub(crate) const ISSUER_SESSION: Table<u8, 9> = [
    (GET_DATA, [YES, YES, YES, YES, YES]),
    (PUT_KEY, [YES, YES, YES, YES, NO]),
    (GENERATE_KEY_PAIR, [NO, YES, NO, NO, NO]),
    (STORE_DATA, [NO, YES, YES, NO, NO]),
    (CHANGE_REFERENCE_DATA, [NO, YES, YES, NO, NO]),
    (ACTIVATE, [NO, YES, YES, NO, NO]),
    (READ_BINARY, [NO, YES, YES, YES, NO]),
    (READ_RECORD, [NO, NO, YES, YES, YES]),
    (EXECUTE_ISSUER_SCRIPT, [NO, NO, YES, YES, NO]),
];

/// A terminal's session, which a card has only once it was activated. DISBURSE and REVERSE on a card that is no longer
/// active answer what they did before, and do nothing (SPEC 9.3, 9.8).
pub(crate) const TERMINAL_SESSION: Table<u8, 10> = [
    (GET_DATA, [NO, NO, YES, YES, YES]),
    (INTERNAL_AUTHENTICATE, [NO, NO, YES, YES, YES]),
    (READ_RECORD, [NO, NO, YES, YES, YES]),
    (READ_BINARY, [NO, NO, YES, YES, YES]),
    (VERIFY, [NO, NO, YES, NO, NO]),
    (CHANGE_REFERENCE_DATA, [NO, NO, YES, NO, NO]),
    (DISBURSE, [NO, NO, YES, YES, YES]),
    (REVERSE, [NO, NO, YES, YES, YES]),
    (EXECUTE_ISSUER_SCRIPT, [NO, NO, YES, YES, NO]),
    (DEACTIVATE, [NO, NO, YES, NO, NO]),
];

/// The command's row: proof that it is one of this kind of session.
pub(crate) struct Rule(Row);

/// `None` for what is not a command of this kind of session.
pub(crate) fn rule<Key: PartialEq, const ROWS: usize>(
    table: &Table<Key, ROWS>,
    command: Key,
) -> Option<Rule> {
    let (_, row) = table.iter().find(|(key, _)| *key == command)?;
    Some(Rule(*row))
}

impl Rule {
    /// `6985` in a state in which the card does not take the command.
    pub(crate) const fn require(&self, life_cycle: LifeCycle) -> Result<(), Stop> {
        let [blank, personalizing, active, blocked, terminated] = self.0;
        let taken = match life_cycle {
            LifeCycle::Blank => blank,
            LifeCycle::Personalizing => personalizing,
            LifeCycle::Active => active,
            LifeCycle::Blocked => blocked,
            LifeCycle::Terminated => terminated,
        };
        if taken { Ok(()) } else { Err(Stop::LIFE_CYCLE) }
    }
}

/// May a terminal read the file in its session? The issuer reads all files, in the states in which it reads at all.
pub(crate) const fn terminal_reads(file: Object, life_cycle: LifeCycle) -> bool {
    match file {
        Object::Cso => true,
        Object::Holder | Object::Portrait | Object::Programmes | Object::Representatives => {
            matches!(life_cycle, LifeCycle::Active)
        }
        Object::LinkedNumbers | Object::Issuance | Object::TrustAnchor | Object::IssuerCertificate => false,
    }
}
