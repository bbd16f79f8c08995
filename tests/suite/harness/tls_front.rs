//! TLS in front of a fake Tomcat, as its connector would speak it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cattail::standin::Address;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncWriteExt, copy, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Tomcat;
use super::secure::{Authority, Issued, provider};

/// A server that ends TLS; gone with the test.
pub(crate) struct TlsFront {
    address: SocketAddr,
    goodbyes: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TlsFront {
    /// Speaks TLS with this certificate for `tomcat`. `clients`: who must have issued those of
    /// its clients.
    pub(crate) fn start(own: &Issued, clients: Option<&Authority>, tomcat: &Tomcat) -> Self {
        Self::ending(own, clients, tomcat, Ends::InOrder)
    }

    /// The same, which ends TLS without its word when the Tomcat closes.
    pub(crate) fn rude(own: &Issued, tomcat: &Tomcat) -> Self {
        Self::ending(own, None, tomcat, Ends::WithoutAWord)
    }

    fn ending(own: &Issued, clients: Option<&Authority>, tomcat: &Tomcat, ends: Ends) -> Self {
        let Address::Tcp(to) = *tomcat.address() else {
            panic!("a Tomcat at a port");
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(authority.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = builder
            .with_single_cert(own.chain.clone(), own.key_der())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let goodbyes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&goodbyes);
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, acceptor, (to, ends, counted)) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            goodbyes,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many of its clients have ended TLS in order.
    pub(crate) fn goodbyes(&self) -> usize {
        self.goodbyes.load(Ordering::Relaxed)
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
enum Ends {
    InOrder,
    WithoutAWord,
}

type Way = (SocketAddr, Ends, Arc<AtomicUsize>);

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, (to, ends, goodbyes): Way) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let goodbyes = Arc::clone(&goodbyes);
        clients.spawn(async move {
            // Who is refused has heard why.
            let Ok(mut client) = acceptor.accept(client).await else {
                return;
            };
            let Ok(mut tomcat) = TcpStream::connect(to).await else {
                return;
            };
            match ends {
                Ends::InOrder => {
                    if copy_bidirectional(&mut client, &mut tomcat).await.is_ok() {
                        goodbyes.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ends::WithoutAWord => {
                    let (mut from_client, mut to_client) = split(client);
                    let (mut answers, mut questions) = tomcat.split();
                    tokio::select! {
                        _ = copy(&mut from_client, &mut questions) => {}
                        _ = async {
                            drop(copy(&mut answers, &mut to_client).await);
                            to_client.flush().await
                        } => {}
                    }
                }
            }
        });
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the front ends");
        }
    }
}
