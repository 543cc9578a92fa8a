//! Which failures of a run are kept with what was sent and received: the first of each kind over all
//! workers, within a bound.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::metrics::{FailureCause, FailureCounts, FailureSample, FailureSamples, RecordedFailure};
use crate::plan::CheckName;

/// Chooses the failures that are kept.
#[derive(Debug, Default)]
pub(super) struct FailureSampler {
    /// By endpoint and kind: how many were seen, up to those that are kept.
    seen: BTreeMap<u16, BTreeMap<FailureCause, usize>>,
    /// What those that are kept take as JSON; bytes.
    bytes: usize,
}

impl FailureSampler {
    /// Those of one second that are kept, in the order in which they ended. `name_of` is the check of
    /// a cause.
    pub(super) fn choose<'a>(
        &mut self,
        mut failures: Vec<RecordedFailure>,
        name_of: impl Fn(u16, FailureCause) -> Option<&'a CheckName>,
    ) -> FailureSamples {
        // A second comes after the one before it, so that this is the order of the run.
        failures.sort_by_key(|failure| failure.ended_us);
        let mut samples = FailureSamples::default();
        for failure in failures {
            let name = name_of(failure.endpoint, failure.cause);
            let Some((cause, rank)) = self.count(failure.endpoint, failure.cause) else {
                continue;
            };
            let chosen = sample(failure, cause, name).filter(|sample| self.has_room(sample, rank));
            match chosen {
                Some(sample) => samples.kept.push(sample),
                None => samples.unkept += 1,
            }
        }
        samples
    }

    /// The kind that a failure is counted as, and how many of it came before; `None` if enough did.
    fn count(&mut self, endpoint: u16, mut cause: FailureCause) -> Option<(FailureCause, usize)> {
        let kinds = self.seen.entry(endpoint).or_default();
        // As the counts do.
        if kinds.len() >= FailureCounts::MAX_KINDS && !kinds.contains_key(&cause) {
            cause.status = None;
        }
        let seen = kinds.entry(cause).or_default();
        let rank = *seen;
        (rank < FailureSample::MAX_OF_A_KIND).then(|| {
            *seen += 1;
            (cause, rank)
        })
    }

    /// Whether there is room for a sample, which then is taken. Half of it is for the first of each
    /// kind, so that frequent kinds leave some to others.
    fn has_room(&mut self, sample: &FailureSample, rank: usize) -> bool {
        let room = match rank {
            0 => FailureSample::MAX_BYTES,
            _ => FailureSample::MAX_BYTES / 2,
        };
        let size = serde_json::to_vec(sample).map_or(usize::MAX, |json| json.len() + 1);
        let bytes = self.bytes.saturating_add(size);
        if bytes <= room {
            self.bytes = bytes;
        }
        bytes <= room
    }
}

/// What is kept of a failure, which counts as `cause`; `None` where its worker had no room.
fn sample(
    failure: RecordedFailure,
    cause: FailureCause,
    name: Option<&CheckName>,
) -> Option<FailureSample> {
    let (key, check) = match name {
        Some(CheckName::Key(key)) => (Some(key.clone()), None),
        Some(CheckName::Subject(check)) => (None, Some(check.clone())),
        None => (None, None),
    };
    Some(FailureSample {
        endpoint: usize::from(failure.endpoint),
        outcome: cause.outcome,
        status: cause.status.map(NonZeroU16::get),
        key,
        check,
        started_us: failure.started_us,
        response_us: failure.response_us,
        text: failure.text,
        trace_id: failure.trace_id,
        exchange: *failure.exchange?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{BodyText, ExchangeText, MessageText, Outcome};

    fn failure(endpoint: u16, status: u16, ended_us: u64, body: usize) -> RecordedFailure {
        let message = MessageText {
            body: Some(BodyText {
                size_bytes: body as u64,
                text: Some("x".repeat(body)),
                is_cut: false,
                note: None,
            }),
            ..MessageText::default()
        };
        RecordedFailure {
            endpoint,
            cause: FailureCause {
                outcome: Outcome::Http5xx,
                status: NonZeroU16::new(status),
                check: None,
            },
            started_us: 0,
            ended_us,
            response_us: 1,
            text: format!("text {ended_us}"),
            trace_id: None,
            exchange: Some(Box::new(ExchangeText {
                redirects: 0,
                request: MessageText::default(),
                response: Some(message),
            })),
        }
    }

    fn size(samples: &[FailureSample]) -> usize {
        serde_json::to_vec(samples).unwrap().len()
    }

    #[test]
    fn the_first_of_each_kind_over_all_workers_are_kept_in_the_order_of_time() {
        let mut sampler = FailureSampler::default();
        // Of two workers.
        let ends = [10, 30, 50, 20, 40, 60];
        let second = ends.map(|end| failure(0, 500, end, 1)).into();
        let first = sampler.choose(second, |_, _| None);
        let texts: Vec<&str> = first.kept.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["text 10", "text 20", "text 30"]);
        let later = vec![failure(0, 500, 70, 1), failure(0, 503, 80, 1)];
        let later = sampler.choose(later, |_, _| None);
        assert_eq!(later.kept.len(), 1);
        assert_eq!((later.kept[0].status, later.unkept), (Some(503), 0));
    }

    #[test]
    fn a_thousand_endpoints_and_many_kinds_stay_within_the_bound() {
        let mut sampler = FailureSampler::default();
        let mut all = FailureSamples::default();
        for status in 500..505 {
            let failures = (0..3_000).map(|n| failure(n % 1_000, status, n.into(), 2_000));
            all.append(sampler.choose(failures.collect(), |_, _| None));
        }
        let size = size(&all.kept);
        assert!(size <= FailureSample::MAX_BYTES + 2, "{size}");
        assert!(size > FailureSample::MAX_BYTES * 9 / 10, "{size}");
        assert_eq!(all.kept.len() as u64 + all.unkept, 15_000);
    }

    #[test]
    fn a_service_with_a_new_status_each_time_leaves_room_for_others() {
        let mut sampler = FailureSampler::default();
        let statuses = (100..1000).map(|status| failure(0, status, 1, 2_000));
        let failures = statuses.flat_map(|one| vec![one; 3]).collect();
        let hog = sampler.choose(failures, |_, _| None);
        let kinds = FailureCounts::MAX_KINDS + 1;
        assert_eq!(
            hog.kept.len() as u64 + hog.unkept,
            kinds as u64 * FailureSample::MAX_OF_A_KIND as u64
        );
        let others = (1..100).map(|endpoint| failure(endpoint, 500, 2, 2_000));
        let others = sampler.choose(others.collect(), |_, _| None);
        assert_eq!((others.kept.len(), others.unkept), (99, 0));
    }

    #[test]
    fn ten_thousand_different_texts_of_a_kind_are_not_kept() {
        let mut sampler = FailureSampler::default();
        let mut all = FailureSamples::default();
        for second in 0..10 {
            let ends = second * 1_000..(second + 1) * 1_000;
            let failures = ends.map(|end| failure(0, 500, end, 10)).collect();
            all.append(sampler.choose(failures, |_, _| None));
        }
        assert_eq!((all.kept.len(), all.unkept), (3, 0));
    }
}
