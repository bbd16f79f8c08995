//! `cattail sessions stats`: counted as the keys come; no value is read.

use serde_json::{Map, Value as Json, json};

use crate::cli::Failure;
use crate::cli::output::{complain, print};
use crate::config::StoreNode;
use crate::store::census::{Closed, MOST_SESSIONS, NodeTally, Tally};

use super::stores::{Missing, expect_meant, is_meant, label};
use super::table::{Align, bytes, or_dash, printable, seconds, table};
use super::{StatsArguments, Survey};

pub(super) fn stats(arguments: &StatsArguments) -> Result<(), Failure> {
    let given = arguments.stores.given()?;
    expect_meant(&given.nodes, arguments.node.as_deref())?;
    let survey = Survey::of(&arguments.stores, &given, |_, _, _| {})?;
    let told = Told {
        closed: &survey.closed,
        nodes: survey.nodes,
        missing: &survey.missing,
        arguments,
    };
    if arguments.stores.is_json() {
        print(&format!("{:#}", told.to_json()))?;
    } else if !(told.closed.sessions() == 0 && survey.missing.is_everything()) {
        print(&told.text())?;
    }
    if told.closed.is_cut() {
        complain(&format!(
            "cattail: more than {MOST_SESSIONS} sessions: the rest is counted, but not compared"
        ));
    }
    survey.missing.tell(survey.nodes)
}

struct Told<'t> {
    closed: &'t Closed,
    nodes: &'t [StoreNode],
    missing: &'t Missing,
    arguments: &'t StatsArguments,
}

impl Told<'_> {
    fn node_tallies(&self) -> impl Iterator<Item = (usize, &StoreNode, &NodeTally)> {
        let wanted = self.arguments.node.as_deref();
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| is_meant(node, wanted))
            .filter_map(|(number, node)| Some((number, node, self.closed.node(number)?)))
    }

    fn route_tallies(&self) -> impl Iterator<Item = (String, &Tally)> {
        let wanted = self.arguments.route.as_deref();
        let routes = self.closed.routes();
        let routes = routes.map(|(route, tally)| (printable(route), tally));
        routes.filter(move |(route, _)| wanted.is_none_or(|wanted| route == wanted))
    }

    fn to_json(&self) -> Json {
        let nodes = self.node_tallies().map(|(number, node, it)| {
            let mut told = tally_json(&it.sessions);
            told.insert("node".to_owned(), json!(node.name));
            told.insert("address".to_owned(), json!(node.address.to_string()));
            told.insert("complete".to_owned(), json!(!self.missing.has(number)));
            told.insert("validities".to_owned(), json!(it.validities));
            told.insert("backups".to_owned(), json!(it.backups));
            told.insert("locks".to_owned(), json!(it.locks));
            told.insert("foreign".to_owned(), json!(it.foreign));
            Json::Object(told)
        });
        let routes = self.route_tallies().map(|(route, it)| {
            let mut told = tally_json(it);
            told.insert("route".to_owned(), json!(route));
            Json::Object(told)
        });
        let findings = self.closed.findings().into_iter();
        let findings: Map<_, _> = findings
            .map(|(finding, count)| (finding.word().to_owned(), json!(count)))
            .collect();
        json!({
            "mode": self.closed.mode().word(),
            "complete": self.missing.is_empty() && !self.closed.is_cut(),
            "sessions": self.closed.sessions(),
            "stores": self.missing.to_json(self.nodes),
            "nodes": nodes.collect::<Vec<_>>(),
            "routes": routes.collect::<Vec<_>>(),
            "findings": findings,
        })
    }

    fn text(&self) -> String {
        let mode = self.closed.mode().word();
        let mut text = format!("{} sessions, {mode}\n\n", self.closed.sessions());
        let nodes: Vec<_> = self
            .node_tallies()
            .map(|(number, node, it)| {
                let mark = if self.missing.has(number) {
                    " (incomplete)"
                } else {
                    ""
                };
                let mut line = vec![format!("{}{mark}", label(node))];
                line.extend(tally_cells(&it.sessions));
                let counts = [it.validities, it.backups, it.locks, it.foreign];
                line.extend(counts.map(|count| count.to_string()));
                line
            })
            .collect();
        let others = ["VALIDITIES", "BACKUPS", "LOCKS", "FOREIGN"];
        text.push_str(&table(&titles("NODE", &others), &nodes));
        text.push('\n');
        let routes: Vec<_> = self
            .route_tallies()
            .map(|(route, it)| {
                let mut line = vec![or_dash(Some(route))];
                line.extend(tally_cells(it));
                line
            })
            .collect();
        text.push_str(&table(&titles("ROUTE", &[]), &routes));
        text.push('\n');
        let findings = self.closed.findings().into_iter();
        let findings = findings.map(|(it, count)| format!("{:<12} {count}\n", it.word()));
        text.extend(findings);
        text
    }
}

fn titles<'t>(first: &'t str, more: &[&'t str]) -> Vec<(&'t str, Align)> {
    let numbers = [
        "SESSIONS",
        "BYTES",
        "LARGEST",
        "FIRST END",
        "LAST END",
        "LONGEST IDLE",
    ];
    let numbers = numbers
        .iter()
        .chain(more)
        .map(|title| (*title, Align::Right));
    std::iter::once((first, Align::Left))
        .chain(numbers)
        .collect()
}

fn tally_cells(tally: &Tally) -> [String; 6] {
    let last = match tally.endless {
        0 => or_dash(tally.last_end.map(seconds)),
        _ => "never".to_owned(),
    };
    [
        tally.sessions.to_string(),
        bytes(tally.bytes),
        bytes(tally.largest),
        or_dash(tally.first_end.map(seconds)),
        last,
        or_dash(tally.longest_idle.map(seconds)),
    ]
}

fn tally_json(tally: &Tally) -> Map<String, Json> {
    let told = json!({
        "sessions": tally.sessions,
        "bytes": tally.bytes,
        "largest_bytes": tally.largest,
        "first_end_seconds": tally.first_end,
        "last_end_seconds": tally.last_end,
        "endless": tally.endless,
        "longest_idle_seconds": tally.longest_idle,
    });
    match told {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
