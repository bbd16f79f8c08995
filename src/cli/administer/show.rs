//! How everything stands, for people.

use std::fmt::Write;

use crate::admin::api::model::{BackendStatus, ClusterStatus, Status};

/// All clusters as tables.
pub(super) fn status(status: &Status) -> String {
    let clusters: Vec<String> = status.clusters.iter().map(cluster).collect();
    clusters.join("\n")
}

fn cluster(cluster: &ClusterStatus) -> String {
    let mut text = String::new();
    let mut more = Vec::new();
    if cluster.tunnels > 0 {
        more.push(format!("{} tunnels", cluster.tunnels));
    }
    if cluster.held > 0 {
        more.push(format!("{} held", cluster.held));
    }
    if !cluster.sessions_can_move {
        more.push("sessions cannot be moved".to_owned());
    }
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" ({})", more.join(", "))
    };
    put(&mut text, &format!("{}{more}", cluster.name));
    let heads = ["BACKEND", "STATE", "WEIGHT", "SESSIONS", "REQUESTS", "WHY"].map(str::to_owned);
    let mut rows = vec![heads];
    rows.extend(cluster.backends.iter().map(row));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        put(&mut text, format!("  {}", line.join("  ")).trim_end());
    }
    for backend in &cluster.backends {
        details(&mut text, backend);
    }
    text
}

fn row(backend: &BackendStatus) -> [String; 6] {
    let state = match &backend.ordered_state {
        Some(_) => format!("{} (file: {})", backend.state, backend.file_state),
        None => backend.state.clone(),
    };
    let weight = if backend.weight == backend.file_weight {
        backend.weight.to_string()
    } else {
        format!("{} (file: {})", backend.weight, backend.file_weight)
    };
    let requests = match backend.max_requests {
        0 => backend.requests_in_flight.to_string(),
        most => format!("{}/{most}", backend.requests_in_flight),
    };
    let why = match (&backend.cause, &backend.since) {
        (Some(cause), Some(since)) if backend.waits => {
            format!("{cause} since {since}, waits to be enabled")
        }
        (Some(cause), Some(since)) => format!("{cause} since {since}"),
        _ => String::new(),
    };
    let name = if backend.backup {
        format!("{} (backup)", backend.name)
    } else {
        backend.name.clone()
    };
    let sessions = backend.sessions.all().to_string();
    [name, state, weight, sessions, requests, why]
}

fn details(text: &mut String, backend: &BackendStatus) {
    if let Some(evacuation) = &backend.evacuation {
        put(
            text,
            &format!(
                "  {}: evacuation {}: {} of {} sessions moved, {} lost, {} silent, {} without a copy, {} % marked",
                backend.name,
                evacuation.stage,
                evacuation.moved,
                evacuation.sessions_at_start,
                evacuation.lost,
                backend.sessions.all(),
                evacuation.without_copy,
                evacuation.marked_percent
            ),
        );
    } else if let Some(seconds) = backend.empty_in_s {
        put(
            text,
            &format!("  {}: empty in about {}", backend.name, duration(seconds)),
        );
    }
    for open in backend
        .open
        .iter()
        .filter(|it| it.age_s >= 30.0 || it.kind == "tunnel")
    {
        let client = open.client.as_deref().unwrap_or("a Unix socket");
        put(
            text,
            &format!(
                "  {}: a {} of {client}, {:.0} s old",
                backend.name, open.kind, open.age_s
            ),
        );
    }
}

/// Where a backend is on its way to be empty, in a line.
pub(super) fn progress(backend: &BackendStatus) -> String {
    let (sessions, requests) = (backend.sessions.all(), backend.requests_in_flight);
    let tunnels = backend.open.iter().filter(|it| it.kind == "tunnel").count();
    let mut text = format!(
        "{}: {sessions} sessions, {requests} requests in flight",
        backend.state
    );
    if tunnels > 0 {
        put_more(&mut text, &format!(" ({tunnels} tunnels)"));
    }
    if let Some(evacuation) = &backend.evacuation {
        let (moved, lost, without) = (evacuation.moved, evacuation.lost, evacuation.without_copy);
        put_more(
            &mut text,
            &format!(
                ", {} {} %, {moved} moved, {lost} lost",
                evacuation.stage, evacuation.marked_percent
            ),
        );
        if without > 0 {
            put_more(&mut text, &format!(", {without} without a copy"));
        }
    } else if let Some(seconds) = backend.empty_in_s {
        put_more(&mut text, &format!(", about {} to go", duration(seconds)));
    }
    if let Some(seconds) = backend
        .unsure_for_s
        .filter(|_| backend.evacuation.is_none())
    {
        let left = duration(seconds);
        put_more(
            &mut text,
            &format!(", sessions from before cattail's start may show up for {left}"),
        );
    }
    text
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn put(text: &mut String, line: &str) {
    put_more(text, line);
    text.push('\n');
}

fn put_more(text: &mut String, more: &str) {
    let written = text.write_str(more);
    debug_assert!(written.is_ok(), "a String takes everything");
}
