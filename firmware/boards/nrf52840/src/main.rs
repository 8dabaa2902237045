//! The terminal on the nRF52840-DK with a PN532, a 128 × 64 OLED and a 4 × 4 keypad: a thin binary around the terminal core.
//!
//! Pins, parts and what was not tried on hardware: see README.md beside this folder.
#![no_std]
#![no_main]

mod curve;
mod failure;
mod keys;
mod layout;
mod oled;
mod supply;
mod watchdog;

use core::cell::RefCell;
use core::fmt::{Display, Write as _};

use board_parts::entropy::{Broken, HmacDrbg, NOISE};
use board_parts::keypad::SIZE;
use board_parts::serial_flash::{FlashError, SerialFlash, self_test};
use embassy_executor::Spawner;
use embassy_nrf::buffered_uarte::{self, BufferedUarte};
use embassy_nrf::config::{Config, Debug, HfclkSource, LfclkSource};
use embassy_nrf::gpio::{AnyPin, Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::mode::Async;
use embassy_nrf::peripherals::{RNG, SPI2, TWISPI0, TWISPI1, UARTE0};
use embassy_nrf::rng::{self, Rng};
use embassy_nrf::spim::{self, Spim};
use embassy_nrf::twim::{self, Twim};
use embassy_nrf::{Peri, bind_interrupts, pac, uarte};
use embassy_time::{Delay, Duration, Instant, Timer, with_timeout};
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_storage::nor_flash::ReadNorFlash as _;
use heapless::String;
use link::MAX_ENCODED;
use reader::Spi;
use runner::Parts;
use screen::Screen as _;
use static_cell::ConstStaticCell;
use terminal::{Image, Terminal};

use crate::curve::CURVE;
use crate::oled::Oled;

bind_interrupts!(struct Interrupts {
    RNG => rng::InterruptHandler<RNG>;
    SPI2 => spim::InterruptHandler<SPI2>;
    TWISPI0 => twim::InterruptHandler<TWISPI0>;
    TWISPI1 => spim::InterruptHandler<TWISPI1>;
    UARTE0 => buffered_uarte::InterruptHandler<UARTE0>;
});

/// 1,024 bytes with bias correction take about 0.12 s (nRF52840 product specification 6.19.3); a source that stands still
/// ends here.
const NOISE_WITHIN: Duration = Duration::from_secs(2);
/// How long a failure before this start is shown.
const FAILURE_SHOWN: Duration = Duration::from_secs(10);

/// The longest frame of the host, as two halves, which the UART fills in turn. If nobody reads meanwhile, only one half may be
/// free: the frame is then lost, as on a disturbed line.
const HOST_FRAME: usize = MAX_ENCODED.next_multiple_of(2);
static HOST_IN: ConstStaticCell<[u8; HOST_FRAME]> = ConstStaticCell::new([0; HOST_FRAME]);
/// To the host: sent while the core goes on.
static HOST_OUT: ConstStaticCell<[u8; 1_024]> = ConstStaticCell::new([0; 1_024]);
/// What the OLED is sent from the program's constants, which its bus cannot reach.
static OLED_OUT: ConstStaticCell<[u8; 32]> = ConstStaticCell::new([0; 32]);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut config = Config::default();
    config.hfclk_source = HfclkSource::ExternalXtal;
    config.lfclk_source = LfclkSource::ExternalXtal;
    // The port's lock is set when the board is made, and the image never opens it (README.md, "Debug port").
    config.debug = Debug::NotConfigured;
    let chip = embassy_nrf::init(config);
    watchdog::start();
    supply::watch();

    let rows: [Peri<AnyPin>; SIZE] = [
        chip.P1_03.into(),
        chip.P1_04.into(),
        chip.P1_05.into(),
        chip.P1_06.into(),
    ];
    let columns: [Peri<AnyPin>; SIZE] = [
        chip.P1_07.into(),
        chip.P1_08.into(),
        chip.P1_10.into(),
        chip.P1_11.into(),
    ];
    let keypad = keys::scan(
        rows.map(|pin| Output::new(pin, Level::High, OutputDrive::Standard0Disconnect1)),
        columns.map(|pin| Input::new(pin, Pull::Up)),
    );
    if let Ok(task) = keypad {
        spawner.spawn(task);
    }

    let mut bus = twim::Config::default();
    bus.frequency = twim::Frequency::K400;
    bus.sda_pullup = true;
    bus.scl_pullup = true;
    let twim = Twim::new(
        chip.TWISPI0,
        Interrupts,
        chip.P0_26,
        chip.P0_27,
        bus,
        OLED_OUT.take(),
    );
    let mut screen = Oled::new(twim);
    if let Some(text) = failure::before_this_start() {
        screen.show(&text).await;
        Timer::after(FAILURE_SHOWN).await;
    }

    let firmware = match running_image::hash() {
        Ok(hash) => hash,
        Err(damaged) => return stop(&mut screen, &damaged).await,
    };

    // The flash chip's other two data lines are Write Protect and Hold, when it is driven over one: high, for good.
    core::mem::forget(Output::new(chip.P0_22, Level::High, OutputDrive::Standard));
    core::mem::forget(Output::new(chip.P0_23, Level::High, OutputDrive::Standard));
    let mut bus = spim::Config::default();
    bus.frequency = spim::Frequency::M8;
    let spim = Spim::new(chip.SPI2, Interrupts, chip.P0_19, chip.P0_21, chip.P0_20, bus);
    let select = Output::new(chip.P0_17, Level::High, OutputDrive::Standard);
    let Ok(spi) = ExclusiveDevice::new(spim, select, Delay);
    let mut flash = match SerialFlash::start(spi, Delay, watchdog::feed) {
        Ok(flash) => flash,
        Err(error) => return stop(&mut screen, &FlashFailed(error)).await,
    };
    let places = layout::places(flash.capacity());
    if let Err(error) = self_test(&mut flash, places.self_test) {
        return stop(&mut screen, &FlashFailed(error)).await;
    }

    let random = match start_random(Rng::new(chip.RNG, Interrupts)).await {
        Ok(random) => random,
        Err(reason) => return stop(&mut screen, &reason).await,
    };
    let image = Image {
        firmware,
        test: false,
    };
    let flash = RefCell::new(flash);
    let now = Instant::now().as_millis();
    let mut place = None;
    let terminal = match Terminal::start_in(&mut place, &flash, places.layout, random, CURVE, image, now) {
        Ok(terminal) => terminal,
        Err(reason) => return stop(&mut screen, &reason).await,
    };

    // Not SPIM3: it may send wrong bytes while the processor uses the same memory (anomaly 198).
    let mut bus = spim::Config::default();
    bus.frequency = spim::Frequency::M2;
    bus.bit_order = spim::BitOrder::LsbFirst;
    let reader_bus = Spim::new(chip.TWISPI1, Interrupts, chip.P1_15, chip.P1_14, chip.P1_13, bus);
    let reader_select = Output::new(chip.P1_12, Level::High, OutputDrive::Standard);
    let reader_irq = Input::new(chip.P1_01, Pull::Up);

    let mut line = uarte::Config::default();
    line.baudrate = uarte::Baudrate::Baud115200;
    let parts = Parts {
        host: BufferedUarte::new(
            chip.UARTE0,
            chip.TIMER1,
            chip.PPI_CH0,
            chip.PPI_CH1,
            chip.PPI_GROUP0,
            chip.P0_08,
            chip.P0_06,
            Interrupts,
            line,
            HOST_IN.take(),
            HOST_OUT.take(),
        ),
        screen,
        keys: keys::Keys,
        card_reader: Spi::new(reader_bus, reader_select, reader_irq),
    };
    match runner::run(terminal, parts, watchdog::feed).await {}
}

/// The generator of this start, from the chip's noise and, to tell chips apart, its number.
async fn start_random(mut source: Rng<'static, Async>) -> Result<HmacDrbg, Broken> {
    source.set_bias_correction(true);
    let mut noise = [0; NOISE];
    with_timeout(NOISE_WITHIN, source.fill_bytes(&mut noise))
        .await
        .map_err(|_| Broken)?;
    let number = [0, 1].map(|word| pac::FICR.deviceid(word).read().to_le_bytes());
    HmacDrbg::start(&mut noise, number.as_flattened())
}

/// The flash did not pass its test.
struct FlashFailed(FlashError);

impl Display for FlashFailed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Bộ nhớ hỏng ({:?}). Ngừng dùng thiết bị.\u{1F} / The flash fails its test; stop using this terminal and keep it.",
            self.0
        )
    }
}

/// Says why the terminal does not start. It then stands still: what it holds stays as it is.
async fn stop(screen: &mut Oled, reason: &impl Display) {
    let mut text = String::<256>::new();
    // Too long a text is cut.
    let _ = writeln!(text, "{reason}");
    screen.show(&text).await;
    loop {
        watchdog::feed();
        let pause = Timer::after_secs(1);
        pause.await;
    }
}
