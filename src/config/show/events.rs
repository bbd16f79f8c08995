//! Who is told of events; what may be secret of the receiver's URL is not shown.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::Webhook;
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
    if let (Value::Object(keys), Some(path)) = (&mut value, token_file) {
        keys.insert("token_file".to_owned(), json!(shown(path)));
    }
    value
}
