//! Texts that must be known before the run.

use super::Names;
use crate::error::Diagnostic;
use crate::plan::Escape;
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::Findings;

impl Names<'_> {
    /// A text whose templates are filled in before the run. `None` for others, which are reported.
    pub fn constant(&self, text: &Located<String>, findings: &mut Findings) -> Option<String> {
        let before = findings.len();
        let template = self.template(text, Escape::None, findings);
        if findings.len() > before {
            return None;
        }
        let constant = template.as_constant().map(str::to_owned);
        if constant.is_none() {
            let diagnostic = Diagnostic::new("this must be known before the run")
                .help("use no templates other than `env.NAME`, secrets and constant variables");
            findings.report(Some(text.at), diagnostic);
        }
        constant
    }
}
