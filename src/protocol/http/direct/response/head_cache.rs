//! Heads of responses that came before. Most targets send the same one again and again, but for the
//! date in it, and what the very same bytes say need not be read twice.
//!
//! Here: which are remembered, and for how long. Not here: what a head says (`head`).

use super::head::Head;

/// How many are remembered.
const MOST: usize = 8;
/// After so many new ones in a row they are no longer looked for: a target that puts the number of the
/// request into each head never sends one twice.
const IN_VAIN: u32 = 1_000;
/// The longest that is remembered; bytes.
const MAX_LENGTH: usize = 2_048;

/// The heads that the sessions of a worker have seen, each with what it says.
#[derive(Debug, Default)]
pub(crate) struct HeadCache {
    heads: Vec<(Box<[u8]>, Head)>,
    /// Which is forgotten next.
    oldest: usize,
    in_vain: u32,
}

impl HeadCache {
    /// What the head says that `bytes` begin with, if it is remembered.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<Head> {
        if self.in_vain >= IN_VAIN {
            return None;
        }
        let mut heads = self.heads.iter();
        let (_, head) = heads.find(|(known, _)| bytes.starts_with(known))?;
        self.in_vain = 0;
        Some(head.clone())
    }

    /// Remembers what the head says that `bytes` are.
    pub(crate) fn add(&mut self, bytes: &[u8], head: &Head) {
        if self.in_vain >= IN_VAIN || bytes.len() > MAX_LENGTH {
            return;
        }
        self.in_vain += 1;
        let new = (bytes.into(), head.clone());
        if self.heads.len() < MOST {
            self.heads.push(new);
        } else {
            self.heads[self.oldest] = new;
            self.oldest = (self.oldest + 1) % MOST;
        }
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderMap;

    use super::*;
    use crate::protocol::http::direct::response::head::{HeadOptions, parse};

    const OPTIONS: HeadOptions = HeadOptions {
        is_bodyless: false,
        all_fields: false,
    };

    fn head(number: usize) -> (Vec<u8>, Head) {
        let bytes = format!("HTTP/1.1 200 OK\r\nx: {number}\r\ncontent-length: {number}\r\n\r\n");
        let head = parse(bytes.as_bytes(), OPTIONS, &mut HeaderMap::new());
        (bytes.into_bytes(), head.unwrap().unwrap())
    }

    #[test]
    fn the_last_few_are_remembered() {
        let mut cache = HeadCache::default();
        for number in 0..=MOST {
            let (bytes, head) = head(number);
            assert_eq!(cache.find(&bytes), None);
            cache.add(&bytes, &head);
            assert_eq!(cache.find(&[&bytes[..], b"body"].concat()), Some(head));
            assert_eq!(
                cache.find(&bytes[..bytes.len() - 1]),
                None,
                "it is not whole"
            );
        }
        assert_eq!(cache.find(&head(0).0), None);
        let (bytes, last) = head(1);
        assert_eq!(cache.find(&bytes), Some(last));
    }

    #[test]
    fn a_target_that_never_repeats_itself_costs_no_more_than_it_must() {
        let mut cache = HeadCache::default();
        for number in 0..IN_VAIN as usize {
            let (bytes, head) = head(number);
            cache.add(&bytes, &head);
        }
        let (bytes, last) = head(IN_VAIN as usize - 1);
        assert_eq!(cache.find(&bytes), None);
        cache.add(&bytes, &last);
        assert_eq!(cache.heads.len(), MOST);
    }
}
