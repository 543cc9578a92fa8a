//! The SLOs of a plan, wherever they are written.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanCompiler;
use crate::plan::{MeasureUnit, SloScope};
use crate::scenario::flow::index::Index;
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
        slos.add_file(
            &file.slo,
            &SloScope::Total,
            SloSource::Scenario,
            self.findings,
        );
        for request in &index.requests {
            if let Some(name) = request::row(request.file) {
                let scope = SloScope::Endpoint(name);
                slos.add_file(
                    &request.file.slo,
                    &scope,
                    SloSource::Endpoint,
                    self.findings,
                );
            }
        }
        for flow in &index.flows {
            let scope = SloScope::Endpoint(flow.key.text.clone());
            slos.add_file(&flow.file.slo, &scope, SloSource::Endpoint, self.findings);
        }
        let limits = &self.options.limits;
        limits.iter().for_each(|limit| slos.add_limit(limit));
        slo::add_expressions(&mut slos, &self.options.slos, self.findings);
        slos
    }
}
