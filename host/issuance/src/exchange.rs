//! Questions out, answers in: how a protocol without I/O talks to whoever runs it.
//!
//! A protocol is written as one `async` function, so that the order of commands can be read from top to bottom; the
//! compiler makes the state machine of it. Its only `await`s are questions to the caller: there is no executor and no
//! I/O, and [`Course`] polls it exactly when an answer is there.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::Failure;

/// Which questions a protocol asks, and which answers it takes.
pub(crate) trait Dialogue {
    /// A question.
    type Step;
    /// An answer.
    type Event;

    /// The question that sends a command to the card.
    fn transmit(command: Vec<u8>) -> Self::Step;
    /// What the card answered; `None` if the event answers another question.
    fn response(event: Self::Event) -> Option<Vec<u8>>;
    /// The failure, if the event says that the question cannot be answered.
    fn accepted(event: Self::Event) -> Result<Self::Event, Failure>;
}

/// An answer to another question than the one asked.
pub(crate) const WRONG_ANSWER: Failure = Failure::Program("it was given the answer to another question");

/// Where a protocol puts its questions and finds the answers.
pub(crate) struct Desk<D: Dialogue>(Rc<Trays<D>>);

struct Trays<D: Dialogue> {
    step: Cell<Option<D::Step>>,
    event: Cell<Option<D::Event>>,
}

impl<D: Dialogue> Clone for Desk<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D: Dialogue> Desk<D> {
    /// Puts a question and waits for its answer.
    pub(crate) async fn ask(&self, step: D::Step) -> Result<D::Event, Failure> {
        self.0.step.set(Some(step));
        let event = poll_fn(|_| self.0.event.take().map_or(Poll::Pending, Poll::Ready)).await;
        D::accepted(event)
    }

    /// Sends a command APDU.
    pub(crate) async fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, Failure> {
        let event = self.ask(D::transmit(command.to_vec())).await?;
        D::response(event).ok_or(WRONG_ANSWER)
    }
}

/// What a protocol says when it was polled.
pub(crate) enum Turn<S, T> {
    /// It asks.
    Asks(S),
    /// It has come to its end.
    Ended(Result<T, Failure>),
}

type Protocol<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>;

/// One protocol from its start to its end.
pub(crate) struct Course<'a, D: Dialogue, T> {
    protocol: Option<Protocol<'a, T>>,
    desk: Desk<D>,
}

impl<'a, D: Dialogue, T> Course<'a, D, T> {
    /// Starts the protocol that `begin` makes of its desk.
    pub(crate) fn start<F: Future<Output = Result<T, Failure>> + 'a>(
        begin: impl FnOnce(Desk<D>) -> F,
    ) -> (Self, Turn<D::Step, T>) {
        let desk = Desk(Rc::new(Trays {
            step: Cell::new(None),
            event: Cell::new(None),
        }));
        let mut course = Self {
            protocol: Some(Box::pin(begin(desk.clone()))),
            desk,
        };
        let turn = course.poll();
        (course, turn)
    }

    /// Goes on with the answer to the last question.
    pub(crate) fn answer(&mut self, event: D::Event) -> Turn<D::Step, T> {
        self.desk.0.event.set(Some(event));
        self.poll()
    }

    fn poll(&mut self) -> Turn<D::Step, T> {
        let Some(protocol) = &mut self.protocol else {
            return Turn::Ended(Err(Failure::Program("it has ended already")));
        };
        match protocol.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => match self.desk.0.step.take() {
                Some(step) => Turn::Asks(step),
                None => Turn::Ended(Err(Failure::Program("it asks for nothing"))),
            },
            Poll::Ready(end) => {
                self.protocol = None;
                Turn::Ended(end)
            }
        }
    }
}
