//! Names in a narrow column: cut where they differ, so that no two of them look the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::text::{shorten, take, width};

/// What stays visible in front of a difference; characters.
const CONTEXT: usize = 2;

/// Each name in at most `columns`, which are at least 8. An ellipsis replaces the middle of longer
/// names; of those that would look the same, whatever comes before their difference.
pub(super) fn cut(names: &[String], columns: usize) -> Vec<String> {
    let all: BTreeSet<&String> = names.iter().collect();
    let first_try = all.into_iter().map(|name| (name, shorten(name, columns)));
    let mut cut = BTreeMap::new();
    let mut open = alike(first_try, &mut cut);
    while let Some(group) = open.pop() {
        let at = common_prefix(&group);
        let tries = group
            .iter()
            .map(|name| (*name, cut_before(name, at, columns)));
        open.extend(alike(tries, &mut cut));
    }
    names.iter().map(|name| cut[name].clone()).collect()
}

/// Moves what looks like nothing else to `cut`; returns the groups of what looks alike.
fn alike<'a>(
    tries: impl Iterator<Item = (&'a String, String)>,
    cut: &mut BTreeMap<String, String>,
) -> Vec<Vec<&'a String>> {
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (name, short) in tries {
        groups.entry(short).or_default().push(name);
    }
    let mut open = Vec::new();
    for (short, group) in groups {
        match group.as_slice() {
            [only] => drop(cut.insert((*only).clone(), short)),
            _ => open.push(group),
        }
    }
    open
}

/// How many characters all of them start with.
fn common_prefix(names: &[&String]) -> usize {
    let Some((first, others)) = names.split_first() else {
        return 0;
    };
    let same = |other: &&String| {
        let pairs = first.chars().zip(other.chars());
        pairs.take_while(|(a, b)| a == b).count()
    };
    others.iter().map(same).min().unwrap_or(0)
}

/// The beginning of a name, and what stands from just before character `at` on.
fn cut_before(name: &str, at: usize, columns: usize) -> String {
    let head = take(name.chars(), columns / 4);
    let room = columns.saturating_sub(width(&head) + 1);
    let mut from = at.saturating_sub(CONTEXT).max(head.chars().count());
    // Wide characters in front of the difference may not push it out.
    let is_hidden = |from: usize| {
        let shown: String = name.chars().skip(from).take(at - from + 1).collect();
        width(&shown) > room.saturating_sub(1)
    };
    while from < at && is_hidden(from) {
        from += 1;
    }
    let rest: String = name.chars().skip(from).collect();
    if width(&rest) <= room {
        return format!("{head}…{rest}");
    }
    format!("{head}…{}…", take(rest.chars(), room.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_must_be_cut_is_cut_where_it_differs() {
        let alike = names(&[
            "GET /api/tenants/acme/invoices/7/lines",
            "GET /api/tenants/acme/receipts/7/lines",
            "GET /api/tenants/acme/payments/7/lines",
        ]);
        assert_eq!(
            cut(&alike, 16),
            ["GET …e/invoices…", "GET …e/receipts…", "GET …e/payments…"]
        );
        let wide = names(&["aa請請請b 4567890", "aa請請請c 4567890"]);
        assert_eq!(cut(&wide, 8), ["aa…請b …", "aa…請c …"]);
        let different = names(&["GET /api/tenants/acme/invoices", "POST /api/logins"]);
        assert_eq!(cut(&different, 12), ["GET /a…oices", "POST /…ogins"]);
    }

    proptest! {
        #[test]
        fn any_names_fit_and_can_be_told_apart(
            names in prop::collection::btree_set("[a-c/: 請]{1,12}(xxxxx/xxxxx/xxxxx){0,9}[a-c/]{0,2}(yyyy/yyyy/){0,9}", 1..6),
            columns in 8usize..120,
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let mut seen = BTreeSet::new();
            for name in cut(&names, columns) {
                prop_assert!(width(&name) <= columns, "{name}");
                prop_assert!(seen.insert(name), "{names:?}");
            }
        }
    }
}
