//! The keys of a listener's TLS.

use super::{HOUR, Key, Kind};

const DAY: u64 = 24 * HOUR;
const FILE: Kind = Kind::Text("the path of a PEM file");
const HOSTS: Kind = Kind::List(&Kind::Text(
    "a host name, such as shop.example.com or *.example.com",
));
const HEADER: Kind = Kind::Text("a header's name");

/// A listener's TLS.
pub(super) const LISTENER_TLS: &[Key] = &[
    Key::needed(
        "certificates",
        Kind::List(&Kind::Section(CERTIFICATE)),
        "The certificates; each client gets the one that fits the host it asks for best. The first one is the default.",
    ),
    Key::new(
        "unknown_host",
        Kind::Choice(&["default", "refuse"]),
        "What a client gets that asks for a host no certificate is for, or for none.",
    )
    .or("default"),
    Key::new(
        "min_version",
        Kind::Choice(&["1.2", "1.3"]),
        "The oldest version of TLS that is spoken.",
    )
    .or("\"1.2\""),
    Key::new(
        "client_certificates",
        Kind::List(&Kind::Section(CLIENTS)),
        "Who must show a certificate; the first item that names the host counts.",
    )
    .or("[]"),
    Key::new(
        "client_headers",
        Kind::Section(CLIENT_HEADERS),
        "Headers that tell backends about a client's certificate. Clients cannot send them themselves, on no listener. None that says something else, such as Host or Cookie.",
    )
    .or("{}"),
    Key::new(
        "handshake",
        Kind::Duration(10, HOUR),
        "Time for a whole handshake.",
    )
    .or("10s"),
    Key::new(
        "reload",
        Kind::Duration(100, HOUR),
        "From one look at the files named here to the next. What has changed is read anew and counts for handshakes from then on.",
    )
    .or("5s"),
    Key::new(
        "resumption",
        Kind::Switch,
        "Whether clients that come back may go on with keys of before, which saves both sides work.",
    )
    .or("true"),
    Key::new(
        "hsts",
        Kind::Section(HSTS),
        "Tells browsers to come by TLS only; absent: nothing is told.",
    ),
];

/// How many handshakes may begin and be under way, over all listeners.
pub(super) const HANDSHAKES: &[Key] = &[
    Key::new(
        "per_client",
        Kind::Count(0, 1_000_000),
        "New handshakes of one client address each second, on average of ten seconds; 0: no bound. Trusted proxies are exempt.",
    )
    .or("100"),
    Key::new(
        "in_all",
        Kind::Either(&[Kind::Choice(&["auto"]), Kind::Count(0, 1_000_000)]),
        "New handshakes of all clients each second, on average of ten seconds; 0: no bound; `auto`: 500 for each worker.",
    )
    .or("0"),
    Key::new(
        "under_way",
        Kind::Either(&[Kind::Choice(&["auto"]), Kind::Count(1, 1_000_000)]),
        "Handshakes that a worker has under way; one more takes the place of the oldest. `auto`: together half of `connections`, and at most 2000 for each worker.",
    )
    .or("auto"),
];

/// TLS to the backends of a cluster.
pub(super) const CLUSTER_TLS: &[Key] = &[
    Key::new(
        "ca",
        FILE,
        "The authorities by which certificates of backends are verified; absent: those that this system trusts.",
    ),
    Key::new(
        "name",
        Kind::Text("a host name or an IP address"),
        "The host that is asked for (SNI), and that certificates must name; absent: that of each backend's address.",
    ),
    Key::new(
        "cert",
        FILE,
        "The chain that is shown to backends that ask who we are.",
    ),
    Key::new("key", FILE, "Its private key, without a password."),
    Key::new(
        "min_version",
        Kind::Choice(&["1.2", "1.3"]),
        "The oldest version of TLS that is spoken.",
    )
    .or("\"1.2\""),
    Key::new(
        "reload",
        Kind::Duration(100, HOUR),
        "From one look at the files named here to the next. What has changed is read anew and counts for connections from then on.",
    )
    .or("5s"),
    Key::new(
        "insecure",
        Kind::Switch,
        "Accept any certificate. A warning says so at each start.",
    )
    .or("false"),
];

const CERTIFICATE: &[Key] = &[
    Key::needed(
        "cert",
        FILE,
        "The chain: the server's own certificate, then who issued it.",
    ),
    Key::needed("key", FILE, "The private key, without a password."),
    Key::new(
        "ocsp",
        Kind::Text("the path of a DER file"),
        "An answer of the authority's OCSP responder, sent along.",
    ),
    Key::new(
        "hosts",
        HOSTS,
        "Hosts it is used for; absent: those that the certificate names.",
    ),
];

const CLIENTS: &[Key] = &[
    Key::new("hosts", HOSTS, "Hosts this is for; empty: all.").or("[]"),
    Key::new(
        "mode",
        Kind::Choice(&["required", "optional"]),
        "Whether a client without one is refused.",
    )
    .or("required"),
    Key::new(
        "elsewhere",
        Kind::Choice(&["refuse", "serve"]),
        "What becomes of requests for `hosts` at other listeners, where `required` and no certificate is asked for: they are answered 403, or passed on.",
    )
    .or("refuse"),
    Key::needed(
        "ca",
        FILE,
        "The authorities whose certificates are accepted.",
    ),
    Key::new("crl", FILE, "What those authorities have revoked."),
];

const CLIENT_HEADERS: &[Key] = &[
    Key::new(
        "subject",
        HEADER,
        "Carries whom the certificate names, as CN=…,O=….",
    ),
    Key::new("issuer", HEADER, "Carries who issued it."),
    Key::new(
        "serial",
        HEADER,
        "Carries its number at its issuer, in hex.",
    ),
    Key::new("fingerprint", HEADER, "Carries its SHA-256, in hex."),
    Key::new(
        "pem",
        HEADER,
        "Carries the certificate itself: PEM, percent-encoded, so that line ends are %0A.",
    ),
];

const HSTS: &[Key] = &[
    Key::new(
        "max_age",
        Kind::Duration(0, 3650 * DAY),
        "How long browsers remember it; 0s makes them forget.",
    )
    .or("4320h"),
    Key::new(
        "subdomains",
        Kind::Switch,
        "Whether it is for all hosts below as well.",
    )
    .or("false"),
    Key::new(
        "preload",
        Kind::Switch,
        "Whether browsers may be shipped with it.",
    )
    .or("false"),
];
