"""Runs axe-core on parts of a page, and returns the serious accessibility faults.

The package includes `axe.min.js` (MPL-2.0), so nothing is fetched.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

SCRIPT = files("axe_playwright_python") / "axe.min.js"
GRAVE = ("serious", "critical")

_RUN = """async part => {
  // JupyterLab's body has no height and hides what overflows, so axe would regard all of its
  // text as invisible.
  document.body.style.height = '100vh';
  const {passes, violations} = await axe.run(part, {resultTypes: ['passes', 'violations']});
  document.body.style.height = '';
  const read = passes.find(one => one.id === 'color-contrast')?.nodes.length || 0;
  const faults = violations.flatMap(fault => fault.nodes.map(node => ({
    rule: fault.id, impact: node.impact || fault.impact, where: node.target.join(' '),
    html: node.html.slice(0, 300), why: node.failureSummary})));
  return {read, faults};
}"""


def grave_faults(page: Any, part: str) -> tuple[list[str], int]:
    """Return the serious and critical faults below a selector, and how many texts were read.

    Only what is inside the window is checked: make it tall.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SCRIPT.read_text("utf-8"))
    found = page.evaluate(_RUN, part)
    faults = [
        f"{one['rule']} ({one['impact']}): {one['where']}\n  {one['html']}\n  {one['why']}"
        for one in found["faults"]
        if one["impact"] in GRAVE
    ]
    return faults, found["read"]
