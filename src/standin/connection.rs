//! One connection: request after request until either side ends it or the stand-in's mode does.

use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::Answer;
use super::exchange::{Exchange, Persistence, Position, Step};
use super::life::Mode;
use super::request::{Refused, Request};
use super::session::Backup;
use super::tomcat::{Menu, Tomcat};
use super::wire::{Ending, NoHead, Socket, Wire};

/// Serves one accepted socket to its end.
pub(super) async fn attend<S: Socket>(
    socket: S,
    tomcat: Arc<Tomcat>,
    mut mode: watch::Receiver<Mode>,
) {
    let open = Open::note(tomcat);
    let patience = open.tomcat.settings.keep_alive;
    let mut wire = Wire {
        socket,
        ahead: BytesMut::new(),
        patience,
    };
    let ending = {
        let mut conversation = pin!(converse(&mut wire, &open, mode.clone()));
        loop {
            let now = *mode.borrow_and_update();
            if now == Mode::Killed {
                break Ending::Reset;
            }
            tokio::select! {
                biased;
                changed = mode.changed() => if changed.is_err() { break Ending::Reset },
                // Not polled while hanging: the process is as if stopped, wherever it was.
                ending = &mut conversation, if now != Mode::Hanging => break ending,
            }
        }
    };
    if ending == Ending::Reset {
        wire.socket.reset_on_close();
    }
    // Before `open`, so that a connection that counts as closed is closed.
    drop(wire);
}

/// An open connection in the journal.
struct Open {
    tomcat: Arc<Tomcat>,
    connection: u64,
}

impl Open {
    fn note(tomcat: Arc<Tomcat>) -> Self {
        let connection = tomcat.journal.connection_opened();
        Self { tomcat, connection }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tomcat.journal.connection_closed();
    }
}

async fn converse<S: Socket>(
    wire: &mut Wire<S>,
    open: &Open,
    mut mode: watch::Receiver<Mode>,
) -> Ending {
    for number in 1.. {
        let head = tokio::select! {
            biased;
            head = wire.head() => head,
            () = stopping(&mut mode) => return Ending::Close,
        };
        let parsed = match head {
            Ok(head) => Request::parse(&head).map_err(NoHead::Refused),
            Err(none) => Err(none),
        };
        let request = match parsed {
            Ok(request) => request,
            Err(NoHead::Ended) => return Ending::Close,
            Err(NoHead::Refused(Refused(status))) => return refuse(wire, status).await,
        };
        let position = Position {
            connection: open.connection,
            number,
        };
        let tomcat = Arc::clone(&open.tomcat);
        // Before the request is noted: who has seen it there may count on how it is met.
        let now = *mode.borrow();
        let mut exchange = Exchange::begin(wire, tomcat, request, position);
        if now == Mode::Stopping {
            exchange.persistence = Persistence::Close;
        }
        let step = answer(&mut exchange, now).await;
        let persistence = exchange.persistence;
        if let Some(backup) = exchange.backup.take() {
            let tomcat = Arc::clone(&open.tomcat);
            tokio::task::spawn_local(back_up_late(tomcat, backup, mode.clone()));
        }
        drop(exchange);
        match (step, persistence) {
            (Err(Ending::Linger), _) | (Ok(()), Persistence::CloseUnread) => {
                wire.linger().await;
                return Ending::Close;
            }
            (Ok(()), Persistence::Close) => {
                // A pipelined request that nobody will answer must not turn the close to a reset.
                if !wire.ahead.is_empty() {
                    wire.linger().await;
                }
                return Ending::Close;
            }
            (Err(ending), _) => return ending,
            (Ok(()), Persistence::Keep) => {}
            (Ok(()), Persistence::ResetNext) => {
                while wire.ahead.is_empty() {
                    if wire.fill().await.is_err() {
                        return Ending::Close;
                    }
                }
                return Ending::Reset;
            }
        }
    }
    Ending::Close
}

async fn answer<S: Socket>(exchange: &mut Exchange<'_, S>, mode: Mode) -> Step {
    if mode == Mode::Refusing {
        exchange.read_body().await?;
        return exchange
            .send(Answer::text(404), b"no such application\n")
            .await;
    }
    let settings = &exchange.tomcat.settings;
    let path = exchange
        .request
        .origin_form()
        .split('?')
        .next()
        .unwrap_or("");
    match settings.menu {
        Menu::All => match exchange.tomcat.scripts.meet(path) {
            Some(met) => exchange.misbehave(met).await,
            None => exchange.answer().await,
        },
        Menu::PageOnly => exchange.answer().await,
    }
}

/// Writes a session to the store after its answer; not while the process is as if stopped. A life
/// that ends ends this too.
async fn back_up_late(tomcat: Arc<Tomcat>, backup: Backup, mut mode: watch::Receiver<Mode>) {
    sleep(tomcat.sessions.backup_delay()).await;
    let is_running = |mode: &Mode| !matches!(mode, Mode::Hanging | Mode::Killed);
    if mode.wait_for(is_running).await.is_ok() {
        tomcat.sessions.back_up(&backup);
    }
}

/// Returns when the stand-in is asked to stop in order.
async fn stopping(mode: &mut watch::Receiver<Mode>) {
    if mode.wait_for(|mode| *mode == Mode::Stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Answers a head that is no request.
async fn refuse<S: Socket>(wire: &mut Wire<S>, status: u16) -> Ending {
    let head = Answer::text(status).with("Connection", "close");
    let head = head.encode(super::answer::Sending::Length(0));
    if wire.send(head.as_bytes()).await.is_ok() {
        wire.linger().await;
    }
    Ending::Close
}
