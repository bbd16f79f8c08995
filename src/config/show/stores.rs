//! Stores as they are typed; passwords are not shown.

use serde_json::{Map, Value, json};

use crate::config::units::show_duration;
use crate::config::{StoreAddress, Stores};

use super::shown;

/// Where the nodes came from Tomcat's file, only that.
pub(super) fn stores(stores: &Stores) -> Value {
    let mut value = json!({
        "key_prefix": stores.key_prefix,
        "interval": show_duration(stores.interval),
        "timeout": show_duration(stores.timeout),
        "look_before_failover": stores.look_before_failover,
    });
    let (key, nodes) = match (&stores.context, stores.nodes.as_slice()) {
        (Some(path), _) => ("context", json!(shown(path))),
        (None, [one]) if matches!(one.address, StoreAddress::Redis { .. }) => {
            ("redis", json!(one.address.to_string()))
        }
        (None, [one]) if one.name.is_none() => ("memcached", json!(one.address.to_string())),
        (None, nodes) => {
            let named = nodes.iter().filter_map(|node| {
                let name = node.name.clone()?;
                Some((name, json!(node.address.to_string())))
            });
            ("memcached", Value::Object(named.collect::<Map<_, _>>()))
        }
    };
    if let Value::Object(keys) = &mut value {
        keys.insert(key.to_owned(), nodes);
    }
    value
}
