//! Every message of the configuration's checks, as golden pairs, and the laws that hold for all
//! of them. `CATTAIL_BLESS=1` rewrites the expected files.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use cattail::config::{self, Config, Problem, Report};

fn environment(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("tomcat1".to_owned()),
        "PORT" => Some("99999".to_owned()),
        "WEIGHT" => Some("many".to_owned()),
        _ => None,
    }
}

fn golden_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let files = fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    files
}

fn load(file: &Path) -> (String, Result<Config, Report>) {
    let text = fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let result = config::load_text(name, &text, &environment);
    (text, result)
}

fn told(result: &Result<Config, Report>) -> String {
    let list = |problems: &[Problem], mark: &str| {
        let lines = problems.iter().map(|problem| format!("{mark}{problem}\n"));
        lines.collect::<String>()
    };
    match result {
        Ok(config) => format!("{}ok\n", list(config.warnings(), "warning: ")),
        Err(report) => list(&report.warnings, "warning: ") + &list(&report.problems, ""),
    }
}

#[test]
fn each_message_is_as_expected() {
    let mut differences = String::new();
    let files = golden_files();
    assert!(files.len() >= 40, "only {} golden files", files.len());
    for file in files {
        let (text, result) = load(&file);
        let told = told(&result);
        let expected_file = file.with_extension("expected");
        if std::env::var_os("CATTAIL_BLESS").is_some() {
            fs::write(&expected_file, &told).unwrap();
        }
        let expected = fs::read_to_string(&expected_file).unwrap_or_default();
        if told != expected {
            let name = file.display();
            writeln!(
                differences,
                "=== {name}\n{text}--- expected\n{expected}--- told\n{told}"
            )
            .unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// The text that a message says it found, if it quotes one as typed.
fn quoted(problem: &Problem) -> Option<String> {
    let found = problem
        .found
        .strip_prefix("the key ")
        .unwrap_or(&problem.found);
    let found = match found.split_once(" (from ") {
        Some((_, typed)) => return Some(typed.trim_end_matches(')').to_owned()),
        None => found,
    };
    if found.starts_with("the keys") {
        return None;
    }
    let end = found.get(1..)?.find('"')? + 1;
    let text = found.get(..=end)?.trim_matches('"');
    let is_masked = text.contains("*@") || text.contains("**");
    let is_plain = !text.contains(['\\', '…']) && !is_masked;
    is_plain.then(|| text.to_owned())
}

fn stands_at(source: &str, problem: &Problem, text: &str) -> bool {
    let line = source.lines().nth(problem.line - 1).unwrap_or_default();
    let shown = problem.source.as_deref().unwrap();
    // Passwords are not shown, nor the paths of webhooks.
    let is_masked = ["*@", "://*", ": *", "/**"]
        .iter()
        .any(|stars| shown.contains(stars));
    assert!(shown == line || is_masked, "{shown}");
    let rest: String = line.chars().skip(problem.column - 1).collect();
    // A plain text may go on in the next line.
    let first = text.split(' ').next().unwrap_or_default();
    rest.trim_start_matches(['"', '\'', '{', ' '])
        .starts_with(first)
}

#[test]
fn each_place_points_at_what_it_speaks_of() {
    let mut compared = 0;
    for file in golden_files() {
        let (text, result) = load(&file);
        let Err(report) = result else { continue };
        assert!(!report.problems.is_empty());
        let name = file.file_name().unwrap().to_str().unwrap();
        let of_another = |p: &Problem| (p.file != name).then(|| p.file.clone());
        let place = |p: &Problem| (of_another(p), p.line, p.column);
        let places: Vec<_> = report.problems.iter().map(place).collect();
        assert!(places.is_sorted(), "{places:?}");
        for problem in report.problems.iter().filter(|problem| problem.line > 0) {
            // A complaint about something missing stands where it should be.
            let Some(found) = quoted(problem).filter(|_| problem.found != "nothing") else {
                continue;
            };
            let text = match of_another(problem) {
                Some(file) => fs::read_to_string(file).unwrap(),
                None => text.clone(),
            };
            assert!(
                stands_at(&text, problem, &found),
                "{}\n{problem}",
                file.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} places were compared");
}

#[test]
fn no_message_holds_a_password() {
    let files = [
        "stores_addresses.yaml",
        "webhook_https.yaml",
        "webhook_keys.yaml",
        "webhook_level.yaml",
        "webhook_line.yaml",
        "webhook_text.yaml",
        "webhook_scheme.yaml",
        "webhook_user.yaml",
        "webhook_variable.yaml",
    ]
    .map(|name| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
        directory.join(name)
    });
    for file in files {
        let (text, result) = load(&file);
        assert!(text.contains("hush"));
        assert!(!told(&result).contains("hush"), "{}", told(&result));
        assert!(!format!("{result:?}").contains("hush"));
    }
}

#[test]
fn no_problem_hides_another() {
    let text = "listeners:\n  - address: \"80\"\nadmin: { adress: x }\nlimits: { body: 1 }\nworkers: x\nclusters:\n  a b:\n    balance: x\n    backends:\n      - { address: x, jvm_route: a.b, weight: 0, state: x, name: \"\" }\nrules:\n  - { host: \"~\", path: x, cluster: y, allow: [x] }\nlog: { level: x }\n";
    let report = config::load_text("x.yaml", text, &environment).unwrap_err();
    let paths: Vec<&str> = report.problems.iter().map(|p| p.path.as_str()).collect();
    let expected = [
        "listeners[0].address",
        "admin.adress",
        "limits.body",
        "workers",
        "clusters.a b",
        "clusters.a b.balance",
        "clusters.a b.backends[0].address",
        "clusters.a b.backends[0].jvm_route",
        "clusters.a b.backends[0].weight",
        "clusters.a b.backends[0].state",
        "clusters.a b.backends[0].name",
        "rules[0].host",
        "rules[0].path",
        "rules[0].cluster",
        "rules[0].allow[0]",
        "log.level",
    ];
    assert_eq!(paths, expected, "{report}");
}

#[test]
fn a_report_is_json_too() {
    let report =
        config::load_text("x.yaml", "clusters:\n  a: 1\nlisteners: 1\n", &environment).unwrap_err();
    let json = report.to_json();
    let first = &json["problems"][0];
    assert_eq!(first["line"], 2);
    assert_eq!(first["path"], "clusters.a");
    assert_eq!(first["file"], "x.yaml");
}

#[test]
fn the_command_line_is_checked_as_a_file_is() {
    let text = |items: &[&str]| {
        items
            .iter()
            .map(|&item| item.to_owned())
            .collect::<Vec<_>>()
    };
    let good = text(&[
        "jvm1=10.0.0.32:8080",
        "10.0.0.33:8080",
        "unix:/run/a=b.sock",
    ]);
    let config = config::from_arguments(&text(&["0.0.0.0:80"]), &good, &|_| None).unwrap();
    let backends = &config.clusters[0].backends;
    assert_eq!(backends[0].name.as_str(), "jvm1");
    assert_eq!(backends[0].jvm_route.as_ref().unwrap().as_str(), "jvm1");
    assert_eq!(backends[1].name.as_str(), "10.0.0.33:8080");
    assert_eq!(backends[1].jvm_route, None);
    assert_eq!(config.rules.len(), 1);
    let bad = text(&["jvm.1=10.0.0.32", "a=10.0.0.1:1", "a=10.0.0.1:1"]);
    let report = config::from_arguments(&[], &bad, &|_| None).unwrap_err();
    assert_eq!(report.problems.len(), 5, "{report}");
    assert!(report.to_string().starts_with("command line: "));
}
