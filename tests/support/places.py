"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")), *sorted((ROOT / "docs").glob("*.md"))]
BENCHMARKS = ROOT / "benchmarks"
REFERENCE = ROOT.parent / "shared" / "reference"
"""Recorded runs and the line of a real map; they lie beside the checkout only."""
MODULES = ROOT / "tests" / "support" / "modules"
"""Stand-ins for installed packages: a folder for PYTHONPATH."""
