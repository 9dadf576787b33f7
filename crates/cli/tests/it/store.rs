//! `larkspur store`.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::program::{Running, done, run};

const EXAM: &str = "hire.eco_exam.created_v1";

fn count(dir: &Path, file: &[&str], what: &str) -> u64 {
    let report = done(dir, &[&["store", "check", "--json"], file].concat()).json();
    assert_eq!(report[0]["sound"], true, "{report:?}");
    report[0]["counts"][what].as_u64().unwrap()
}

/// Does something within an hour: when one begins, the store app gets a ticket, and that is an event, too.
fn within_an_hour<T>(work: impl Fn() -> T) -> T {
    let hour = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3_600;
    loop {
        let (began, worked) = (hour(), work());
        if hour() == began {
            return worked;
        }
    }
}

/// A folder in which `dev` ran and took one event.
fn used() -> tempfile::TempDir {
    within_an_hour(|| {
        let dir = tempfile::tempdir().unwrap();
        let (dev, _) = Running::dev(dir.path());
        done(dir.path(), &["trigger", EXAM]);
        drop(dev);
        dir
    })
}

#[test]
fn a_database_in_use_is_said_to_be_in_use_and_checked_once_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (dev, _) = Running::dev(dir.path());
    let refused = run(dir.path(), &["store", "check"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
    for what in ["in use", "stop that first"] {
        assert!(refused.err.contains(what), "{}", refused.err);
    }
    drop(dev);
    assert_eq!(count(dir.path(), &[], "apps"), 3);
    let told = done(dir.path(), &["store", "check"]).out;
    assert!(told.contains("sound") && told.contains("pending deliveries"), "{told}");
}

#[test]
fn the_configuration_says_where_the_database_is() {
    let dir = used();
    std::fs::rename(dir.path().join(".larkspur"), dir.path().join("elsewhere")).unwrap();
    let missing = run(dir.path(), &["store", "check"]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains(".larkspur"), "{}", missing.err);
    std::fs::write(
        dir.path().join("larkspur.toml"),
        "listen = \"127.0.0.1:1\"\ndata = \"elsewhere\"",
    )
    .unwrap();
    assert_eq!(count(dir.path(), &[], "events"), 1);
    assert_eq!(count(dir.path(), &["elsewhere/larkspur.db"], "events"), 1);
}

#[test]
fn a_backup_of_a_stopped_platform_is_a_sound_database_and_overwrites_nothing() {
    let dir = used();
    done(dir.path(), &["store", "backup", "copy.db"]);
    assert_eq!(count(dir.path(), &["copy.db"], "events"), 1);
    let again = run(dir.path(), &["store", "backup", "copy.db"]);
    assert_eq!((again.code, again.out.as_str()), (2, ""), "{}", again.err);
    let nowhere = run(dir.path(), &["store", "backup", "other.db", "--from", "missing.db"]);
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.err.contains("missing.db") && nowhere.err.contains("--url"),
        "{}",
        nowhere.err
    );
    assert!(!dir.path().join("other.db").exists());
}

#[test]
fn a_running_platform_makes_the_backup_itself() {
    let (dir, _dev, ready, made) = within_an_hour(|| {
        let dir = tempfile::tempdir().unwrap();
        let (dev, ready) = Running::dev(dir.path());
        done(dir.path(), &["trigger", EXAM]);
        let made = done(dir.path(), &["store", "backup", "copy.db", "--json"]).json();
        (dir, dev, ready, made)
    });
    let copy = dir.path().join("copy.db").metadata().unwrap();
    assert_eq!(made[0]["bytes"], copy.len());
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&copy.permissions()) & 0o777,
        0o600
    );
    assert_eq!(count(dir.path(), &["copy.db"], "events"), 1);
    // From elsewhere, by its address and with a token.
    let other = tempfile::tempdir().unwrap();
    let url = ready["url"].as_str().unwrap();
    let refused = run(other.path(), &["store", "backup", "copy.db", "--url", url]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert_eq!(
        std::fs::read_dir(other.path()).unwrap().count(),
        0,
        "nothing half-made is left"
    );
    let token = ready["admin_token"].as_str().unwrap();
    done(
        other.path(),
        &["store", "backup", "copy.db", "--url", url, "--token", token],
    );
    assert_eq!(count(other.path(), &["copy.db"], "apps"), 3);
}

#[test]
fn a_database_that_was_named_is_never_taken_for_that_of_dev() {
    let dir = tempfile::tempdir().unwrap();
    let (_dev, _) = Running::dev(dir.path());
    let configuration = "listen = \"127.0.0.1:0\"\ndata = \".larkspur\"";
    std::fs::write(dir.path().join("larkspur.toml"), configuration).unwrap();
    for named in [&[][..], &["--from", ".larkspur/larkspur.db"]] {
        let refused = run(dir.path(), &[&["store", "backup", "copy.db"], named].concat());
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
        for what in ["in use", "--url"] {
            assert!(refused.err.contains(what), "{}", refused.err);
        }
    }
    assert!(!dir.path().join("copy.db").exists());
}

#[test]
fn a_damaged_database_fails_the_check() {
    let dir = used();
    let path = dir.path().join(".larkspur/larkspur.db");
    done(dir.path(), &["store", "backup", "copy.db"]);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("copy.db"))
        .unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; 8 * 4096]).unwrap();
    let damaged = run(dir.path(), &["store", "check", "copy.db"]);
    assert_eq!(damaged.code, 1);
    assert!(damaged.out.contains("NOT SOUND"), "{}", damaged.out);
    assert!(damaged.err.contains("hint: "), "{}", damaged.err);
    assert!(path.exists());
}
