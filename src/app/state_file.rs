//! Orders of administrators, kept over a restart: one small JSON file, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cluster::machine::Wish;
use crate::cluster::{Names, Order};

/// No such file is longer.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    orders: Vec<KeptOrder>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptOrder {
    cluster: String,
    backend: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
}

/// The orders in the file; none if there is no file yet.
pub(super) fn read(path: &Path) -> io::Result<Vec<(Names, Order)>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if length > MOST_BYTES {
        return Err(io::Error::other("it is too long for a state file"));
    }
    let kept: Kept = serde_json::from_slice(&fs::read(path)?)?;
    if kept.version != 1 {
        let text = format!("it has version {}; 1 is understood", kept.version);
        return Err(io::Error::other(text));
    }
    kept.orders.into_iter().map(KeptOrder::order).collect()
}

impl KeptOrder {
    fn order(self) -> io::Result<(Names, Order)> {
        let wish = self.state.as_deref().map(|state| {
            Wish::parse(state)
                .ok_or_else(|| io::Error::other(format!("it has an unknown state: {state:?}")))
        });
        let order = Order {
            wish: wish.transpose()?,
            weight: self.weight.filter(|weight| (1..=65_535).contains(weight)),
        };
        Ok(((self.cluster, self.backend), order))
    }
}

/// Puts the orders in the place of those in the file: another reader, or a crash, finds either.
pub(super) fn write(path: &Path, orders: Vec<(Names, Order)>) -> io::Result<()> {
    let orders = orders
        .into_iter()
        .map(|((cluster, backend), order)| KeptOrder {
            cluster,
            backend,
            state: order.wish.map(|wish| wish.as_str().to_owned()),
            weight: order.weight,
        });
    let kept = Kept {
        version: 1,
        orders: orders.collect(),
    };
    let mut text = serde_json::to_vec_pretty(&kept)?;
    text.push(b'\n');
    let beside = beside(path);
    let mut file = File::create(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Puts a file that cannot be read out of the way, for whoever looks into it; where it is then.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unreadable");
    let aside = path.with_file_name(name);
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(backend: &str) -> Names {
        ("shop".to_owned(), backend.to_owned())
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(read(&path).unwrap(), []);
        let orders = vec![
            (
                names("jvm1"),
                Order {
                    wish: Some(Wish::Draining),
                    weight: None,
                },
            ),
            (
                names("jvm2"),
                Order {
                    wish: None,
                    weight: Some(7),
                },
            ),
        ];
        write(&path, orders.clone()).unwrap();
        assert_eq!(read(&path).unwrap(), orders);
        write(&path, Vec::new()).unwrap();
        assert_eq!(read(&path).unwrap(), []);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for text in [
            "",
            "{}",
            "[]",
            r#"{"version":2,"orders":[]}"#,
            r#"{"version":1,"orders":[{"cluster":"a","backend":"b","state":"gone"}]}"#,
            r#"{"version":1,"orders":[{"cluster":"a","backend":"b","colour":"red"}]}"#,
        ] {
            fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
        }
    }
}
