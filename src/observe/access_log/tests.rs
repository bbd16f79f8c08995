use std::borrow::Cow;
use std::fs;
use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::{Method, StatusCode, Version};
use tokio::time::Instant;

use super::record::TlsRecord;
use super::*;
use crate::observe::settings::LogPath;

fn record(uri: &str) -> Record<'_> {
    Record {
        end: SystemTime::UNIX_EPOCH,
        client_ip: None,
        peer: None,
        listener: "public",
        method: &Method::GET,
        host: None,
        uri: Cow::Borrowed(uri),
        protocol: Version::HTTP_11,
        status: StatusCode::OK,
        bytes_in: 0,
        bytes_out: 0,
        duration: Duration::ZERO,
        queue_duration: None,
        backend_duration: None,
        cluster: None,
        backend: None,
        attempts: 0,
        error: None,
        session: None,
        route_in: None,
        route_out: None,
        referer: None,
        user_agent: None,
        told: None,
        request_id: None,
        tls: TlsRecord::default(),
    }
}

fn start(path: impl Into<PathBuf>) -> AccessLogHandle {
    let settings = AccessLog {
        path: LogPath::File(path.into()),
        format: LogFormat::parse("$uri").unwrap(),
    };
    settings.start(Arc::default()).unwrap()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        thread::yield_now();
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A log into a pipe that nobody reads yet.
fn start_into_pipe() -> (AccessLogHandle, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let log = start(format!("/proc/self/fd/{}", writer.as_raw_fd()));
    (log, reader)
}

#[test]
fn closing_writes_every_line_of_every_worker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = start(&path);
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let lines = log.worker();
            thread::spawn(move || {
                for number in 0..2000 {
                    lines.write(&record(&format!("/{worker}/{number}/{}", "x".repeat(50))));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    log.close();
    let text = text(&path);
    assert_eq!((text.lines().count(), log.dropped()), (6000, 0));
    for worker in 0..3 {
        let prefix = format!("/{worker}/");
        let numbers: Vec<usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix)?.split('/').next()?.parse().ok())
            .collect();
        assert!(
            numbers.iter().copied().eq(0..2000),
            "lines of a worker stay in order"
        );
    }
}

#[test]
fn a_new_file_is_not_readable_by_everybody_and_an_old_one_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for uri in ["/first", "/second"] {
        let log = start(&path);
        log.worker().write(&record(uri));
        log.close();
    }
    assert_eq!(text(&path), "/first\n/second\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let old = folder.path().join("access.log.1");
    let log = start(&path);
    let lines = log.worker();
    lines.write(&record("/before"));
    lines.flush();
    until("the first line", || text(&path) == "/before\n");
    fs::rename(&path, &old).unwrap();
    log.reopen();
    lines.write(&record("/after"));
    drop(lines);
    log.close();
    assert_eq!(
        (text(&old), text(&path)),
        ("/before\n".into(), "/after\n".into())
    );
}

#[test]
fn a_path_that_cannot_be_opened_again_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = start(logs.join("access.log"));
    let moved = folder.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    log.reopen();
    log.worker().write(&record("/still"));
    log.close();
    assert_eq!(text(&moved.join("access.log")), "/still\n");
    assert!(log.shared.counters.write_errors.value() >= 1);
}

#[test]
fn a_path_that_cannot_be_opened_is_an_error_at_start() {
    let settings = AccessLog {
        path: LogPath::File("/proc/nowhere/access.log".into()),
        format: LogFormat::Combined,
    };
    assert!(settings.start(Arc::default()).is_err());
}

#[test]
fn lines_wait_while_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = folder.path().join("room");
    symlink("/dev/full", &path).unwrap();
    let log = start(&path);
    let lines = log.worker();
    lines.write(&record("/kept"));
    drop(lines);
    until("a write error", || {
        log.shared.counters.write_errors.value() > 0
    });
    fs::remove_file(&path).unwrap();
    symlink(&file, &path).unwrap();
    log.reopen();
    log.close();
    assert_eq!((text(&file), log.dropped()), ("/kept\n".into(), 0));
}

#[test]
fn what_a_stuck_reader_does_not_take_is_dropped_and_counted() {
    let (log, mut reader) = start_into_pipe();
    let lines = log.worker();
    let uri = format!("/{}", "x".repeat(2000));
    let mut written = 0;
    while log.dropped() == 0 {
        lines.write(&record(&uri));
        written += 1;
    }
    let all = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    drop(lines);
    log.close();
    let text = all.join().unwrap().unwrap();
    assert!(
        text.lines().all(|line| line == uri),
        "only whole lines are dropped"
    );
    assert_eq!(text.lines().count() as u64 + log.dropped(), written);
}

#[test]
fn a_quiet_log_keeps_its_lines_while_the_writer_is_stuck() {
    let (log, mut reader) = start_into_pipe();
    let busy = log.worker();
    let uri = format!("/{}", "x".repeat(2000));
    while log.dropped() == 0 {
        busy.write(&record(&uri));
    }
    let dropped = log.dropped();
    let quiet = log.worker();
    quiet.write(&record("/quiet"));
    quiet.flush();
    quiet.flush();
    assert_eq!(log.dropped(), dropped);
    let all = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    until("room in the queue", || {
        quiet.flush();
        quiet.is_empty()
    });
    drop((busy, quiet));
    log.close();
    assert!(all.join().unwrap().unwrap().contains("/quiet\n"));
}

#[test]
fn a_stuck_reader_does_not_hold_up_the_end() {
    let (log, _reader) = start_into_pipe();
    let lines = log.worker();
    let uri = format!("/{}", "x".repeat(2000));
    while log.dropped() == 0 {
        lines.write(&record(&uri));
    }
    drop(lines);
    log.close_within(Duration::from_millis(20));
}

#[test]
fn a_log_that_nobody_holds_ends_with_everything_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = start(&path);
    let shared = Arc::clone(&log.shared);
    let lines = log.worker();
    drop(log);
    lines.write(&record("/last"));
    drop(lines);
    until("the end", || *shared.ended.lock().unwrap());
    assert_eq!(text(&path), "/last\n");
}

#[test]
fn what_is_logged_after_the_end_is_counted_as_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let log = start(folder.path().join("access.log"));
    let lines = log.worker();
    log.close();
    lines.write(&record("/late"));
    drop(lines);
    assert_eq!(log.dropped(), 1);
}
