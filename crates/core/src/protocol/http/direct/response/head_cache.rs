//! A cache of parsed heads. Most services send the same head again and again, except for its date,
//! and identical bytes need not be parsed twice.
//!
//! Here: which heads are kept, and for how long. Not here: how a head is parsed (`head`).

use super::head::Head;

/// How many heads are kept.
const MAX_HEADS: usize = 8;
/// After so many misses in a row, the cache is no longer used: a service that puts a request number
/// into each head never sends one twice.
const MAX_MISSES: u32 = 1_000;
/// The longest head that is kept; bytes.
const MAX_LENGTH: usize = 2_048;

/// The last heads that the sessions of a worker received, as bytes and parsed.
#[derive(Debug, Default)]
pub(crate) struct HeadCache {
    heads: Vec<(Box<[u8]>, Head)>,
    /// Which is replaced next.
    oldest: usize,
    misses: u32,
}

impl HeadCache {
    /// The head that `bytes` begin with, if it is kept.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<Head> {
        if self.misses >= MAX_MISSES {
            return None;
        }
        let mut heads = self.heads.iter();
        let (_, head) = heads.find(|(cached, _)| bytes.starts_with(cached))?;
        self.misses = 0;
        Some(head.clone())
    }

    /// Keeps `head`, which was parsed from `bytes`.
    pub(crate) fn add(&mut self, bytes: &[u8], head: &Head) {
        if self.misses >= MAX_MISSES || bytes.len() > MAX_LENGTH {
            return;
        }
        self.misses += 1;
        let new = (bytes.into(), head.clone());
        if self.heads.len() < MAX_HEADS {
            self.heads.push(new);
        } else {
            self.heads[self.oldest] = new;
            self.oldest = (self.oldest + 1) % MAX_HEADS;
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
    fn the_last_few_heads_are_kept() {
        let mut cache = HeadCache::default();
        for number in 0..=MAX_HEADS {
            let (bytes, head) = head(number);
            assert_eq!(cache.find(&bytes), None);
            cache.add(&bytes, &head);
            assert_eq!(cache.find(&[&bytes[..], b"body"].concat()), Some(head));
            assert_eq!(
                cache.find(&bytes[..bytes.len() - 1]),
                None,
                "it is not complete"
            );
        }
        assert_eq!(cache.find(&head(0).0), None);
        let (bytes, last) = head(1);
        assert_eq!(cache.find(&bytes), Some(last));
    }

    #[test]
    fn a_service_that_never_repeats_a_head_turns_the_cache_off() {
        let mut cache = HeadCache::default();
        for number in 0..MAX_MISSES as usize {
            let (bytes, head) = head(number);
            cache.add(&bytes, &head);
        }
        let (bytes, last) = head(MAX_MISSES as usize - 1);
        assert_eq!(cache.find(&bytes), None);
        cache.add(&bytes, &last);
        assert_eq!(cache.heads.len(), MAX_HEADS);
    }
}
