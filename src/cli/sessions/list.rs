//! `cattail sessions list`.

use std::cmp::Reverse;

use serde_json::json;

use crate::cli::Failure;
use crate::cli::output::{complain, print};
use crate::config::Dialect;
use crate::session::id::Id;
use crate::store::Expiry;
use crate::store::census::Finding;
use crate::store::key::{Kind, Named, Prefix};

use super::rows::{Candidate, Ids, Row};
use super::stores::{expect_meant, is_meant};
use super::table::{Align, bytes, or_dash, seconds, table};
use super::{ListArguments, Order, Survey};

/// Keys that are kept, the first in the order asked for; a few of them are backups and no rows.
const MOST_CANDIDATES: usize = 100_000;
/// Values that are read to sort by what stands in them.
const MOST_READ: usize = 10_000;

const TITLES: [(&str, Align); 11] = [
    ("ID", Align::Left),
    ("NODE", Align::Left),
    ("PREFIX", Align::Left),
    ("AGE", Align::Right),
    ("IDLE", Align::Right),
    ("TIME-OUT", Align::Right),
    ("LEFT", Align::Right),
    ("SIZE", Align::Right),
    ("AUTH", Align::Left),
    ("SERIALIZER", Align::Left),
    ("STATE", Align::Left),
];

pub(super) fn list(arguments: &ListArguments) -> Result<(), Failure> {
    let given = arguments.stores.given()?;
    expect_meant(&given.nodes, arguments.node.as_deref())?;
    let is_here: Vec<bool> = given
        .nodes
        .iter()
        .map(|node| is_meant(node, arguments.node.as_deref()))
        .collect();
    let (order, prefix) = (arguments.sort, given.prefix());
    let (mut candidates, mut sessions, mut is_pruned) = (Vec::new(), 0, false);
    let mut survey = Survey::of(&arguments.stores, &given, |node, entry, named| {
        let Named::Msm(key) = named else {
            return;
        };
        let is_wanted = matches!(key.kind, Kind::Session | Kind::Backup)
            && is_here.get(node) == Some(&true)
            && is_of_route(key.id, arguments.route.as_deref());
        if !is_wanted {
            return;
        }
        sessions += usize::from(key.kind == Kind::Session);
        let entry = entry.clone();
        candidates.push(Candidate { node, entry });
        if candidates.len() >= 2 * MOST_CANDIDATES {
            sort(&mut candidates, order, prefix);
            candidates.truncate(MOST_CANDIDATES);
            is_pruned = true;
        }
    })?;
    sort(&mut candidates, order, prefix);
    // Backups are shown only where nothing else is left of the session.
    candidates.retain(|it| {
        it.key(prefix).is_some_and(|key| {
            key.kind == Kind::Session || survey.closed.findings_of(&key).contains(&Finding::Orphan)
        })
    });
    // Of those that were dropped nobody knows whether they were told twice.
    let total = if is_pruned {
        sessions
    } else {
        candidates.len()
    };
    let rows = rows(arguments, &mut survey, candidates)?;
    let left_out = match order {
        Order::Age => total.saturating_sub(MOST_READ),
        _ => 0,
    };
    if arguments.stores.is_json() {
        let told = json!({
            "mode": survey.closed.mode().word(),
            "stores": survey.missing.to_json(survey.nodes),
            "total": total,
            "age_not_read": left_out,
            "sessions": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        });
        print(&format!("{told:#}"))?;
    } else if !(rows.is_empty() && survey.missing.is_everything()) {
        print(&text(&rows))?;
    }
    tell_rest(rows.len(), total, left_out);
    survey.missing.tell(survey.nodes)
}

/// Reads what is to be shown, and no more; to sort by age, more.
fn rows(
    arguments: &ListArguments,
    survey: &mut Survey<'_>,
    mut candidates: Vec<Candidate>,
) -> Result<Vec<Row>, Failure> {
    let is_by_age = arguments.sort == Order::Age;
    candidates.truncate(if is_by_age {
        MOST_READ
    } else {
        arguments.limit
    });
    let ids = Ids::of(arguments.stores.full_ids);
    let mut rows = survey.rows(&candidates, ids)?;
    if is_by_age {
        rows.sort_by_key(|row| Reverse(row.age()));
        rows.truncate(arguments.limit);
    }
    Ok(rows)
}

fn tell_rest(shown: usize, total: usize, left_out: usize) {
    if shown < total {
        complain(&format!(
            "cattail: {shown} of {total} sessions are shown; see --limit"
        ));
    }
    if left_out > 0 {
        complain(&format!(
            "cattail: the age of {left_out} was not read: there are too many"
        ));
    }
}

fn is_of_route(id: &[u8], wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let id = Id::read(Dialect::Tomcat, id).ok();
    id.as_ref().and_then(Id::route).unwrap_or_default() == wanted.as_bytes()
}

/// Sorts by what keys say, and takes out those told twice.
fn sort(candidates: &mut Vec<Candidate>, order: Order, prefix: Prefix<'_>) {
    candidates.sort_by_cached_key(|it| {
        let key = it.key(prefix);
        key.map(|key| (key.id.to_vec(), key.kind, key.prefix.to_vec(), it.node))
    });
    candidates.dedup_by(|a, b| a.node == b.node && a.entry.key == b.entry.key);
    match order {
        Order::Id | Order::Age => {}
        Order::Node => candidates.sort_by_key(|it| it.node),
        Order::Route => candidates.sort_by_cached_key(|it| {
            let id = it
                .key(prefix)
                .and_then(|key| Id::read(Dialect::Tomcat, key.id).ok());
            id.and_then(|id| id.route().map(<[u8]>::to_vec))
        }),
        // An unknown time comes last.
        Order::Idle => candidates.sort_by_key(|it| it.entry.last_access.unwrap_or(u64::MAX)),
        Order::Ttl => candidates.sort_by_key(|it| match it.entry.expiry {
            Expiry::At(end) => end,
            Expiry::Never => u64::MAX,
        }),
        Order::Size => candidates.sort_by_key(|it| Reverse(it.entry.size)),
    }
}

fn text(rows: &[Row]) -> String {
    let has_prefix = rows.iter().any(|row| !row.prefix.is_empty());
    let is_shown = |title: &str| title != "PREFIX" || has_prefix;
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let cells = TITLES.iter().zip(cells(row));
            cells
                .filter(|((title, _), _)| is_shown(title))
                .map(|(_, cell)| cell)
                .collect()
        })
        .collect();
    let titles: Vec<_> = TITLES
        .into_iter()
        .filter(|(title, _)| is_shown(title))
        .collect();
    table(&titles, &lines)
}

fn cells(row: &Row) -> [String; 11] {
    let header = row.header();
    let state = row.state();
    let state = if state.is_empty() { vec!["ok"] } else { state };
    [
        row.id.clone(),
        row.node.clone(),
        or_dash(Some(row.prefix.clone())),
        or_dash(row.age().map(seconds)),
        or_dash(row.idle().map(seconds)),
        row.time_out_text(),
        row.left().map_or_else(|| "never".to_owned(), seconds),
        or_dash(row.size.map(bytes)),
        or_dash(header.map(|it| it.auth.word().to_owned())),
        or_dash(
            header
                .and_then(|it| it.serializer)
                .map(|it| it.word().to_owned()),
        ),
        state.join(","),
    ]
}
