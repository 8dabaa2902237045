//! PINs that nobody chooses: drawn, printed as a letter to the holder, and only then set on the card.
//!
//! PIN and letter are in memory for the one card only. The letter goes to the print command through a pipe and never to a file of
//! ours, and there is no call that prints the letters of several cards. Should the card not be finished after all, it gets
//! another PIN and another letter when it is taken up again; each letter says when it was printed, and that the newest counts.

use std::io::{self, Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use ansinh_forms::PinLetter;
use ansinh_issuance::Failure;
use ansinh_reference::{CommuneLookup, Reference, today};
use ansinh_store::Store;
use ansinh_store::people::Person;
use card_spec::command::Pin;
use card_spec::values::CardNumber;
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use zeroize::Zeroizing;

use super::PinSource;
use super::command::PinProcess;
use crate::home::Station;

/// What every letter of a station says alike.
pub struct Letterhead {
    /// The office that sends it.
    pub sender: String,
    /// Whom to call about it: an office and its telephone.
    pub contact: String,
}

impl Letterhead {
    /// What the letters of a station say.
    pub fn of_station(station: &Station, contact: &str) -> Self {
        Self {
            sender: format!("Cơ quan cấp thẻ / Issuer: {}", station.agency),
            contact: contact.to_owned(),
        }
    }
}

/// To whom a letter goes.
#[derive(Clone)]
pub struct Addressee {
    /// The holder's name.
    pub name: String,
    /// Commune and province, as on an envelope.
    pub address: String,
}

impl Addressee {
    /// The holder of a card, by the ledger and the reference data in force.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub fn of_card(store: &Store, number: &CardNumber, reference: &Reference) -> Result<Self, Failure> {
        let holder = store.card(number).and_then(|card| store.holder(&card.person));
        let person = holder.map_err(|error| Failure::Ledger(error.to_string()))?.person;
        Ok(Self {
            address: address(reference, &person),
            name: person.full_name,
        })
    }
}

/// Commune and province, as on an envelope; a commune that the reference data do not name by its code.
fn address(reference: &Reference, person: &Person) -> String {
    let day = today();
    let commune = match reference.commune(&person.commune, day) {
        CommuneLookup::InForce(commune) => commune.name.clone(),
        CommuneLookup::Unknown | CommuneLookup::CannotBeChecked => format!("Mã xã {}", person.commune),
    };
    match reference.province(&person.province, day) {
        Some(province) => format!("{commune}, {}", province.name),
        None => commune,
    }
}

/// Finds the addressee of a card's letter.
pub type FindAddressee<'a> = dyn Fn(&CardNumber) -> Result<Addressee, Failure> + Sync + 'a;

/// Draws a PIN and prints its letter by a command that reads a PDF from its standard input, such as `lp`.
pub struct LetterPin<'a> {
    command: String,
    time_limit: Duration,
    head: Letterhead,
    addressee: &'a FindAddressee<'a>,
}

impl<'a> LetterPin<'a> {
    /// How long a letter may take to be printed.
    pub const TIME_LIMIT: Duration = Duration::from_secs(60);

    /// A command for `/bin/sh`; it and all it started are killed when it takes longer than `time_limit`.
    pub fn new(
        command: String,
        time_limit: Duration,
        head: Letterhead,
        addressee: &'a FindAddressee<'a>,
    ) -> Self {
        Self {
            command,
            time_limit,
            head,
            addressee,
        }
    }

    fn letter(&self, number: &CardNumber, pin: &Pin) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let Addressee { name, address } = (self.addressee)(number)?;
        let letter = PinLetter {
            number: *number,
            name: &name,
            address: &address,
            sender: &self.head.sender,
            contact: &self.head.contact,
            printed: Timestamp::now().to_zoned(TimeZone::fixed(offset(7))).datetime(),
            pin,
        };
        ansinh_forms::letter(&letter).map_err(|error| Failure::Pin(error.to_string()))
    }

    /// Hands the letter to the command, which must take all of it and succeed.
    fn print(&self, number: &CardNumber, reader: &str, letter: Zeroizing<Vec<u8>>) -> io::Result<()> {
        let deadline = Instant::now() + self.time_limit;
        let (mut unread, mut input) = io::pipe()?;
        let command = PinProcess::start(
            &self.command,
            number,
            reader,
            unread.try_clone()?.into(),
            Stdio::null(),
        )?;
        // A thread, because a pipe cannot be written with a time limit; it ends when the letter is taken or `unread` dropped.
        thread::spawn(move || input.write_all(&letter));
        let status = command.end(deadline)?;
        if !status.success() {
            return Err(io::Error::other(status.to_string()));
        }
        // A pipe holds more than a letter: whoever read none of it could have succeeded.
        if unread.read(&mut [0])? > 0 {
            return Err(io::Error::other("it did not read the whole letter"));
        }
        Ok(())
    }
}

impl PinSource for LetterPin<'_> {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let pin = draw(getrandom::u32)
            .map_err(|_| Failure::Keys("the operating system's random source failed".to_owned()))?;
        let letter = self.letter(number, &pin)?;
        self.print(number, reader, letter)
            .map_err(|error| not_printed(&error))?;
        Ok(pin)
    }
}

fn not_printed(error: &io::Error) -> Failure {
    Failure::Pin(format!(
        "máy in thư PIN / the program that prints PIN letters: {error}. Chưa đặt mã PIN: hủy những gì đã in, sửa máy in rồi đưa lại thẻ này để in thư mới / \
         No PIN was set: destroy whatever was printed, mend the printer, insert this card again for a new letter"
    ))
}

/// Six digits, each PIN that is not weak with the same chance.
fn draw<E>(mut random: impl FnMut() -> Result<u32, E>) -> Result<Pin, E> {
    // 20 bits are 1,048,576 numbers: those beyond the digits are drawn again (FIPS 186-5, A.2.2: rejection sampling).
    const MASK: u32 = 0xF_FFFF;
    loop {
        let mut rest = Zeroizing::new(random()? & MASK);
        let mut digits = Zeroizing::new([b'0'; 6]);
        for digit in digits.iter_mut().rev() {
            *digit += (*rest % 10) as u8;
            *rest /= 10;
        }
        if *rest == 0
            && !is_weak(&digits)
            && let Some(pin) = Pin::new(digits.as_slice())
        {
            return Ok(pin);
        }
    }
}

/// Whether every digit is the one before it, or follows it, up or down, 0 and 9 being neighbours: 000000, 123456, 210987.
///
/// A thief has three attempts and begins with these. They are 30 in a million, so whoever knows that they are left out gains
/// nothing. Birth dates are not left out: a PIN drawn by chance is one by chance, and leaving out the holder's own would tell that
/// it is none of them.
fn is_weak(digits: &[u8; 6]) -> bool {
    let step = |pair: &[u8; 2]| (10 + pair[1] - pair[0]) % 10;
    let mut steps = digits.array_windows().map(step);
    let first = steps.next().unwrap_or_default();
    [0, 1, 9].contains(&first) && steps.all(|step| step == first)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::convert::Infallible;

    use super::*;

    /// The PIN of these random numbers, the last of which is the first that is taken.
    fn drawn(numbers: &[u32]) -> Option<[u8; 6]> {
        let mut numbers = numbers.iter().copied();
        let pin = draw(|| numbers.next().ok_or(())).ok()?;
        numbers.next().is_none().then(|| *pin.digits())
    }

    #[test]
    fn every_pin_is_drawn_by_one_number_of_20_bits_except_the_weak() {
        let mut seen = HashSet::new();
        let mut refused = Vec::new();
        for number in 0..1 << 20 {
            match drawn(&[number]) {
                Some(pin) => assert!(seen.insert(pin), "{number}"),
                None => refused.push(number),
            }
        }
        let (weak, beyond): (Vec<u32>, Vec<u32>) =
            refused.into_iter().partition(|number| *number < 1_000_000);
        assert_eq!(beyond.len(), (1 << 20) - 1_000_000);
        assert_eq!(
            weak,
            [
                0, 12_345, 98_765, 109_876, 111_111, 123_456, 210_987, 222_222, 234_567, 321_098, 333_333,
                345_678, 432_109, 444_444, 456_789, 543_210, 555_555, 567_890, 654_321, 666_666, 678_901,
                765_432, 777_777, 789_012, 876_543, 888_888, 890_123, 901_234, 987_654, 999_999
            ]
        );
    }

    #[test]
    fn refused_numbers_are_drawn_again_and_higher_bits_do_not_count() {
        assert_eq!(drawn(&[1_000_000, 123_456, 0xF_FFFF, 271_828]), Some(*b"271828"));
        assert_eq!(drawn(&[0xFFF0_0000 | 7]), Some(*b"000007"));
        let fails = draw(|| Err::<u32, _>("no randomness"));
        assert_eq!(fails.err(), Some("no randomness"));
        assert!(draw(|| Ok::<_, Infallible>(271_828)).is_ok());
    }
}
