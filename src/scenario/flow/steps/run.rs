//! Steps that call functions of the script, and the requests that these make.

use super::{StepCompiler, joined};
use crate::error::Diagnostic;
use crate::plan::{
    Body, Check, Escape, Method, ScriptStep, Slot, StatusRange, Step, Template, TemplatePart,
};
use crate::scenario::flow::index::{Declaration, EntryId, Index};
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::keys::flow::RunFile;
use crate::scenario::names::script::unknown_function;
use crate::scenario::request::assign;
use crate::scenario::yaml::decode::{Decode, Located};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree;

/// What is shown in the place of what a script gives.
const BY_SCRIPT: &str = "(by the script)";

/// The requests of scripts, one for each method, before a script gives them their URLs. They have what `defaults` and
/// user classes give to all requests.
pub(crate) fn requests(findings: &mut Findings) -> Vec<Located<EndpointFile>> {
    let lines = Method::ALL.map(|method| {
        let (key, name) = (method.as_str().to_lowercase(), method.as_str());
        format!("- {{name: script {name}, {key}: /}}\n")
    });
    let file = findings.add_file("the requests of the script", lines.concat());
    let node = tree::parse(file, findings);
    let decoded = node.and_then(|node| Vec::decode(&node, findings));
    decoded.unwrap_or_default()
}

impl<'a> Index<'a> {
    /// Adds the requests that functions of the script make, if any is used.
    pub(crate) fn add_scripted(
        &mut self,
        scripted: &'a [Located<EndpointFile>],
        findings: &mut Findings,
    ) {
        for (name, at) in &self.runs {
            if let Some(EntryId::Request(_)) = self.names.get(*name) {
                let message = format!("`{name}` is the name of an endpoint");
                let diagnostic = Diagnostic::new(message)
                    .help("the time of the function has a row of its own: give the step a `name`");
                findings.report(Some(*at), diagnostic);
            }
        }
        let flows = &self.flows;
        let is_own = |(name, _): &(&str, Span)| flows.iter().all(|flow| flow.key.text != *name);
        let has_runs = !self.runs.is_empty();
        self.runs.retain(is_own);
        if has_runs && !scripted.is_empty() {
            self.scripted = Some(self.requests.len());
            for file in scripted {
                self.add_request(file, Declaration::Scripted, findings);
            }
        }
    }

    /// The position of the row with this name, which is that of a flow or of a function of the script.
    pub(crate) fn row_of_run(&self, name: &str) -> Option<usize> {
        let flows = self.flows.iter().map(|flow| flow.key.text.as_str());
        let mut rows = flows.chain(self.runs.iter().map(|(name, _)| *name));
        rows.position(|row| row == name)
    }

    /// The name of the row at this position.
    pub(crate) fn flow_name(&self, position: usize) -> &str {
        match self.flows.get(position) {
            Some(flow) => &flow.key.text,
            None => self.runs[position - self.flows.len()].0,
        }
    }

    /// Makes the compiled requests of scripts such as take their URLs, bodies and rows from scripts.
    pub(crate) fn open_scripted(&mut self) {
        let part = || TemplatePart::Slot {
            slot: Slot::Iteration,
            escape: Escape::None,
        };
        let filled = || Template::new(BY_SCRIPT, vec![part()]);
        for request in &mut self.requests {
            let Some((endpoint, _)) = &mut request.compiled else {
                continue;
            };
            if request.declaration != Declaration::Scripted {
                continue;
            }
            let host = endpoint.url.as_constant().unwrap_or("/").to_owned();
            endpoint.url = Template::new(BY_SCRIPT, vec![TemplatePart::Literal(host), part()]);
            endpoint.body = Body::Template(filled());
            endpoint.group = Some(filled());
            // For its name: each request has its own.
            endpoint.checks = vec![Check::Status(vec![StatusRange {
                low: 200,
                high: 399,
            }])];
            endpoint.scripted = true;
        }
    }
}

impl StepCompiler<'_> {
    /// A call of a function of the script, measured as a flow unless the flow around it is the same.
    pub(super) fn run(
        &mut self,
        file: &RunFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let function = file.run.get()?;
        let with = assign::assignments(&file.with, self.names, findings);
        let Some(script) = &self.names.script else {
            // What is wrong with it was reported.
            if !self.names.broken.contains("js") {
                let diagnostic = Diagnostic::new("there is no script whose function could run")
                    .help("add `script: FILE.js` at the top of the scenario");
                findings.report(Some(function.at), diagnostic);
            }
            return None;
        };
        if !script.has_function(&function.value) {
            let name = &function.value;
            findings.report(Some(function.at), unknown_function(script, name, name));
            return None;
        }
        let name = file.name.get().unwrap_or(function);
        let flow = self.index.row_of_run(&name.value)?;
        let first = self.index.scripted?;
        let mut step = Step::Run(ScriptStep {
            function: function.value.clone(),
            wait: None,
            requests: std::array::from_fn(|method| first + method),
            sets: (script.assigned_variables().into_iter())
                .filter_map(|name| self.names.changing(name))
                .collect(),
        });
        if !with.is_empty() {
            let steps = vec![step];
            step = Step::Call { with, steps };
        }
        if !self.within.contains(&EntryId::Flow(flow)) {
            step = Step::Flow {
                flow,
                goes_on: false,
                steps: vec![step],
            };
        }
        let runs = self.filter.takes(&joined(tags, &file.tags));
        runs.then_some(step)
    }
}
