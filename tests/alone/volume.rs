//! A load of four hours, in virtual time: what fills up?

use perfctl::metrics::{Outcome, read_result};

use super::{MEMORY, alone, scripted};

const HOURS: u64 = 4;
const RATE_PER_S: u64 = 5;
const ENDPOINTS: usize = 20;

#[test]
fn memory_stays_flat_for_four_hours_and_every_request_is_in_the_result() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let seconds = HOURS * 3600;
    let plan = scripted::plan(directory.path(), ENDPOINTS, RATE_PER_S as f64, seconds);
    let mut held = Vec::with_capacity(seconds as usize + 60);
    let result = scripted::run(plan, directory.path(), || held.push(MEMORY.allocated()));
    assert!(held.len() as u64 >= seconds, "{} s", held.len());

    let (first_minute, rest) = held.split_at(60);
    let first_minute = first_minute.iter().max().unwrap();
    let most = rest.iter().max().unwrap();
    assert!(
        *most < first_minute + 32 * 1024,
        "{first_minute} bytes at most in the first minute, {most} after it"
    );

    assert_eq!(
        result.count(|class| class == Outcome::Ok),
        seconds * RATE_PER_S
    );
    assert_eq!(
        result.run.ending.as_ref().unwrap().totals.started,
        seconds * RATE_PER_S
    );
    assert_eq!(read_result(directory.path()).unwrap(), result);
}
