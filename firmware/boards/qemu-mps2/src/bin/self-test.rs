//! Tries the board out, one key on the console for one part. For tests in QEMU, and a model for a new board's first day.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::fmt::{self, Arguments, Display, Write as _};

use card_spec::crypto::{
    Agree, InvalidSignature, PortableP256, PublicKey, SecretKey, SharedSecret, Sign, Signature, Verify,
    sha256,
};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::Rng;
use cortex_m_rt::entry;
use embassy_futures::select::select;
use embassy_time::{Instant, Timer};
use embedded_io_async::{Read, Write};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use heapless::String;
use qemu_mps2::flash::{BLOCK, Flash, FlashError};
use qemu_mps2::seed::NoRandomness;
use qemu_mps2::uart::{Console, Uart};
use qemu_mps2::{clock, executor, flash, image, seed, uart};
use reader::{MAX_APDU, Reader, ReaderError, Serial};

/// SELECT of the ansinh application (ISO/IEC 7816-4, 11.2.2).
const SELECT: [u8; 14] = [
    0x00, 0xA4, 0x04, 0x00, 0x08, 0xF0, 0x41, 0x4E, 0x53, 0x49, 0x4E, 0x48, 0x01, 0x00,
];

#[entry]
fn main() -> ! {
    clock::start();
    executor::run(|spawner| {
        if let Ok(task) = self_test() {
            spawner.spawn(task);
        }
    })
}

#[embassy_executor::task]
async fn self_test() {
    let uart::Lines {
        host,
        card_reader,
        console,
    } = uart::enable();
    let flash::Parts { terminal, seed } = flash::take();
    let parts = Parts {
        console,
        flash: terminal,
        random: seed::consume(seed),
        reader: Reader::new(Serial(card_reader)),
    };
    select(echo(host), parts.obey()).await;
}

/// The host link returns what it gets.
async fn echo(mut host: Uart) {
    let mut bytes = [0; 64];
    loop {
        let Ok(count) = host.read(&mut bytes).await;
        let Ok(()) = host.write_all(bytes.get(..count).unwrap_or_default()).await;
    }
}

struct Parts {
    console: Console,
    flash: Flash,
    random: Result<ChaCha20Rng, NoRandomness>,
    reader: Reader<Serial<Uart>>,
}

impl Parts {
    async fn obey(mut self) {
        let boots = self.count_boot();
        self.say(format_args!("boots {boots:?}")).await;
        loop {
            let mut key = [0];
            let Ok(_) = self.console.read(&mut key).await;
            match key {
                [b'c'] => self.try_card().await,
                [b'C'] => self.hold_card().await,
                [b'f'] => self.try_flash().await,
                [b'i'] => self.hash_image().await,
                [b'k'] => self.try_keys().await,
                [b'r'] => self.draw_random().await,
                [b't'] => self.measure_time().await,
                [b'p'] => provoke_panic(key.len()),
                [b'h'] => provoke_fault(),
                _ => self.say(format_args!("keys: c C f i k r t p h")).await,
            }
        }
    }

    async fn say(&mut self, text: Arguments<'_>) {
        let mut line = String::<160>::new();
        // Too long a line is cut.
        let _ = write!(line, "{text}\r\n");
        let Ok(()) = self.console.write_all(line.as_bytes()).await;
    }

    fn count_boot(&mut self) -> Result<u32, FlashError> {
        let mut word = [0; 4];
        self.flash.read(0, &mut word)?;
        let count = u32::from_le_bytes(word).wrapping_add(1);
        self.flash.erase(0, BLOCK as u32)?;
        self.flash.write(0, &count.to_le_bytes())?;
        Ok(count)
    }

    /// One tap: find, SELECT, release.
    async fn try_card(&mut self) {
        let outcome = self.select_application().await;
        self.say(format_args!("card {outcome:02X?}")).await;
    }

    async fn select_application(&mut self) -> Result<Option<[u8; 2]>, ReaderError> {
        let Some(target) = self.reader.poll().await? else {
            return Ok(None);
        };
        let mut response = [0; MAX_APDU];
        let length = self.reader.exchange(target, &SELECT, &mut response).await?;
        self.reader.release(target).await?;
        Ok(response
            .get(..length)
            .and_then(|response| response.last_chunk())
            .copied())
    }

    /// Sends commands to one card until it leaves.
    async fn hold_card(&mut self) {
        let Ok(Some(target)) = self.reader.poll().await else {
            return self.say(format_args!("no card")).await;
        };
        self.say(format_args!("holding")).await;
        let mut response = [0; MAX_APDU];
        let error = loop {
            match self.reader.exchange(target, &SELECT, &mut response).await {
                Ok(_) => Timer::after_millis(20).await,
                Err(error) => break error,
            }
        };
        self.say(format_args!("held until {error:?}")).await;
    }

    /// Each rule of NOR flash, in the second block.
    async fn try_flash(&mut self) {
        let block = BLOCK as u32;
        let end = self.flash.capacity() as u32;
        let mut word = [0; 4];
        let outcomes = [
            self.flash.erase(block, 2 * block),
            self.flash.write(block, &[0xF0; 4]),
            self.flash.write(block, &[0x70; 4]),
            self.flash.write(block, &[0x0F; 4]),
            self.flash.write(block + 2, &[0; 4]),
            self.flash.write(block, &[0; 3]),
            self.flash.erase(block, block + 4),
            self.flash.write(end, &[0; 4]),
            self.flash.erase(end, end + block),
            self.flash.read(end - 3, &mut word),
            self.flash.read(block, &mut word),
        ];
        let found = outcomes.map(|outcome| match outcome {
            Ok(()) => 'o',
            Err(FlashError::NotAligned) => 'a',
            Err(FlashError::OutOfBounds) => 'b',
            Err(FlashError::NotErased) => 'e',
        });
        let found: String<11> = found.into_iter().collect();
        self.say(format_args!("flash {found} {word:02X?}")).await;
    }

    async fn draw_random(&mut self) {
        match &mut self.random {
            Ok(random) => {
                let number = random.next_u64();
                self.say(format_args!("random {number:016x}")).await;
            }
            Err(NoRandomness::Missing) => self.say(format_args!("no seed page")).await,
            Err(NoRandomness::Flash(error)) => {
                let error = *error;
                self.say(format_args!("seed page: {error:?}")).await;
            }
        }
    }

    /// What the build wrote down, beside what is there.
    async fn hash_image(&mut self) {
        let Ok(written) = image::hash() else {
            return self.say(format_args!("image damaged")).await;
        };
        let (first, rest) = image::bytes();
        let noted = rest.len().saturating_sub(image::NOTE);
        let measured = sha256(&[&first, rest.get(..noted).unwrap_or_default()]);
        let verdict = if measured == written { "as" } else { "not as" };
        self.say(format_args!("image {} {verdict} written", Hexadecimal(&measured)))
            .await;
    }

    /// The cryptography that a payment costs most in.
    async fn try_keys(&mut self) {
        let Ok(random) = &mut self.random else {
            return self.say(format_args!("no seed page")).await;
        };
        let message = b"self-test";
        let key = make_key(random);
        let Ok(signature) = sign(&key, message);
        let good = verify(&key.public_key(), message, &signature);
        let bad = verify(&key.public_key(), b"another", &signature);
        let other = make_key(random);
        let agreed =
            agree(&key, &other.public_key()).as_bytes() == agree(&other, &key.public_key()).as_bytes();
        self.say(format_args!("keys {} {} {agreed}", good.is_ok(), bad.is_ok()))
            .await;
    }

    /// A wait of 300 ms, measured by the counter.
    async fn measure_time(&mut self) {
        let begun = Instant::now();
        Timer::after_millis(300).await;
        let elapsed = begun.elapsed().as_millis();
        self.say(format_args!("waited {elapsed} ms")).await;
    }
}

struct Hexadecimal<'b>(&'b [u8]);

impl Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[inline(never)]
fn make_key(random: &mut ChaCha20Rng) -> SecretKey {
    SecretKey::generate(random)
}

#[inline(never)]
fn sign(key: &SecretKey, message: &[u8]) -> Result<Signature, Infallible> {
    key.sign(message)
}

#[inline(never)]
fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
    PortableP256.verify(key, message, signature)
}

#[inline(never)]
fn agree(key: &SecretKey, peer: &PublicKey) -> SharedSecret {
    key.agree(peer)
}

fn provoke_panic(one: usize) {
    assert_eq!(one, 2, "provoked");
}

fn provoke_fault() {
    // SAFETY: deliberately none: nothing is mapped there, and the fault is what is wanted.
    unsafe { (0xF000_0000 as *const u32).read_volatile() };
}
