//! From the file as typed to what it means: one function per section, none of which stops at the
//! first problem.

mod addresses;
mod at;
mod backends;
mod balance;
mod capacity;
mod certificates;
mod cluster_tls;
mod clusters;
mod context;
mod events;
mod fail_back;
mod files;
mod handshakes;
mod headers;
mod health;
mod listeners;
mod logs;
mod network_lists;
mod outliers;
mod owner;
mod pattern;
mod rules;
mod scalars;
mod schemes;
mod section;
mod sessions;
mod spoken;
mod stores;
mod templates;
mod tls;
mod top;
mod upgrades;
mod words;

pub(super) use files::read_limited;
pub(super) use templates::VARIABLES;

use std::path::Path;

use at::At;
use context::Context;

use super::env;
use super::keys::{Kind, TOP};
use super::load::{self, Duplicates};
use super::raw::Node;
use super::{Config, Problem, Report};

/// A text to check, and what surrounds it.
pub(super) struct Source<'a> {
    /// The file as the user named it.
    pub(super) file: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// What relative paths are relative to.
    pub(super) directory: &'a Path,
}

/// Checks a text.
pub(super) fn check(
    source: &Source<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let context = Context::new(source.file, source.text, source.directory);
    let tree = match load::read(source.text, Duplicates::Refused) {
        Ok(tree) => Some(tree),
        Err(refused) => {
            // A key that stands twice hides nothing else; a broken structure does.
            let again = refused.duplicate.as_ref();
            let rest = again.and_then(|_| load::read(source.text, Duplicates::FirstCounts).ok());
            words::complain_refused(&context, &refused, rest.as_ref());
            rest
        }
    };
    let config = tree.map(|mut tree| {
        env::fill(&mut tree, "", env, &mut |node, path, unfilled| {
            words::complain_unfilled(&context, node, path, unfilled);
        });
        env::put_admin_address(&mut tree, env);
        read(&context, tree)
    });
    finish(context, config)
}

/// Checks a tree that was not typed as a file.
pub(super) fn check_tree(
    file: &str,
    mut tree: Node,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Report> {
    let context = Context::new(file, "", Path::new(""));
    env::put_admin_address(&mut tree, env);
    let config = read(&context, tree);
    finish(context, Some(config))
}

fn read(context: &Context<'_>, tree: Node) -> Config {
    const FILE: Kind = Kind::Section(TOP);
    let at = At {
        context,
        key_place: tree.place,
        node: tree,
        path: String::new(),
        kind: &FILE,
    };
    top::config(&at)
}

fn finish(context: Context<'_>, config: Option<Config>) -> Result<Config, Report> {
    let problems = sorted(context.file, context.problems.into_inner());
    let warnings = sorted(context.file, context.warnings.into_inner());
    match config {
        Some(mut config) if problems.is_empty() => {
            config.checked.warnings.0 = warnings;
            Ok(config)
        }
        _ => Err(Report { problems, warnings }),
    }
}

/// In the order of the file, and then of those that it names; complaints about one place keep the
/// order they were made in.
fn sorted(file: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_cached_key(|problem| {
        let other = (problem.file != file).then(|| problem.file.clone());
        (other, problem.line, problem.column)
    });
    problems.dedup();
    problems
}
