//! The invoices of the service.

/// Invoices that exist from the start.
pub(super) const INVOICES: u64 = 1000;
/// The most invoices in one list.
const MAX_LIST: usize = 100;

/// The first invoices, written once.
pub(super) struct Invoices {
    text: String,
    /// Where in `text` the first n invoices end.
    ends: Vec<usize>,
}

impl Invoices {
    pub(super) fn new() -> Self {
        let mut text = String::new();
        let mut ends = vec![0];
        for id in 1..=MAX_LIST as u64 {
            if id > 1 {
                text.push(',');
            }
            text.push_str(&Self::render(id));
            ends.push(text.len());
        }
        Self { text, ends }
    }

    /// At most `limit` invoices, separated by commas.
    pub(super) fn first(&self, limit: usize) -> &str {
        &self.text[..self.ends[limit.min(MAX_LIST)]]
    }

    /// How many invoices there are in a list that is to have so many.
    pub(super) fn listed(limit: usize) -> usize {
        limit.min(MAX_LIST)
    }

    pub(super) fn render(id: u64) -> String {
        const VENDORS: [&str; 5] = ["Acme", "Globex", "Initech", "Umbrella", "Stark"];
        const STATUSES: [&str; 3] = ["received", "approved", "paid"];
        let vendor = VENDORS[(id % 5) as usize];
        let status = STATUSES[(id % 3) as usize];
        let (units, cents) = (id * 7919 % 10_000, id * 31 % 100);
        format!(
            r#"{{"id":{id},"number":"INV-{id:06}","vendor":"{vendor}","amount":{units}.{cents:02},"status":"{status}"}}"#
        )
    }
}
