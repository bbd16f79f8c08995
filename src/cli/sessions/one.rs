//! `cattail sessions show` and `where`: one session, wherever it lies.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::cli::Failure;
use crate::cli::output::{complain, print};
use crate::config::Dialect;
use crate::session::id::Id;
use crate::store::Expiry;
use crate::store::key::{Kind, Named};

use super::rows::{Candidate, Content, Ids, Row};
use super::stores::{Given, label};
use super::table::{Align, bytes, or_dash, seconds, table};
use super::wanted::Meant;
use super::{OneArguments, Survey, now};

/// Keys of one session, and of others that are called alike.
const MOST_KEYS: usize = 1000;

/// Everything that was found under the id.
struct Found<'f> {
    survey: Survey<'f>,
    keys: Vec<Candidate>,
    /// How many sessions are called so.
    count: usize,
    /// More keys are called so than are kept.
    is_cut: bool,
}

pub(super) fn places(arguments: &OneArguments) -> Result<(), Failure> {
    let given = arguments.stores.given()?;
    let found = find(arguments, &given)?;
    let ids = Ids::of(arguments.stores.full_ids);
    let places: Vec<_> = found.keys.iter().map(|it| found.place(it, ids)).collect();
    if arguments.stores.is_json() {
        let told = json!({
            "mode": found.survey.closed.mode().word(),
            "complete": found.is_complete(),
            "stores": found.survey.missing.to_json(found.survey.nodes),
            "places": places.iter().map(Place::to_json).collect::<Vec<_>>(),
        });
        print(&format!("{told:#}"))?;
    } else if !places.is_empty() {
        print(&place_table(&places))?;
    }
    found.tell(arguments.limit)
}

pub(super) fn show(arguments: &OneArguments) -> Result<(), Failure> {
    let given = arguments.stores.given()?;
    let mut found = find(arguments, &given)?;
    let prefix = given.prefix();
    let is_value = |it: &&Candidate| {
        let key = it.key(prefix);
        key.is_some_and(|key| matches!(key.kind, Kind::Session | Kind::Backup))
    };
    let values: Vec<_> = found.keys.iter().filter(is_value).cloned().collect();
    let ids = Ids::of(arguments.stores.full_ids);
    let rows = found.survey.rows(&values, ids)?;
    if arguments.stores.is_json() {
        let told = json!({
            "mode": found.survey.closed.mode().word(),
            "complete": found.is_complete(),
            "stores": found.survey.missing.to_json(found.survey.nodes),
            "sessions": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        });
        print(&format!("{told:#}"))?;
    } else if !rows.is_empty() {
        let texts: Vec<_> = rows.iter().map(details).collect();
        print(&texts.join("\n"))?;
    }
    found.tell(arguments.limit)
}

fn find<'g>(arguments: &OneArguments, given: &'g Given) -> Result<Found<'g>, Failure> {
    let meant = Meant::read(&arguments.id, given.prefix())?;
    let (mut keys, mut is_cut) = (Vec::new(), false);
    let survey = Survey::of(&arguments.stores, given, |node, entry, named| {
        let Named::Msm(key) = named else { return };
        if !meant.is(&key) {
            return;
        }
        if keys.len() < MOST_KEYS {
            let entry = entry.clone();
            keys.push(Candidate { node, entry });
        } else {
            is_cut = true;
        }
    })?;
    let prefix = survey.prefix;
    let base = |it: &Candidate| {
        let key = it.key(prefix)?;
        Some(Id::read(Dialect::Tomcat, key.id).ok()?.base().to_vec())
    };
    keys.sort_by_cached_key(|it| (base(it), it.key(prefix).map(|key| key.kind), it.node));
    keys.dedup_by(|a, b| a.node == b.node && a.entry.key == b.entry.key);
    let bases: BTreeSet<_> = keys.iter().filter_map(base).collect();
    let shown: BTreeSet<_> = bases.iter().take(arguments.limit).cloned().collect();
    keys.retain(|it| base(it).is_some_and(|base| shown.contains(&base)));
    Ok(Found {
        survey,
        keys,
        count: bases.len(),
        is_cut,
    })
}

impl Found<'_> {
    /// Whether all that belongs to these sessions was found, as far as it is there.
    fn is_complete(&self) -> bool {
        self.survey.missing.is_empty() && !self.is_cut
    }

    /// Says what is missing; the result is that of the command.
    fn tell(&self, limit: usize) -> Result<(), Failure> {
        if self.is_cut {
            complain(
                "cattail: too many keys begin so, and not all are looked at: write more of the id",
            );
        }
        if self.count > limit {
            let count = self.count;
            complain(&format!(
                "cattail: {limit} of {count} sessions are shown; see --limit"
            ));
        }
        self.survey.missing.tell(self.survey.nodes)?;
        if self.keys.is_empty() {
            return Err("no store has a session with this id".to_owned().into());
        }
        Ok(())
    }

    fn place(&self, it: &Candidate, ids: Ids) -> Place {
        let key = it.key(self.survey.prefix);
        let what = key.map_or("foreign", |key| match key.kind {
            Kind::Session => "session",
            Kind::Validity => "validity",
            Kind::Backup => "backup",
            Kind::BackupValidity => "backup of validity",
            Kind::Lock => "lock",
        });
        Place {
            node: self
                .survey
                .nodes
                .get(it.node)
                .map(label)
                .unwrap_or_default(),
            what,
            id: key.map(|key| ids.show(key.id)).unwrap_or_default(),
            prefix: key
                .map(|key| ids.show_prefix(&key, self.survey.prefix))
                .unwrap_or_default(),
            size: it.entry.size,
            left: match it.entry.expiry {
                Expiry::Never => None,
                Expiry::At(end) => Some(end.saturating_sub(now())),
            },
        }
    }
}

/// Where one part of a session lies.
struct Place {
    node: String,
    what: &'static str,
    id: String,
    prefix: String,
    size: Option<u64>,
    left: Option<u64>,
}

impl Place {
    fn to_json(&self) -> Json {
        json!({
            "node": self.node,
            "what": self.what,
            "id": self.id,
            "prefix": self.prefix,
            "size_bytes": self.size,
            "ttl_seconds": self.left,
        })
    }
}

fn place_table(places: &[Place]) -> String {
    let titles = [
        ("ID", Align::Left),
        ("WHAT", Align::Left),
        ("NODE", Align::Left),
        ("LEFT", Align::Right),
        ("SIZE", Align::Right),
    ];
    let line = |it: &Place| {
        vec![
            format!("{}{}", it.prefix, it.id),
            it.what.to_owned(),
            it.node.clone(),
            it.left.map_or_else(|| "never".to_owned(), seconds),
            or_dash(it.size.map(bytes)),
        ]
    };
    table(&titles, &places.iter().map(line).collect::<Vec<_>>())
}

/// One session, a fact a line.
fn details(row: &Row) -> String {
    let header = row.header();
    let kind = if row.kind == Kind::Session {
        "session"
    } else {
        "backup"
    };
    let ago = |time: Option<u64>| or_dash(time.map(|time| format!("{} ago", seconds(time))));
    let left = row.left().map_or_else(|| "never".to_owned(), seconds);
    let flag =
        |flag: Option<bool>| or_dash(flag.map(|it| if it { "yes" } else { "no" }.to_owned()));
    let state = match (row.state(), &row.content) {
        (words, Content::HalfWritten(why)) => format!("{} ({why})", words.join(", ")),
        (words, _) if words.is_empty() => "ok".to_owned(),
        (words, _) => words.join(", "),
    };
    let lines = [
        (kind, row.id.clone()),
        ("node", row.node.clone()),
        ("prefix", or_dash(Some(row.prefix.clone()))),
        ("route", or_dash(Some(row.route.clone()))),
        ("created", ago(row.age())),
        ("last use", ago(row.idle())),
        (
            "stored",
            ago(header.and_then(|it| row.since(it.last_backup))),
        ),
        ("time-out", row.time_out_text()),
        ("left in store", left),
        ("size", or_dash(row.size.map(bytes))),
        ("auth", or_dash(header.map(|it| it.auth.word().to_owned()))),
        (
            "serializer",
            or_dash(
                header
                    .and_then(|it| it.serializer)
                    .map(|it| it.word().to_owned()),
            ),
        ),
        ("new", flag(header.map(|it| it.is_new))),
        ("valid", flag(header.map(|it| it.is_valid))),
        ("has validity", flag(Some(row.validity.is_some()))),
        ("has backup", flag(Some(row.has_backup))),
        ("state", state),
    ];
    let line = |(name, text): &(&str, String)| format!("{name:<14} {text}\n");
    lines.iter().map(line).collect()
}
