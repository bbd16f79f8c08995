//! Starting: everything that can fail first, then the workers.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use rustix::io::Errno;
use tokio::sync::watch;

use super::background::Background;
use super::certificates::Certificates;
use super::shown::Shown;
use super::worker::{self, Phase, Start};
use super::{Proxy, reload, state_file};
use crate::admin::{self, AdminHandle};
use crate::cluster::resolve::{ResolveFailure, SystemResolver, resolve};
use crate::cluster::{Addresses, Changes, Cluster, Common, Names, Order};
use crate::config::{BackendAddr, Config, Finding, ListenAddr};
use crate::observe::access_log::LogCounters;
use crate::observe::metrics::{CertificateReloads, PerWorker, WorkerId};
use crate::proxy::client::{Entrance, Scheme};
use crate::proxy::{self, Caller, Front, Published, Snapshot, TlsFailure};
use crate::server::admission::Admission;
use crate::server::rates::Rates;
use crate::server::sockets::{BindFailure, Bound, SocketFile};
use crate::server::{Door, Seldom};

/// Why a proxy cannot start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// A listener's address is taken or not ours.
    #[error("listeners[{place}].address: {failure}: {}{}", .failure.source, hint(&.failure.source))]
    Listener {
        /// The listener's place in the file.
        place: usize,
        /// What the system says.
        failure: BindFailure,
    },
    /// The admin address is taken or not ours.
    #[error("admin.address: cannot listen on {address}: {source}{}", hint(.source))]
    Admin {
        /// As configured.
        address: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Names of backends that cannot be resolved.
    #[error("{}", lines(.0))]
    Names(Vec<UnknownName>),
    /// The access log cannot be opened.
    #[error("access_log.path: cannot open {path}: {source}")]
    AccessLog {
        /// As configured.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The system gives no thread or runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A backend whose name cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[error(
    "clusters.{cluster}.backends[{place}].address: {failure}{}; expected a name that resolves at \
     the start",
    cause(.failure)
)]
pub struct UnknownName {
    cluster: String,
    place: usize,
    failure: ResolveFailure,
}

fn cause(failure: &ResolveFailure) -> String {
    failure
        .source()
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

fn lines(names: &[UnknownName]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What to do about an address that cannot be had; nothing where the system's words suffice.
fn hint(refusal: &io::Error) -> &'static str {
    match refusal.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRINUSE) => {
            "\n    hint: another process listens there, perhaps another cattail; `ss -lntp` names it"
        }
        Some(Errno::ADDRNOTAVAIL) => "\n    hint: this machine has no such address",
        Some(Errno::ACCESS) => {
            "\n    hint: a port below 1024 takes root or CAP_NET_BIND_SERVICE; try 8080"
        }
        _ => "",
    }
}

impl StartFailure {
    /// What is wrong with which field; empty where no field is to blame.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Listener { place, failure } => {
                vec![taken(
                    format!("listeners[{place}].address"),
                    &failure.address,
                    &failure.source,
                )]
            }
            Self::Admin { address, source } => {
                vec![taken(
                    "admin.address".to_owned(),
                    &address.to_string(),
                    source,
                )]
            }
            Self::Names(names) => names.iter().map(UnknownName::finding).collect(),
            Self::AccessLog { path, source } => vec![Finding {
                path: "access_log.path".to_owned(),
                found: format!("{path:?} ({source})"),
                expected: "a file that can be written",
                hint: None,
            }],
            Self::Tls(_) | Self::System(_) => Vec::new(),
        }
    }
}

fn taken(path: String, address: &str, refusal: &io::Error) -> Finding {
    let hint = hint(refusal).trim_start().strip_prefix("hint: ");
    let found = format!("{address} ({refusal})");
    Finding {
        path,
        found,
        expected: "a free address of this machine",
        hint,
    }
}

impl UnknownName {
    fn finding(&self) -> Finding {
        Finding {
            path: format!("clusters.{}.backends[{}].address", self.cluster, self.place),
            found: format!("{}{}", self.failure, cause(&self.failure)),
            expected: "a name that resolves at the start",
            hint: None,
        }
    }
}

/// How long the start waits for one name.
const RESOLVE_TIME: Duration = Duration::from_secs(10);

/// Starts a proxy. Names that cannot be resolved, addresses in use and logs that cannot be opened
/// are failures; backends that do not answer are not.
pub fn start(config: Config) -> Result<Proxy, StartFailure> {
    start_behind(config, proxy::bare)
}

/// The same with layers of tower's around the proxy: `layers` makes the service of each client
/// connection, from [`proxy::service`].
///
/// A layer that answers without asking the proxy is not accounted, and its connection ends when
/// `limits.head_time` is over, since for the proxy the request has not begun.
pub fn start_with<S, B>(
    config: Config,
    layers: impl Fn(Rc<Caller>) -> S + Clone + Send + 'static,
) -> Result<Proxy, StartFailure>
where
    S: tower::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error = Infallible,
            Future: 'static,
        > + Clone
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    start_behind(config, proxy::layered(layers))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "every worker has a clone of it"
)]
fn start_behind(config: Config, front: impl Front) -> Result<Proxy, StartFailure> {
    raise_descriptor_limit();
    let workers = config.workers;
    let counters = Arc::new(LogCounters::default());
    let changes = Arc::new(Changes::default());
    let admin_socket = bind_admin(&config)?;
    let mut bound = bind(&config, workers)?;
    let access_log = reload::open_log(config.access_log.as_ref(), &counters)?;
    let common = Common::new(&changes, config.limits.ledger, workers);
    let kept = kept_orders(&config);
    common.orders.restore(kept.clone());
    let snapshot = Snapshot::new(config, None, access_log, &common)?;
    resolve_names(&snapshot.clusters)?;
    let doors = doors(&snapshot.config, &bound);
    let published = Published::new(snapshot, common, workers);
    let shown = Shown::new(Arc::clone(&published), doors.clone(), counters);
    shown.orders_are_kept(kept);
    let keeper = Arc::clone(&shown);
    let common = Arc::clone(&published.common);
    let certificates = Certificates::new(doors.clone());
    let keep = move || keeper.keep_orders();
    let background = Background::start(published.snapshot(), common, certificates, keep)?;
    let (phase, phases) = watch::channel(Phase::Serving);
    let mut proxy = Proxy {
        addresses: bound
            .iter()
            .map(|sockets| sockets.address.clone())
            .collect(),
        files: files(&bound),
        admin: None,
        background: Some(background),
        phase,
        workers: Vec::new(),
        shown: Arc::clone(&shown),
    };
    for id in (0..workers).map(WorkerId) {
        let doors = bound
            .iter_mut()
            .map(Bound::split_off)
            .zip(doors.iter().cloned());
        let start = Start {
            id,
            published: Arc::clone(&published),
            doors: doors.collect(),
            phase: phases.clone(),
        };
        proxy.workers.push(worker::start(start, front.clone())?);
    }
    proxy.admin = start_admin(admin_socket, shown)?;
    Ok(proxy)
}

/// Orders from before the start. A proxy that does not start would be worse than one that follows the
/// file alone.
fn kept_orders(config: &Config) -> Vec<(Names, Order)> {
    let file = config.admin.as_ref();
    let Some(file) = file.and_then(|admin| admin.state_file.as_deref()) else {
        return Vec::new();
    };
    state_file::read(file).unwrap_or_else(|error| {
        tracing::error!(
            file = %file.display(), %error,
            "orders from before the start are not followed: the state file cannot be read"
        );
        match state_file::set_aside(file) {
            Ok(aside) => tracing::warn!(file = %aside.display(), "it is kept under this name"),
            Err(error) => tracing::error!(%error, "it cannot be set aside"),
        }
        Vec::new()
    })
}

fn bind(config: &Config, workers: usize) -> Result<Vec<Bound>, StartFailure> {
    let listeners = config.listeners.iter().enumerate();
    listeners
        .map(|(place, listener)| {
            Bound::new(&listener.address, workers)
                .map_err(|failure| StartFailure::Listener { place, failure })
        })
        .collect()
}

fn bind_admin(config: &Config) -> Result<Option<TcpListener>, StartFailure> {
    let Some(admin) = &config.admin else {
        return Ok(None);
    };
    let fail = |source| StartFailure::Admin {
        address: admin.address,
        source,
    };
    TcpListener::bind(admin.address).map(Some).map_err(fail)
}

fn start_admin(
    socket: Option<TcpListener>,
    shown: Arc<Shown>,
) -> io::Result<Option<(std::net::SocketAddr, AdminHandle)>> {
    let Some(socket) = socket else {
        return Ok(None);
    };
    let address = socket.local_addr()?;
    Ok(Some((address, admin::start(socket, shown)?)))
}

fn doors(config: &Config, bound: &[Bound]) -> Vec<Arc<Door>> {
    let admission = Admission::new(config.limits.connections);
    let rates = Arc::new(Rates::default());
    let listeners = config.listeners.iter().zip(bound).enumerate();
    listeners
        .map(|(index, (listener, bound))| {
            let port = match bound.address {
                ListenAddr::Ip(address) => Some(address.port()),
                ListenAddr::Unix(_) => None,
            };
            Arc::new(Door {
                name: listener.name.as_str().into(),
                index,
                entrance: Entrance {
                    scheme: Scheme::Http,
                    port,
                },
                admission: Arc::clone(&admission),
                rates: Arc::clone(&rates),
                unheard: Seldom::default(),
                unintroduced: Seldom::default(),
                cells: PerWorker::new(config.workers),
                certificate_reloads: CertificateReloads::default(),
            })
        })
        .collect()
}

fn files(bound: &[Bound]) -> Vec<SocketFile> {
    let files = bound.iter().filter_map(|bound| match &bound.address {
        ListenAddr::Unix(path) => Some(SocketFile(path.clone())),
        ListenAddr::Ip(_) => None,
    });
    files.collect()
}

/// Looks up the names of backends that have no address yet; all problems at once. On a thread of
/// its own: whoever starts or reloads may do so from within a runtime, and that cannot be entered
/// a second time.
pub(super) fn resolve_names(clusters: &[Arc<Cluster>]) -> Result<(), StartFailure> {
    let looked_up = thread::scope(|scope| scope.spawn(|| look_up_names(clusters)).join());
    looked_up.unwrap_or_else(|_| Err(io::Error::other("the look-up of names panicked").into()))
}

fn look_up_names(clusters: &[Arc<Cluster>]) -> Result<(), StartFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut unknown = Vec::new();
    for cluster in clusters {
        for (place, backend) in cluster.backends.iter().enumerate() {
            let BackendAddr::Host { host, port } = &backend.address else {
                continue;
            };
            if **backend.addresses() != Addresses::Ip(Vec::new()) {
                continue;
            }
            let looked_up = runtime.block_on(async {
                tokio::time::timeout(RESOLVE_TIME, resolve(&SystemResolver, host, *port)).await
            });
            match looked_up.unwrap_or_else(|_| {
                let source = io::ErrorKind::TimedOut.into();
                Err(ResolveFailure::LookUp {
                    host: host.clone(),
                    source,
                })
            }) {
                Ok(addresses) => backend.change_addresses(Addresses::Ip(addresses)),
                Err(failure) => {
                    let cluster = cluster.config.name.to_string();
                    unknown.push(UnknownName {
                        cluster,
                        place,
                        failure,
                    });
                }
            }
        }
    }
    runtime.shutdown_timeout(Duration::ZERO);
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(StartFailure::Names(unknown))
    }
}

/// As many descriptors as the system lets us have: two for each request, one for an idle client.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
