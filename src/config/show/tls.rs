//! TLS as in the file; of files, their names.

use serde_json::{Map, Value, json};

use super::{show_duration, shown};
use crate::config::tls::{
    Certificate, ClientFact, ClientMode, ClientRule, ClusterTls, ListenerTls, Trust, UnknownHost,
};

/// `tls` of a listener.
pub(super) fn listener_tls(tls: &ListenerTls) -> Value {
    let mut value = json!({
        "certificates": tls.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "unknown_host": match tls.unknown_host {
            UnknownHost::Default => "default",
            UnknownHost::Refuse => "refuse",
        },
        "min_version": tls.least_version.as_str(),
        "client_certificates": tls.clients.iter().map(client_rule).collect::<Vec<_>>(),
        "client_headers": client_headers(tls),
        "handshake": show_duration(tls.handshake_time),
        "reload": show_duration(tls.reload),
        "resumption": tls.resumption,
    });
    if let (Value::Object(keys), Some(hsts)) = (&mut value, tls.hsts) {
        let hsts = json!({
            "max_age": show_duration(hsts.max_age),
            "subdomains": hsts.subdomains,
            "preload": hsts.preload,
        });
        keys.insert("hsts".to_owned(), hsts);
    }
    value
}

fn certificate(certificate: &Certificate) -> Value {
    let files = &certificate.files;
    let mut value = json!({ "cert": shown(&files.cert), "key": shown(&files.key) });
    if let Value::Object(keys) = &mut value {
        if let Some(ocsp) = &files.ocsp {
            keys.insert("ocsp".to_owned(), json!(shown(ocsp)));
        }
        if let Some(hosts) = &files.hosts {
            keys.insert("hosts".to_owned(), json!(hosts));
        }
    }
    value
}

/// `tls` of a cluster.
pub(super) fn cluster_tls(tls: &ClusterTls) -> Value {
    let files = tls.files();
    let mut value = json!({
        "min_version": tls.least_version.as_str(),
        "reload": show_duration(tls.reload),
        "insecure": files.trust == Trust::Anybody,
    });
    if let Value::Object(keys) = &mut value {
        let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        if let Trust::File(ca, _) = &files.trust {
            put("ca", json!(shown(ca)));
        }
        if let Some(name) = &tls.name {
            put("name", json!(name));
        }
        if let Some(own) = &files.own {
            put("cert", json!(shown(&own.files.cert)));
            put("key", json!(shown(&own.files.key)));
        }
    }
    value
}

fn client_rule(rule: &ClientRule) -> Value {
    let mut value = json!({
        "hosts": rule.hosts,
        "mode": match rule.mode {
            ClientMode::Required => "required",
            ClientMode::Optional => "optional",
        },
        "elsewhere": if rule.served_elsewhere { "serve" } else { "refuse" },
        "ca": shown(&rule.ca),
    });
    if let (Value::Object(keys), Some((crl, _))) = (&mut value, &rule.crl) {
        keys.insert("crl".to_owned(), json!(shown(crl)));
    }
    value
}

fn client_headers(tls: &ListenerTls) -> Value {
    let key = |fact: &ClientFact| {
        let mut all = ClientFact::ALL.into_iter();
        all.find(|(_, other)| other == fact)
            .map_or("", |(key, _)| key)
    };
    let pairs = tls.client_headers.iter();
    let pairs = pairs.map(|(fact, name)| (key(fact).to_owned(), json!(name.as_str())));
    Value::Object(pairs.collect::<Map<_, _>>())
}
