//! What is written about the configuration is true: the reference has every key, every sample
//! loads. `CATTAIL_BLESS=1` writes the tables of the reference anew.

use std::fs;
use std::path::{Path, PathBuf};

use cattail::config::{self, Config};
use serde_json::{Value, json};

use super::harness::Authority;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(directory)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn load(name: &Path, text: &str) -> Config {
    let loaded = config::load_text(&name.display().to_string(), text, &|_| None);
    loaded.unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_example_passes_the_check_without_a_warning() {
    let examples = files("examples", "yaml");
    assert!(examples.len() >= 12, "{examples:?}");
    let certificates = certificates();
    for example in examples {
        let config = load(&example, &text_of(&example, &certificates));
        assert_eq!(config.warnings(), &[], "{}", example.display());
    }
}

/// Another reader of YAML sees the same in every sample.
#[test]
fn every_example_reads_the_same_with_another_reader() {
    let certificates = certificates();
    for example in files("examples", "yaml") {
        let text = text_of(&example, &certificates);
        let mut value: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        value.apply_merge().unwrap();
        let again = yaml_serde::to_string(&value).unwrap();
        assert_eq!(load(&example, &again), load(&example, &text), "{again}");
        let shown = load(&example, &text).show();
        let value: yaml_serde::Value = yaml_serde::from_str(&shown).unwrap();
        let again = yaml_serde::to_string(&value).unwrap();
        assert_eq!(load(&example, &again), load(&example, &text), "{again}");
    }
}

#[test]
fn published_set_ups_alternate_and_recommended_ones_stick() {
    let certificates = certificates();
    for example in files("examples", "yaml") {
        let name = example.file_name().unwrap().to_str().unwrap().to_owned();
        let config = load(&example, &text_of(&example, &certificates));
        let affinity = config.clusters[0].affinity;
        let routes = config.clusters[0]
            .backends
            .iter()
            .filter(|b| b.jvm_route.is_some())
            .count();
        if name.contains("round-robin") || name.contains("weighted") || name.contains("apache") {
            assert_eq!((affinity, routes), (config::Affinity::None, 0), "{name}");
        } else if name.contains("recommended") {
            assert_ne!(affinity, config::Affinity::None, "{name}");
            assert_eq!(routes, 2, "{name}");
        }
    }
}

#[test]
fn every_block_of_yaml_in_the_docs_loads() {
    let mut documents = files("docs", "md");
    documents.extend(files("", "md"));
    let mut blocks = 0;
    let certificates = certificates();
    for document in documents {
        let text = text_of(&document, &certificates);
        for block in text.split("```yaml").skip(1) {
            let (mark, rest) = block.split_once('\n').unwrap();
            let yaml = rest.split("```").next().unwrap();
            match mark.trim() {
                "" => drop(load(&document, yaml)),
                "fragment" => drop(load(&document, &completed(yaml))),
                other => panic!("{}: a block marked {other:?}", document.display()),
            }
            blocks += 1;
        }
    }
    assert!(blocks >= 6, "only {blocks} blocks");
}

/// A file that finds its certificates.
fn text_of(file: &Path, certificates: &Authority) -> String {
    let folder = certificates.path("").display().to_string();
    let text = fs::read_to_string(file).unwrap();
    text.replace("/etc/cattail/tls/", &folder)
}

/// The files that samples have in /etc/cattail/tls.
fn certificates() -> Authority {
    let ca = Authority::new("ca");
    let issued = ca.issue(&["shop.example.com"]);
    let kind = &rcgen::PKCS_RSA_SHA256;
    let rsa = ca.issue_to("rsa", (&["shop.example.com"], kind), |_| {});
    for (name, of) in [
        ("fullchain.pem", &issued.cert),
        ("privkey.pem", &issued.key),
        ("shop.pem", &issued.cert),
        ("shop.key", &issued.key),
        ("shop-rsa.pem", &rsa.cert),
        ("shop-rsa.key", &rsa.key),
        ("staff-ca.pem", &ca.file()),
        ("customers-ca.pem", &ca.file()),
        ("tomcat-ca.pem", &ca.file()),
        ("cattail.pem", &issued.cert),
        ("cattail.key", &issued.key),
        ("staff.crl", &ca.revoke(&issued)),
    ] {
        fs::copy(of, ca.path(name)).unwrap();
    }
    ca
}

/// A fragment with the sections that it needs to be a file.
fn completed(fragment: &str) -> String {
    let mut text = fragment.to_owned();
    let has = |key: &str| fragment.lines().any(|line| line.starts_with(key));
    if !has("listeners:") {
        text += "\nlisteners: [{ address: 0.0.0.0:80 }]\n";
    }
    if !has("clusters:") {
        text += "\nclusters:\n";
        for name in ["shop", "api"] {
            if name == "shop" || fragment.contains(&format!("cluster: {name}")) {
                text += &["  ", name, ": { backends: [10.0.0.1:8080] }\n"].concat();
            }
        }
    }
    text
}

/// The keys that may stand at `path` in the schema, such as `clusters.*.backends[]`.
fn keys_at(schema: &Value, path: &str) -> Value {
    let mut at = schema.clone();
    let path = path.replace("[]", ".[]");
    for step in path.split('.').filter(|step| !step.is_empty()) {
        at = match step {
            "[]" => find(&at, "items"),
            "*" => find(&at, "additionalProperties"),
            key => find(&at, "properties")[key].clone(),
        };
    }
    section(&at)
}

/// The alternative of a schema that has keys.
fn section(schema: &Value) -> Value {
    if schema["properties"].is_object() {
        return schema.clone();
    }
    let alternatives = schema["anyOf"].as_array().cloned().unwrap_or_default();
    let mut sections = alternatives.iter().map(section);
    sections.find(Value::is_object).unwrap_or_default()
}

/// A member of a schema, or of the alternative that has it.
fn find(schema: &Value, member: &str) -> Value {
    if schema[member].is_object() {
        return schema[member].clone();
    }
    let alternatives = schema["anyOf"].as_array().cloned().unwrap_or_default();
    let found = alternatives.iter().map(|one| find(one, member));
    found
        .into_iter()
        .find(|found| !found.is_null())
        .unwrap_or_default()
}

fn table(keys: &Value) -> String {
    let mut table = "\n| key | value | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, key) in keys["properties"].as_object().unwrap() {
        let needed = keys["required"].as_array().unwrap();
        let absent = if needed.contains(&json!(name)) {
            "required"
        } else {
            "none"
        };
        let words = |member: &str| key[member].as_str().unwrap().replace('|', "\\|");
        let value = words("$comment");
        let default = match &key["default"] {
            Value::Null => absent.to_owned(),
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::String(text) => format!("`{text}`"),
            Value::Object(_) => "as below".to_owned(),
            other => format!("`{}`", other.to_string().replace('"', "")),
        };
        table += &["| `", name, "` | ", &value, " | ", &default, " | "].concat();
        table += &[&words("description"), " |\n"].concat();
    }
    table + "\n"
}

#[test]
fn the_reference_has_every_key_as_it_is() {
    let file = root().join("docs/configuration.md");
    let written = fs::read_to_string(&file).unwrap();
    let schema = config::schema();
    let mut anew = String::new();
    let mut paths = Vec::new();
    let mut parts = written.split("<!-- keys: ");
    anew += parts.next().unwrap();
    for part in parts {
        // `<!-- keys: PATH -->`, or without a path for the file itself.
        let (path, rest) = part.split_once("-->").unwrap();
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        let keys = keys_at(&schema, path.trim());
        assert!(keys.is_object(), "nothing may stand at {path}");
        anew += &[
            "<!-- keys: ",
            path,
            "-->\n",
            &table(&keys),
            "<!-- end -->",
            after,
        ]
        .concat();
        paths.push(path.trim().to_owned());
    }
    if std::env::var_os("CATTAIL_BLESS").is_some() {
        fs::write(&file, &anew).unwrap();
    }
    assert!(
        anew == fs::read_to_string(&file).unwrap(),
        "docs/configuration.md is not up to date"
    );
    let mut sections = Vec::new();
    sections_below(&schema, String::new(), &mut sections);
    for section in sections {
        // Header changes are the same everywhere, and shown once.
        let is_shown_elsewhere = section.starts_with("clusters.") && section.ends_with("_headers");
        let is_twin = section == "rules[].response_headers" || is_shown_elsewhere;
        assert!(
            is_twin || paths.contains(&section),
            "the reference has no table for {section:?}"
        );
    }
}

fn sections_below(schema: &Value, path: String, sections: &mut Vec<String>) {
    if let Some(keys) = find(schema, "properties").as_object() {
        for (name, key) in keys {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            sections_below(key, below, sections);
        }
        sections.push(path);
    } else if find(schema, "items").is_object() {
        sections_below(&find(schema, "items"), format!("{path}[]"), sections);
    } else if find(schema, "additionalProperties").is_object() {
        sections_below(
            &find(schema, "additionalProperties"),
            format!("{path}.*"),
            sections,
        );
    }
}

/// The states and causes of `docs/health.md` are those of the state machine.
#[test]
fn every_state_and_every_cause_is_on_the_page_of_health() {
    use cattail::cluster::machine::{Cause, Fault, State};
    const PAGE: &str = include_str!("../../docs/health.md");
    let table = |title: &str| -> Vec<String> {
        let (_, rest) = PAGE.split_once(title).expect(title);
        let lines = rest.lines().skip_while(|line| !line.starts_with("| `"));
        let rows = lines.take_while(|line| line.starts_with("| `"));
        rows.map(|row| row.split('`').nth(1).unwrap().to_owned())
            .collect()
    };
    let states = [
        State::Up,
        State::Warming,
        State::Draining,
        State::Evacuating,
        State::Down,
        State::Disabled,
    ];
    assert_eq!(table("## States"), states.map(State::as_str));
    for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let Some(state) = states
            .iter()
            .find(|it| row.starts_with(&format!("| `{it}` ")))
        else {
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let yes = |cell: &str| !cell.starts_with("no");
        assert_eq!(yes(cells[2]), state.takes_new(), "{row}");
        assert_eq!(yes(cells[3]), state.serves_its_own(), "{row}");
    }
    let mut causes: Vec<_> = Cause::ALL.map(Cause::as_str).to_vec();
    causes.push(Cause::Fault(Fault::Unproven).as_str());
    let mut listed = table("## Why a state changes");
    listed.sort();
    causes.sort_unstable();
    assert_eq!(listed, causes);
}
