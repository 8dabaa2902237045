//! A card under test and what the kit knows about it: sends, records, and brings the card where a case starts.

use card_spec::APPLICATION_IDENTIFIER;

use crate::SPECIFICATION_VERSION;
use crate::card::{Card, Cut};
use crate::case::{Outcome, Own as _, Stage, Stop, check};
use crate::channel::Answer;
use crate::encoding::tlv;
use crate::issuer::{CardStatus, IssuerSession, Plan};
use crate::material::{Material, Script};
use crate::random::Random;
use crate::runner::Step;
use crate::transport::TransportKeys;

/// SELECT of the application (SPEC 6.1).
pub(crate) const SELECT: [u8; 14] = [
    0x00, 0xA4, 0x04, 0x00, 0x08, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0x00,
];

/// A PN532 frame has room for no more (SPEC 8.2).
const LONGEST_APDU: usize = 252;

/// The card, the kit's keys, and the protocol of the case that runs.
pub(crate) struct Bench {
    pub(crate) card: Box<dyn Card>,
    pub(crate) material: Material,
    pub(crate) random: Random,
    transport: TransportKeys,
    seed: u64,
    steps: Vec<Step>,
    /// Payment lines used so far on this card: none is used by two cases.
    lines: u16,
}

impl Bench {
    pub(crate) fn new(card: Box<dyn Card>, transport: TransportKeys, seed: u64) -> Self {
        Self {
            card,
            material: Material::new(seed),
            random: Random::new(seed, "bench"),
            transport,
            seed,
            steps: Vec::new(),
            lines: 0,
        }
    }

    /// A new case begins: a new protocol, and randomness that depends on seed and case only.
    pub(crate) fn begin(&mut self, case: &str) {
        self.steps.clear();
        self.random = Random::new(self.seed, case);
    }

    /// The protocol of the case.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Adds a line to the protocol that no APDU would tell.
    pub(crate) fn note(&mut self, text: &str) {
        self.steps.push(Step::Note(text.to_owned()));
    }

    pub(crate) fn transport(&self) -> &TransportKeys {
        &self.transport
    }

    /// A number of a payment line that no case has used on this card.
    pub(crate) fn next_line(&mut self) -> u16 {
        self.lines += 1;
        self.lines
    }

    /// Sends octets as they are; `meaning` is what the protocol says about them.
    pub(crate) fn transmit(&mut self, meaning: &str, octets: &[u8]) -> Outcome<Vec<u8>> {
        let answered = self.card.transmit(octets);
        let (answer, status) = match &answered {
            Ok(answer) => (answer.len(), answer.split_last_chunk().map(|(_, sw)| *sw)),
            Err(_) => (0, None),
        };
        self.steps.push(Step::Command {
            meaning: meaning.to_owned(),
            octets: octets.to_vec(),
            answer: answer.saturating_sub(2),
            status: status.map(u16::from_be_bytes),
        });
        let answer = answered.map_err(|error| Stop::Gone(error.0))?;
        check(
            answer.len() <= LONGEST_APDU,
            "the answer is longer than the 252 octets that a PN532 frame takes (SPEC 8.2)",
        )?;
        Ok(answer)
    }

    /// Sends a command in plain.
    pub(crate) fn plain(&mut self, octets: &[u8]) -> Outcome<Answer> {
        let answer = self.transmit("", octets)?;
        Answer::plain(&answer)
    }

    /// A command in plain with the class, instruction and parameters of `header`, Le `00`.
    pub(crate) fn command(&mut self, header: [u8; 4], data: &[u8]) -> Outcome<Answer> {
        let apdu = apdu(header, data)?;
        self.plain(&apdu)
    }

    /// SELECT, and the stage that the life cycle in its answer stands for (SPEC 6.1).
    pub(crate) fn select(&mut self) -> Outcome<Stage> {
        let data = self.plain(&SELECT)?.expect(0x9000)?;
        let stages = [
            (0x01, Stage::Blank),
            (0x03, Stage::Personalizing),
            (0x05, Stage::Active),
            (0x04, Stage::Blocked),
            (0x0C, Stage::Terminated),
        ];
        stages
            .into_iter()
            .find(|(life_cycle, _)| data == file_control_information(*life_cycle))
            .map(|(_, stage)| stage)
            .ok_or_else(|| Stop::Failed("the answer to SELECT is not as SPEC 6.1 has it".to_owned()))
    }

    pub(crate) fn power_cycle(&mut self) -> Outcome {
        self.note("power off and on");
        self.card.power_cycle().map_err(|error| Stop::Gone(error.0))
    }

    /// Cuts the power at a write of what comes next.
    pub(crate) fn cut_at(&mut self, write: u32, side: Cut) -> Outcome {
        let moment = match side {
            Cut::Before => "before",
            Cut::After => "after",
        };
        self.note(&format!("the power will go {moment} write {write} from here"));
        self.card.cut_power_at(write, side).own("power cuts")
    }

    /// The card has given so many receipts from here on.
    pub(crate) fn set_receipt_counter(&mut self, counter: u32) -> Outcome {
        self.note(&format!("the receipt counter is set to {counter:08X}"));
        self.card
            .set_receipt_counter(counter)
            .own("setting the receipt counter")
    }

    /// A blank card, new.
    pub(crate) fn replace_by_blank(&mut self) -> Outcome {
        self.note("a blank card is put in");
        self.lines = 0;
        self.card.replace_by_blank().map_err(|error| Stop::Gone(error.0))
    }

    /// Brings the card from whatever stage up to this one, with the standard plan.
    pub(crate) fn reach(&mut self, stage: Stage) -> Outcome {
        let plan = self.material.plan.clone();
        self.reach_with(stage, &plan)
    }

    /// Brings the card up to this stage, personalized by this plan.
    pub(crate) fn reach_with(&mut self, stage: Stage, plan: &Plan) -> Outcome {
        let mut now = self.stage()?;
        while now < stage {
            now = self.advance(now, plan)?;
        }
        check(now == stage, &format!("the card is {now}; it should be {stage}"))
    }

    /// Where the card is.
    pub(crate) fn stage(&mut self) -> Outcome<Stage> {
        let stage = self.select()?;
        if stage != Stage::Personalizing {
            return Ok(stage);
        }
        let flags = IssuerSession::open(self)?.card_status(self)?.flags;
        let complete = CardStatus::KEYS | CardStatus::DATA | CardStatus::PIN;
        Ok(if flags & complete == complete {
            Stage::Loaded
        } else if flags & CardStatus::KEYS != 0 {
            Stage::Keyed
        } else {
            Stage::Personalizing
        })
    }

    /// One stage further.
    fn advance(&mut self, stage: Stage, plan: &Plan) -> Outcome<Stage> {
        let mut issuer = IssuerSession::open(self)?;
        Ok(match stage {
            Stage::Blank => {
                issuer.put_key(self)?;
                Stage::Personalizing
            }
            Stage::Personalizing => {
                issuer.generate_key_pairs(self, &plan.number)?;
                Stage::Keyed
            }
            Stage::Keyed => {
                let keys = issuer.prove_key_pairs(self, &plan.number)?;
                let objects = self.material.objects(plan, &keys);
                issuer.store(self, &objects.concatenated())?;
                issuer.set_pin(self, &plan.pin)?.expect(0x9000)?;
                Stage::Loaded
            }
            Stage::Loaded => {
                issuer.activate(self)?.expect(0x9000)?;
                Stage::Active
            }
            Stage::Active => {
                let counter = issuer.card_status(self)?.counter;
                issuer.script(self, &Script::block(counter))?.expect(0x9000)?;
                Stage::Blocked
            }
            Stage::Blocked => {
                let counter = issuer.card_status(self)?.counter;
                issuer.script(self, &Script::terminate(counter))?.expect(0x9000)?;
                Stage::Terminated
            }
            Stage::Terminated => return Err(Stop::Kit(format!("no way beyond {stage}"))),
        })
    }
}

/// The whole answer to SELECT (SPEC 6.1).
pub(crate) fn file_control_information(life_cycle: u8) -> Vec<u8> {
    let members = [
        tlv(0x84, &APPLICATION_IDENTIFIER),
        tlv(0x8A, &[life_cycle]),
        tlv(0xA5, &tlv(0x80, &[SPECIFICATION_VERSION])),
    ];
    tlv(0x6F, &members.concat())
}

/// A short command APDU with Le `00`.
pub(crate) fn apdu(header: [u8; 4], data: &[u8]) -> Outcome<Vec<u8>> {
    let length = u8::try_from(data.len()).own("more than 255 octets of data in an APDU")?;
    let mut octets = header.to_vec();
    if length > 0 {
        octets.push(length);
        octets.extend(data);
    }
    octets.push(0);
    Ok(octets)
}
