"""Whole commands as a user runs them: the main job with and without its report, and help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parent.parent
COMMANDS = {
    "python": ["-c", "pass"],  # what any Python command costs here; the others are to be read as ratios of it
    "help": ["-m", "gxsim", "--help"],
    "run-no-report": ["-m", "gxsim", "run", "scenarios/node-loss.yaml", "--no-report"],
    "run-with-report": ["-m", "gxsim", "run", "scenarios/node-loss.yaml"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command(benchmark: BenchmarkFixture, command: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)] if command.startswith("run") else []
    arguments = [sys.executable, *COMMANDS[command], *out]
    environment = {**os.environ, "COLUMNS": "100"}

    def run() -> None:
        subprocess.run(arguments, cwd=ROOT, env=environment, check=True, capture_output=True)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
