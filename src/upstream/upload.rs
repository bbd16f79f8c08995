//! The sending of a request body on a shared connection, which lasts no longer than its exchange.
//!
//! hyper sends a body in a task of its own. After the response's head that task hears of nobody any
//! more, and while it waits for room it asks for nothing: it would wait for as long as the backend
//! likes, and its stream with it. So it is ended from here; what is dropped resets its stream.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;

/// Where a body tells that it was asked for its first piece.
type Begun = Rc<RefCell<Option<Rc<Upload>>>>;

/// Runs hyper's tasks on this worker, those that send a body as long as their exchange lasts.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    /// hyper asks a body for its first piece, and then hands over the task that sends the rest.
    begun: Begun,
}

/// The task that sends a body.
#[derive(Debug, Default)]
pub(super) struct Upload {
    is_over: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

/// What a body is to tell when it is asked for its first piece.
#[derive(Debug)]
pub(super) struct Beginning {
    upload: Rc<Upload>,
    begun: Begun,
}

impl Tasks {
    /// What belongs to a body that is about to be sent.
    pub(super) fn upload(&self) -> (Rc<Upload>, Beginning) {
        let upload = Rc::new(Upload::default());
        let beginning = Beginning {
            upload: Rc::clone(&upload),
            begun: Rc::clone(&self.begun),
        };
        (upload, beginning)
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        // Where all of the body went at once, it is the task that waits for the head of the same
        // exchange: that has no more to do then either.
        match self.begun.take() {
            Some(upload) => tokio::task::spawn_local(upload.bound(task)),
            None => tokio::task::spawn_local(task),
        };
    }
}

impl Beginning {
    pub(super) fn tell(self) {
        self.begun.replace(Some(self.upload));
    }
}

impl Upload {
    /// The exchange is over: what was not sent is not sent any more.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    async fn bound(self: Rc<Self>, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        poll_fn(|cx| {
            if self.is_over(cx) {
                return Poll::Ready(());
            }
            task.as_mut().poll(cx)
        })
        .await;
    }

    fn is_over(&self, cx: &Context<'_>) -> bool {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        self.is_over.get()
    }
}
