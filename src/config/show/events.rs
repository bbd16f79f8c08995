//! Who is told of events; what may be secret of the receiver's URL is not shown.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::Webhook;
use crate::config::tls::Trust;
use crate::config::units::show_duration;

use super::shown;

/// The section `events`.
pub(super) fn events(webhook: Option<&Webhook>, token_file: Option<&Path>) -> Value {
    let webhook = webhook.map_or(json!("off"), |it| of(it, token_file));
    json!({ "webhook": webhook })
}

fn of(webhook: &Webhook, token_file: Option<&Path>) -> Value {
    let url = &webhook.url;
    let target = if url.target == "/" { "/" } else { "/***" };
    let mut value = json!({
        "url": format!("{url}{target}"),
        "kinds": webhook.kinds,
        "timeout": show_duration(webhook.timeout),
        "retry_time": show_duration(webhook.retry_time),
        "queue": webhook.queue,
    });
    let files = webhook.tls.as_ref().map(|tls| tls.files());
    let ca = files.as_ref().and_then(|files| match &files.trust {
        Trust::File(path, _) => Some(path.as_path()),
        Trust::System(_) | Trust::Anybody => None,
    });
    if let Value::Object(keys) = &mut value {
        for (key, path) in [("token_file", token_file), ("ca", ca)] {
            if let Some(path) = path {
                keys.insert(key.to_owned(), json!(shown(path)));
            }
        }
    }
    value
}
