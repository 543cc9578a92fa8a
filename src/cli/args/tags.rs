//! `--tags` and `--exclude-tags`, which take several values as in Locust. What follows them may be the
//! scenario.

use std::path::Path;

use clap::Args;

use crate::scenario::with_scheme;

/// What is selected by tags.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct TagArgs {
    /// Run only endpoints with one of these tags (separated by commas or spaces, repeatable)
    #[arg(
        short = 'T',
        long,
        env = "PERFCTL_TAGS",
        value_name = "TAG",
        value_delimiter = ',',
        num_args = 1..
    )]
    tags: Vec<String>,

    /// Exclude endpoints with one of these tags (separated by commas or spaces, repeatable)
    #[arg(
        short = 'E',
        long,
        env = "PERFCTL_EXCLUDE_TAGS",
        value_name = "TAG",
        value_delimiter = ',',
        num_args = 1..
    )]
    exclude_tags: Vec<String>,
}

impl TagArgs {
    /// The tags to run, without what names a scenario.
    pub fn tags(&self) -> Vec<String> {
        given(&self.tags)
    }

    /// The tags to exclude, without what names a scenario.
    pub fn exclude_tags(&self) -> Vec<String> {
        given(&self.exclude_tags)
    }

    /// The scenarios and URLs among them: in `--tags api shop.yaml`, the last word is no tag.
    pub fn scenarios(&self) -> Vec<&str> {
        let all = self.tags.iter().chain(&self.exclude_tags);
        let words = all.map(String::as_str);
        words.filter(|word| is_scenario(word)).collect()
    }
}

fn given(words: &[String]) -> Vec<String> {
    let tags = words.iter();
    tags.filter(|word| !word.is_empty() && !is_scenario(word))
        .cloned()
        .collect()
}

/// Whether a word is a URL, the path of a scenario, or the name of one in `scenarios/`.
fn is_scenario(word: &str) -> bool {
    let named = || Path::new("scenarios").join(format!("{word}.yaml"));
    let has_ending = word.ends_with(".yaml") || word.ends_with(".yml");
    has_ending || with_scheme(word).is_some() || (!word.is_empty() && named().is_file())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        tags: TagArgs,
        scenario: Option<String>,
    }

    #[test]
    fn tags_are_separated_by_commas_or_spaces_and_a_scenario_is_none() {
        for (given, tags, exclude, scenarios) in [
            ("-T a,b -E c", "a b", "c", ""),
            ("--tags a b --exclude-tags c d", "a b", "c d", ""),
            ("--tags a -T b shop.yaml", "a b", "", "shop.yaml"),
            ("-T a shop.yaml -E b", "a", "b", "shop.yaml"),
            ("-T a -E b http://h/x", "a", "b", "http://h/x"),
            ("-T=a -E=", "a", "", ""),
        ] {
            let parsed = Arguments::parse_from(["perfctl"].into_iter().chain(given.split(' ')));
            assert_eq!(parsed.tags.tags().join(" "), tags, "{given}");
            assert_eq!(parsed.tags.exclude_tags().join(" "), exclude, "{given}");
            assert_eq!(parsed.tags.scenarios().join(" "), scenarios, "{given}");
            assert_eq!(parsed.scenario, None, "{given}");
        }
    }
}
