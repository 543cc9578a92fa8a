//! The SLOs of a plan, wherever they are written.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanCompiler;
use crate::plan::{MeasureUnit, SloScope};
use crate::scenario::flow::index::Index;
use crate::scenario::keys::scenario::IncludedFile;
use crate::scenario::keys::slo::SloFile;
use crate::scenario::request;
use crate::scenario::service::observe;
use crate::scenario::slo::{self, SloSet, SloSource};
use crate::scenario::yaml::decode::{Field, Pairs};

impl PlanCompiler<'_> {
    /// The SLOs of profile, scenario and command line.
    pub(super) fn slos(
        &mut self,
        index: &Index<'_>,
        included: &[IncludedFile],
        profile: &str,
        of_profile: &Field<Pairs<SloFile>>,
        measures: BTreeMap<String, MeasureUnit>,
    ) -> SloSet {
        let file = &self.scenario.file;
        let of_requests = index.requests.iter().filter_map(|r| request::row(r.file));
        let of_flows = index.flows.iter().map(|flow| flow.key.text.clone());
        let of_runs = index.runs.iter().map(|(name, _)| (*name).to_owned());
        let names = of_requests.chain(of_flows).chain(of_runs);
        let of_scenario = file.profiles.get().map_or(&[][..], |pairs| &pairs.0);
        let profiles: BTreeSet<&str> = (self.known.iter().copied())
            .chain(of_scenario.iter().map(|(key, _)| key.text.as_str()))
            .chain([profile])
            .collect();
        let mut slos = SloSet::new(names.collect(), profiles, profile)
            .with_measures(measures)
            .with_observed(observe::names(&file.observe));
        slos.add_file(
            of_profile,
            &SloScope::Total,
            SloSource::Profile,
            self.findings,
        );
        let of_requests = index.requests.iter().filter_map(|request| {
            let name = request::row(request.file)?;
            Some((request.file.at.file, name, &request.file.slo))
        });
        let of_flows = index.flows.iter().map(|flow| {
            let name = flow.key.text.clone();
            (flow.key.at.file, name, &flow.file.slo)
        });
        let endpoints = of_requests.chain(of_flows);
        let (of_scenario, of_included): (Vec<_>, Vec<_>) =
            endpoints.partition(|(file, ..)| *file == self.scenario.position);
        for included in included {
            let (slo, source) = (&included.slo, SloSource::Included);
            slos.add_file(slo, &SloScope::Total, source, self.findings);
            slos.add_budgets(&included.budgets, source, self.findings);
        }
        for (_, name, slo) in of_included {
            let scope = SloScope::Endpoint(name);
            slos.add_file(slo, &scope, SloSource::Endpoint, self.findings);
        }
        let source = SloSource::Scenario;
        slos.add_file(&file.slo, &SloScope::Total, source, self.findings);
        slos.add_budgets(&file.budgets, source, self.findings);
        for (_, name, slo) in of_scenario {
            let scope = SloScope::Endpoint(name);
            slos.add_file(slo, &scope, SloSource::Endpoint, self.findings);
        }
        let limits = &self.options.limits;
        limits.iter().for_each(|limit| slos.add_limit(limit));
        slo::add_expressions(&mut slos, &self.options.slos, self.findings);
        slos
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::plan::{Metric, Plan};
    use crate::scenario::compile::compile_in;
    use crate::scenario::options::Options;
    use crate::scenario::source::Source;

    const TARGETS: &str = include_str!("../../../scenarios/targets/targets.yaml");

    /// A scenario that includes a file with this text.
    fn plan(scenario: &str, included: &str) -> Result<Plan, String> {
        plan_of(scenario, &[("included.yaml", included)])
    }

    /// A scenario that includes these files.
    fn plan_of(scenario: &str, included: &[(&str, &str)]) -> Result<Plan, String> {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        included.iter().for_each(|(name, text)| write(name, text));
        let names: Vec<&str> = included.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        write(
            "shop.yaml",
            &format!("host: demo\ninclude: [{names}]\n{scenario}"),
        );
        let source = Source::File(dir.path().join("shop.yaml"));
        compile_in(Path::new(""), &source, "volume", &Options::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_targets_have_their_names_limits_and_windows() {
        let plan = plan(
            "endpoints: [{get: /, name: invoice processing}]\n\
             observe:\n  \
               prometheus: /metrics\n  \
               metrics: {cpu: a / b, memory: a / b, db_connections: a / b, disk_io: a / b}\n  \
               host: local\n  process: shop\n",
            TARGETS,
        )
        .unwrap();
        let shown = |slo: &crate::plan::Slo| {
            let budget = if slo.budget { "budget " } else { "" };
            let format = |limit: f64| slo.metric.format(limit);
            let critical = slo.critical.map(|limit| format!(" / {}", format(limit)));
            let window = slo.window_s.map(|window_s| format!(" in {window_s} s"));
            let grades: String = (slo.grades.iter())
                .map(|grade| format!(" {} {}", grade.letter, format(grade.limit)))
                .collect();
            let more = [critical, window].into_iter().flatten().collect::<String>();
            format!("{budget}{} {}{more}{grades}", slo.name, format(slo.limit))
        };
        let of_targets = plan.slos.iter().map(shown).collect::<Vec<_>>();
        let wanted = [
            "api_response_time_p95 500 ms in 300 s",
            "api_response_time_p99 1.00 s in 300 s",
            "error_rate 1% in 300 s",
            "availability 99.9% in 86400 s",
            "invoice_processing_time_p50 30.0 s in 3600 s",
            "invoice_processing_time_p95 60.0 s in 3600 s",
            "database_query_time_p95 100 ms in 300 s",
            "cache_hit_ratio 95% in 300 s",
            "component_auth_time_p95 50.0 ms A 30.0 ms B 40.0 ms C 50.0 ms",
            "component_authz_time_p95 75.0 ms A 50.0 ms B 60.0 ms C 75.0 ms",
            "component_db_time_p95 25.0 ms A 15.0 ms B 20.0 ms C 25.0 ms",
            "cache-l1_hit_ratio 95% A 98% B 96% C 95%",
            "cache-l2_hit_ratio 93% A 97% B 95% C 93%",
            "cache-l3_hit_ratio 92% A 96% B 94% C 92%",
            "observed_cpu 70% / 90%",
            "observed_memory 80% / 95%",
            "observed_db_connections 80% / 95%",
            "observed_disk_io 70% / 90%",
            "budget api_response_time_p95 500 ms",
            "budget database_query_time_p95 100 ms",
            "budget memory_usage_mb 500.0 MB",
            "budget cpu_usage_percent 70%",
        ];
        for wanted in wanted {
            assert!(
                of_targets.iter().any(|slo| slo == wanted),
                "{wanted}: {of_targets:#?}"
            );
        }
        let throughput = |slo: &&crate::plan::Slo| slo.metric == Metric::Throughput;
        let throughput = plan.slos.iter().find(throughput).map(shown);
        let skipped = plan.skipped_slos.iter();
        let is_skipped = |text: &&String| text.starts_with("`throughput_rps` 100/s is left out");
        assert!(
            throughput.as_deref() == Some("throughput_rps 100/s in 3600 s")
                || skipped.filter(is_skipped).count() == 1
        );
    }

    #[test]
    fn an_slo_replaces_those_of_other_files_and_those_of_its_own_with_its_window() {
        let included = [
            ("one.yaml", "slo: {p95: {limit: 1s, window: 5m}, p99: 1s}\n"),
            (
                "two.yaml",
                "slo:\n  p95: 2s\n  api_response_time_p95: {limit: 3s, window: 1m}\n\
                 endpoints: [{get: /, name: pay, slo: {p50: 4s, p99: 5s}}]\n",
            ),
        ];
        let scenario = "slo: {list_time_p50: {limit: 1s, window: 5m}, pay_time_p50: 6s}\n\
                        flows: {buy: {steps: [{get: /, name: list, slo: {p50: 200ms}}, pay]}}\n";
        let slos = plan_of(scenario, &included).unwrap().slos;
        let found = slos
            .iter()
            .map(|slo| (slo.name.as_str(), slo.limit, slo.window_s));
        let found: Vec<_> = found.collect();
        for wanted in [
            ("p95", 2e6, None),
            ("api_response_time_p95", 3e6, Some(60)),
            ("p99", 1e6, None),
            ("list_time_p50", 1e6, Some(300)),
            ("p50", 2e5, None),
            ("pay_time_p50", 6e6, None),
            ("p99", 5e6, None),
        ] {
            assert!(found.contains(&wanted), "{wanted:?}: {found:?}");
        }
        for replaced in [("p95", 1e6, Some(300)), ("p50", 4e6, None)] {
            assert!(!found.contains(&replaced), "{found:?}");
        }
    }

    #[test]
    fn a_scenario_overrides_what_it_includes_and_lacks_some_of_it() {
        let included = "slo: {p95: 1s, p99: 2s, buy_time_p95: 3s, observed_pool: 1}\n\
                        budgets: {p95: 4s, cpu_usage_percent: 70}\n";
        let found = plan(
            "endpoints: [{get: /}]\nslo: {p95: {limit: 5s, window: 1m}}\n",
            included,
        );
        let found = found.unwrap();
        let limit = |name: &str, budget| {
            let mut slos = found.slos.iter();
            let slo = slos.find(|slo| slo.name == name && slo.budget == budget)?;
            Some((slo.limit, slo.window_s))
        };
        assert_eq!(limit("p95", false), Some((5e6, Some(60))));
        assert_eq!(limit("p99", false), Some((2e6, None)));
        assert_eq!(limit("p95", true), Some((4e6, None)));
        let wanted = "left out of what is included, since the scenario has nothing of that name: \
                      `buy_time_p95`, `observed_pool`, `cpu_usage_percent`";
        assert_eq!(found.skipped_slos, [wanted]);
        let typo = plan("endpoints: [{get: /}]\n", "slo: {eror_rate: 1%}\n").unwrap_err();
        assert!(
            typo.contains("included.yaml") && typo.contains("did you mean `error_rate`"),
            "{typo}"
        );
    }
}
