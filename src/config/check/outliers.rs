//! When a backend's answers speak against it.

use http::StatusCode;

use crate::config::Outliers;

use super::section::Section;

pub(super) fn outliers(section: &Section<'_>) -> Outliers {
    let mut statuses: Vec<StatusCode> = Vec::new();
    for item in section.get("statuses").items() {
        let Some(text) = item.text() else { continue };
        let status = text
            .parse()
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .filter(|status| (400..600).contains(&status.as_u16()));
        match status {
            Some(status) if statuses.contains(&status) => {}
            Some(status) => statuses.push(status),
            None => item.wrong(None),
        }
    }
    let (time, longest) = (section.get("time"), section.get("longest"));
    if longest.duration() < time.duration() {
        longest.unlike("no less than `time` beside it", None);
    }
    Outliers {
        consecutive: section.get("consecutive").small(),
        statuses,
        bad_percent: section.get("bad_percent").small(),
        slow_factor: section.get("slow_factor").small(),
        slow_time: section.get("slow_time").duration(),
        window: section.get("window").duration(),
        requests: section.get("requests").small(),
        time: time.duration(),
        longest: longest.duration(),
    }
}
