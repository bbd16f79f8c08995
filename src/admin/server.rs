//! The admin listener's connections, bounded in number, head and time.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::api::AdminPeer;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;

/// For a whole request head, and for the next request on an idle connection. Longer than
/// Prometheus's usual scrape interval.
const HEAD_TIME: Duration = Duration::from_secs(20);

/// Then a connection is told to end: nobody may hold one for ever.
const LIFETIME: Duration = Duration::from_mins(5);

/// For an answer under way when its connection is told to end.
const GRACE: Duration = Duration::from_secs(1);

/// Bytes of a request head, with what is read ahead.
const HEAD_BYTES: usize = 16 * 1024;

/// Fields of a request head.
const HEAD_FIELDS: usize = 64;

/// After a failure to accept, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Tells whether it could start, then serves until the sender of `stopped` is gone.
pub(super) fn run(
    listener: StdListener,
    router: Router,
    stopped: watch::Receiver<()>,
    tell: &SyncSender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default());
    let started = runtime.and_then(|runtime| {
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(entered);
        Ok((runtime, listener))
    });
    match started {
        Ok((runtime, listener)) => {
            drop(tell.send(Ok(())));
            runtime.block_on(serve(listener, router, stopped));
        }
        Err(error) => drop(tell.send(Err(error))),
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Nothing is ever sent: a change is the sender's end.
            _ = stopped.changed() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => report(ended),
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    let router = router.clone().layer(Extension(AdminPeer(peer)));
                    connections.spawn_local(connection(stream, router, stopped.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "an admin connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<()>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = told_to_end(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            timeout(GRACE, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection failed");
    }
}

async fn told_to_end(stopped: &mut watch::Receiver<()>) {
    // Either outcome means the end.
    drop(timeout(LIFETIME, stopped.changed()).await);
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an admin connection panicked");
    }
}
