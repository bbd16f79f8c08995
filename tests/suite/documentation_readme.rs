//! Pages are short and their links lead somewhere; both READMEs say the same.

use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../../README.md");
const README_ZH: &str = include_str!("../../README.zh-CN.md");

/// One page, one question. The reference of the configuration answers as many as it has keys.
const MOST_LINES: usize = 300;
const REFERENCE: &str = "docs/configuration.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, by their path below the root.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for directory in ["", "docs", "docs/decisions"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The lines that are prose, and the lines of blocks.
fn split(text: &str) -> (Vec<&str>, Vec<&str>) {
    let mut in_block = false;
    let (mut prose, mut blocks) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
            blocks.push(line);
        } else if in_block {
            blocks.push(line);
        } else {
            prose.push(line);
        }
    }
    (prose, blocks)
}

/// What stands in `](...)`.
fn links(text: &str) -> Vec<&str> {
    let (prose, _) = split(text);
    prose
        .iter()
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

fn headings(text: &str) -> Vec<&str> {
    let (prose, _) = split(text);
    prose
        .into_iter()
        .filter(|line| line.starts_with('#'))
        .collect()
}

/// A heading as the fragment of a link.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = text(&page);
        for link in links(&text).into_iter().filter(|link| !link.contains(':')) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                root().join(&page)
            } else {
                root().join(&page).parent().unwrap().join(file)
            };
            let leads_there = target.exists()
                && (fragment.is_empty()
                    || headings(&fs::read_to_string(&target).unwrap())
                        .into_iter()
                        .any(|heading| anchor(heading) == fragment));
            if !leads_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_is_short() {
    for page in pages() {
        let lines = text(&page).lines().count();
        assert!(
            lines <= MOST_LINES || page == Path::new(REFERENCE),
            "{} has {lines} lines",
            page.display()
        );
    }
}

#[test]
fn every_page_of_the_docs_is_in_their_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    let listed: Vec<_> = links(&index);
    for page in pages() {
        let Ok(name) = page.strip_prefix("docs") else {
            continue;
        };
        let name = name.to_str().unwrap();
        assert!(
            name == "README.md" || listed.contains(&name),
            "docs/README.md does not name {name}"
        );
    }
}

#[test]
fn both_readmes_have_the_same_parts_samples_and_links() {
    let levels = |text| -> Vec<usize> {
        let depth = |line: &str| line.chars().take_while(|letter| *letter == '#').count();
        headings(text).into_iter().map(depth).collect()
    };
    assert_eq!(levels(README), levels(README_ZH));
    assert_eq!(split(README).1, split(README_ZH).1);
    let pages_of = |text| -> Vec<String> {
        let mut links: Vec<_> = links(text)
            .into_iter()
            .filter(|link| !link.starts_with("README"))
            .map(str::to_owned)
            .collect();
        links.sort();
        links
    };
    assert_eq!(pages_of(README), pages_of(README_ZH));
}
