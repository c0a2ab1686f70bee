"""docs/rules/NAME.md: what is generated of a rule's page, between the comments <!-- generated: … --> and <!-- end -->.

The rest is written by hand: the mathematics, what to do, and a request that triggers the rule (the page's block of JSON)."""
import json
import re

PLACE = r"(<!-- generated: {} -->\n).*?(<!-- end -->)"
REQUEST = re.compile(r"^```json\n(.*?)^```$", re.M | re.S)
LISTED = 6


def fill(text, name, content):
    """Puts `content` into the place of that name."""
    place = re.compile(PLACE.format(name), re.S)
    assert place.search(text), f"there is no <!-- generated: {name} --> … <!-- end -->"
    return place.sub(lambda match: match[1] + content + match[2], text)


def rule_block(rule):
    """What GET /v1/rules says."""
    lines = [rule["documentation"], "", f"Criterion: {rule['criterion']}. Up to severity `{rule['severity']}`.", ""]
    if rule["thresholds"]:
        lines += ["| threshold | default | |", "|---|---|---|"]
        lines += [f"| `{t['name']}` | {t['default']} | {t['documentation'].replace('|', chr(92) + '|')} |" for t in rule["thresholds"]]
        first = rule["thresholds"][0]
        example = {"options": {"thresholds": {rule["name"]: {first["name"]: first["default"]}}}}
        lines += ["", f"A request sets them: `{json.dumps(example)[1:-1]}`.", ""]
    return "\n".join(lines + [f"Source: {rule['source']}", ""])


def finding_block(finding):
    """What the page's request is answered with."""
    layers = ", ".join(f"`{name}`" for name in finding["layers"][:LISTED])
    more = len(finding["layers"]) - LISTED
    place = f" in {layers}" + (f" and {more} more" if more > 0 else "") if layers else ""
    lines = [f"> **{finding['severity']}**{place}: {finding['message']}"]
    if finding.get("cause"):
        lines += [">", f"> Cause: {finding['cause']}"]
    return "\n".join(lines + [""])


def finding_of(server, rule, page):
    """The rule's finding in the report of the page's request."""
    requests = REQUEST.findall(page)
    assert len(requests) == 1, f"{rule['name']}.md has {len(requests)} requests, not one"
    report = server.request("POST", "/v1/diagnose", requests[0]).json()
    findings = [finding for finding in report.get("findings", []) if finding["rule"] == rule["name"]]
    assert findings, f"the request of {rule['name']}.md does not trigger the rule: {str(report)[:500]}"
    return findings[0]


def rule_page(server, rule, page):
    """The page as it should be."""
    page = fill(page, "rule", rule_block(rule))
    return fill(page, "finding", finding_block(finding_of(server, rule, page)))


def same(page, other):
    """Whether pages differ at most in the numbers of the finding, which depend a little on the processor."""
    number = re.compile(r"-?\d[\d.]*(e[-+]?\d+)?(?=[^`]*$)")
    parts = [text.rpartition("<!-- generated: finding -->") for text in (page, other)]
    return parts[0][0] == parts[1][0] and number.sub("#", parts[0][2]) == number.sub("#", parts[1][2])
