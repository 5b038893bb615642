//! `[[never]]` and `[[accept]]`.

use super::{Names, wrong};
use crate::names::RuleId;
use crate::policy::model::{Accept, Forbidden, Never};
use crate::policy::report::Report;
use crate::policy::tree::{Section, Text};
use crate::policy::{lint, suggest, words};

pub(super) fn never(mut section: Section<'_>, names: &Names<'_>, out: &mut Report<'_>) -> Never {
    section.require("what", "what = [\"programming\"]");
    let path = section.path.clone();
    let mut what = Vec::new();
    for text in section.texts("what", out).unwrap_or_default() {
        if let Some(forbidden) = forbidden(&path, text, names, out) {
            out.mark(format!("{path}.what.{forbidden}"), text.at);
            what.push(forbidden);
        }
    }
    let why = section.text("why", out).map(|why| why.value.into());
    let place = out.source.place(section.at());
    section.finish(out);
    Never { id: RuleId::from(path), what, why, place }
}

fn forbidden(path: &str, text: Text<'_>, names: &Names<'_>, out: &mut Report<'_>) -> Option<Forbidden> {
    if text.value == "broadcast" {
        return Some(Forbidden::Broadcast);
    }
    match words::function(text.value) {
        Some(Ok(function)) => return Some(Forbidden::Function(function)),
        Some(Err(mistake)) => {
            wrong("never-unknown", path, &text, mistake, out);
            return None;
        }
        None => {}
    }
    if names.assets.contains(text.value) {
        return Some(Forbidden::Asset(text.value.into()));
    }
    let target = text.value.strip_prefix("write ").and_then(|target| target.split_once('/'));
    if let Some((asset, point)) = target
        && names.points_of(asset).any(|known| known == point)
    {
        return Some(Forbidden::Write(asset.into(), point.into()));
    }
    let writes = names
        .points
        .iter()
        .flat_map(|(asset, points)| points.iter().map(move |point| format!("write {asset}/{point}")));
    let known: Vec<String> =
        words::FUNCTION_WORDS.iter().chain(names.assets.iter()).map(|word| (*word).to_owned()).chain(writes).collect();
    let near = suggest::nearest(text.value, known.iter().map(String::as_str));
    let help = near.map_or("write a function word, `function N`, `write ASSET/POINT` or an asset".to_owned(), |near| {
        format!("did you mean `{near}`?")
    });
    out.error(
        "never-unknown",
        path,
        text.at,
        format!("`{}` is nothing that could be forbidden", text.value),
        Some(help),
    );
    None
}

pub(super) fn accept(mut section: Section<'_>, out: &mut Report<'_>) -> Option<Accept> {
    section.require("finding", "finding = \"level-proof\"");
    section.require("where", "where = \"conduits.scada-to-filling\"");
    section.require("reason", "reason = \"switch port locked, cabinet locked\"");
    section.require("by", "by = \"b.lind\"");
    section.require("until", "until = 2027-06-30");
    let path = section.path.clone();
    let finding = section.text("finding", out);
    if let Some(finding) = finding {
        out.mark(format!("{path}.finding"), finding.at);
        if !lint::ids::is_known(finding.value) {
            let help = suggest::help(finding.value, lint::ids::all());
            out.error("accept-unknown", &path, finding.at, format!("there is no finding `{}`", finding.value), help);
        }
    }
    let at = section.text("where", out);
    out.mark(format!("{path}.where"), section.at_key("where"));
    out.mark(format!("{path}.until"), section.at_key("until"));
    let reason = section.text("reason", out);
    let by = section.text("by", out);
    let until = section.date("until", out);
    let place = out.source.place(section.at());
    section.finish(out);
    let finding = finding.filter(|finding| lint::ids::is_known(finding.value))?;
    Some(Accept {
        finding: finding.value.into(),
        at: at?.value.into(),
        reason: reason?.value.into(),
        by: by?.value.into(),
        until: until?,
        place,
    })
}
