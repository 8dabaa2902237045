//! The interrupt numbers and the vector table of the mps2-an386 (Arm Application Note 386, table 4-1).

use cortex_m::interrupt::InterruptNumber;

/// The interrupts that this board uses; the value is the NVIC line.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Interrupt {
    Uart0Receive = 0,
    Uart1Receive = 2,
    Uart2Receive = 4,
    Timer0 = 8,
    Timer1 = 9,
}

// SAFETY: each number names one NVIC line of the machine, and the enum cannot change at run time.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets an interrupt through.
pub(crate) fn unmask(interrupt: Interrupt) {
    // SAFETY: no critical section of this firmware relies on a masked line (they disable all interrupts), and every
    // line has its handler in the table below.
    unsafe { cortex_m::peripheral::NVIC::unmask(interrupt) };
}

unsafe extern "C" {
    fn UART0_RX();
    fn UART1_RX();
    fn UART2_RX();
    fn TIMER0();
    fn TIMER1();
    fn DefaultHandler();
}

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 10] = [
    UART0_RX,
    DefaultHandler,
    UART1_RX,
    DefaultHandler,
    UART2_RX,
    DefaultHandler,
    DefaultHandler,
    DefaultHandler,
    TIMER0,
    TIMER1,
];
