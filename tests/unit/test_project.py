"""The files around the code say the same as bin/test."""

from typing import Any

import yaml  # type: ignore[import-untyped]

from docs.generate import ROOT


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_workflow_runs_everything() -> None:
    jobs = loaded(".github/workflows/test.yml")["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [
        "bin/test --require-all"
    ]


def test_the_hooks_check_what_the_tests_check() -> None:
    hooks = [hook["entry"] for repo in loaded(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    checks = (ROOT / "bin" / "test").read_text("utf-8")
    assert [hook for hook in hooks if hook.replace(".venv/bin/python", '"$python"') not in checks] == []
    assert len(hooks) == checks.count('"$python" -m') - 1  # the last one is pytest
