"""A check for machines that read test results: JUnit's XML, and GitHub's annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from uninas_bench.baseline.verdict import Verdict
from uninas_bench.report.baseline import change_words, score_words

if TYPE_CHECKING:
    from uninas_bench.baseline.verdict import Check

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
RANKING = "ranking"
"""The test case of pairs that changed places."""


def junit(check: Check) -> bytes:
    """One test case per proxy, and one for the ranking; what is not comparable is skipped, unless strict."""
    baseline = check.baseline
    suite = ElementTree.Element("testsuite", name=f"uninas-bench baseline: {_xml(baseline.subject)}")
    for finding in check.findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml(f"{baseline.space}.{baseline.task}"), name=_xml(finding.name)
        )
        wrong = check.of(finding)
        if wrong:
            ElementTree.SubElement(case, "failure", message=_xml(wrong[0])).text = _xml("\n".join(wrong))
        elif finding.verdict is Verdict.NOT_COMPARABLE:
            ElementTree.SubElement(case, "skipped", message=_xml(change_words(finding)))
        told = f"{finding.verdict.value} {change_words(finding)}; {score_words(finding)}"
        ElementTree.SubElement(case, "system-out").text = _xml(told)
    case = ElementTree.SubElement(
        suite, "testcase", classname=_xml(f"{baseline.space}.{baseline.task}"), name=RANKING
    )
    if wrong := check.of_ranking():
        ElementTree.SubElement(case, "failure", message=_xml(wrong[0])).text = _xml("\n".join(wrong))
    for count, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        suite.set(count, str(len(list(suite.iter(tag)))))
    suite.set("errors", "0")
    whole = ElementTree.Element("testsuites")
    whole.append(suite)
    ElementTree.indent(whole)
    text: bytes = ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def github_lines(check: Check) -> list[str]:
    """Workflow commands for GitHub: an error for every regression, a notice for what was not compared."""
    lines = [f"::error title=uninas-bench::{_command(line)}" for line in check.regressions]
    lines += [
        f"::notice title=uninas-bench::{_command(f'{finding.name} not comparable: {finding.reason}')}"
        for finding in check.findings
        if finding.verdict is Verdict.NOT_COMPARABLE and not check.strict
    ]
    return lines


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _xml(text: str) -> str:
    """Without the characters that no XML may hold."""
    return _NOT_XML.sub("?", text)
