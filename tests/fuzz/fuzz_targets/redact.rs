//! No session id is shown whole, whatever stands around it. Input: a line with the text before it,
//! the id, and the text behind it.

#![no_main]

use std::sync::LazyLock;

use cattail::session::Redactor;
use libfuzzer_sys::fuzz_target;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(["MYID"]));

fuzz_target!(|text: &str| {
    let whole = REDACTOR.redact(text);
    // Whatever it is: told twice it is as short as told once.
    assert!(REDACTOR.redact(&whole).len() <= whole.len());

    let mut lines = text.splitn(3, '\n');
    let before = lines.next().unwrap_or_default();
    let id = lines.next().unwrap_or_default();
    let after = lines.next().unwrap_or_default();
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+=!".contains(&byte);
    if id.is_empty() || !id.bytes().all(is_id) {
        return;
    }
    for name in ["jsessionid", "JSESSIONID", "myid"] {
        for (mark, equals) in [(";", "="), ("?", "="), ("%3B", "%3D"), ("%253b", "%253d")] {
            let (front, back) = (format!("{before}{mark}{name}{equals}"), format!(";{after}"));
            let shown = REDACTOR.redact(&format!("{front}{id}{back}")).into_owned();
            // Of something that is no proper id all is base.
            let most = 6.min(id.len() / 4);
            let secret = id.get(..=most).filter(|secret| {
                secret.len() > 4
                    && id.matches(secret).count() == 1
                    && !front.contains(secret)
                    && !back.contains(secret)
            });
            // Looked for behind the name alone: its `%253d` may end as the id begins.
            let shown_id = shown.strip_prefix(&*REDACTOR.redact(&front));
            if let (Some(secret), Some(shown_id)) = (secret, shown_id) {
                assert!(
                    !shown_id.contains(secret),
                    "{front}{id}{back} is shown as {shown}"
                );
            }
        }
    }
});
