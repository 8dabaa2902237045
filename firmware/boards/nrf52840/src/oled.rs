//! The clerk's screen on I²C.

use embassy_nrf::twim::Twim;
use embassy_time::Duration;
use screen::oled::{ADDRESS, Controller, Frame, PAGES};
use screen::{Panel, Screen};

/// The module that is listed in README.md has an SSD1306. For 1.3-inch modules: `Sh1106`.
const CONTROLLER: Controller = Controller::Ssd1306;
/// A page of 129 bytes takes 3 ms at 400 kHz; more, and the module is gone.
const WITHIN: Duration = Duration::from_millis(20);

/// The panel and its module.
pub(crate) struct Oled {
    bus: Twim<'static>,
    panel: Panel,
    /// What the module shows, if it was reached.
    shown: Option<Frame>,
}

impl Oled {
    /// A module on this bus. It is switched on when something is shown.
    pub(crate) fn new(bus: Twim<'static>) -> Self {
        Self {
            bus,
            panel: Panel::default(),
            shown: None,
        }
    }

    /// Draws the panel and sends what differs. A module that does not answer is switched on anew at the next text.
    fn draw(&mut self) {
        let mut frame = Frame::default();
        let Ok(()) = self.panel.draw(&mut frame);
        let before = self.shown.take();
        if self.send(&frame, before.as_ref()).is_ok() {
            self.shown = Some(frame);
        }
    }

    fn send(&mut self, frame: &Frame, before: Option<&Frame>) -> Result<(), embassy_nrf::twim::Error> {
        if before.is_none() {
            self.bus
                .blocking_write_timeout(ADDRESS, CONTROLLER.start(), WITHIN)?;
        }
        for page in (0..PAGES).filter(|page| before.is_none_or(|before| frame.differs(before, *page))) {
            self.bus
                .blocking_write_timeout(ADDRESS, &CONTROLLER.select(page), WITHIN)?;
            self.bus
                .blocking_write_timeout(ADDRESS, &CONTROLLER.data(frame, page), WITHIN)?;
        }
        Ok(())
    }
}

impl Screen for Oled {
    async fn show(&mut self, text: &str) {
        self.panel.append(text);
        self.draw();
    }

    async fn key(&mut self, key: u8) -> bool {
        let taken = self.panel.key(key);
        if taken {
            self.draw();
        }
        taken
    }
}
