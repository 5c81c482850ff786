"""A training as a SLURM job: its script, and where there is a SLURM, the job."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import __main__ as cli
from helpers.common.errors import CourseError
from helpers.training.slurm import SCRIPT, job_script, write_job
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import until
from tests.support.small import SHORT, untrained

SECTION = {"cores": 2, "processes": 2, "memory": "3GB", "walltime": "00:05:00", "queue": None}


ONE = SHORT.model_copy(update={"nodes": 1})


@pytest.fixture
def profile() -> Iterator[str]:
    import dask
    import dask_jobqueue  # noqa: F401 (it brings its defaults)

    with dask.config.set(
        {"jobqueue.classroom": SECTION | {"job-extra-directives": ["--gres=gpu:2"]}}
    ):
        yield "classroom"


def test_the_script_is_what_the_section_and_the_settings_say(profile, tmp_path) -> None:
    work = Workspace(tmp_path / "O'Brien 的 50% work")
    settings = FinetuneSettings(nproc=2, nodes=3, extra=("optimizer.adam_eps=1e-8", "task.x= y"))
    script = job_script(work, settings, profile)
    head = {"--nodes=3", "--ntasks-per-node=2", "--cpus-per-task=1", "--mem=3G", "--gres=gpu:2"}
    assert head < {line.removeprefix("#SBATCH ") for line in script.splitlines()}
    assert " -n 1" not in script and "50%% work/slurm-%j.out" in script
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)
    words = shlex.split(script.splitlines()[-1])
    assert words[:5] == ["exec", sys.executable, "-m", "helpers", "finetune"]
    assert cli.settings_from("finetune", vars(cli.parser().parse_args(words[4:]))) == settings


@pytest.mark.parametrize(
    ("section", "settings", "said"),
    [
        ({}, {"nproc": 3}, "the section classroom has 2 cores"),
        ({"cores": None}, {}, "its cores are None"),
        ({"cores": -4}, {}, "its cores are -4"),
        ({"memory": None}, {}, "is refused"),
        ({"job-script-prologue": "module load x"}, {}, "job-script-prologue has to be a list"),
    ],
)
def test_a_job_that_cannot_be_is_refused(section, settings, said, profile, tmp_path) -> None:
    import dask

    settings = SHORT.model_copy(update=settings)
    changed = dask.config.set({"jobqueue.classroom": SECTION | section})
    with changed, pytest.raises(CourseError, match=said):
        write_job(Workspace(tmp_path), settings, profile, False, False)
    with pytest.raises(CourseError, match="There is no section other"):
        write_job(Workspace(tmp_path), settings, "other", False, False)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("section", ["hello", [1, 2], None])
def test_a_section_that_is_none_is_refused(section, profile, tmp_path) -> None:
    import dask

    odd = dask.config.set({"jobqueue.classroom": section})
    with odd, pytest.raises(CourseError, match="is refused: it is no list of names with values"):
        job_script(Workspace(tmp_path), SHORT, profile)


def test_what_a_section_leaves_out_is_left_out_and_force_is_handed_on(profile, tmp_path) -> None:
    import dask

    with dask.config.set({"jobqueue.classroom": SECTION | {"job-directives-skip": ["--mem"]}}):
        script = job_script(Workspace(tmp_path), ONE, profile, force=True)
    assert "--mem" not in script and script.endswith(" --force\n")


def test_where_the_processes_are_does_not_matter() -> None:
    two = SHORT.model_copy(update={"nproc": 2})
    for nproc, nodes in ((2, 1), (1, 2)):
        other = SHORT.model_copy(update={"nproc": nproc, "nodes": nodes})
        assert other.of_the_result() == two.of_the_result() != SHORT.of_the_result()


def test_it_is_submitted_only_when_asked(profile, tmp_path, monkeypatch, capsys) -> None:
    commands = tmp_path / "bin"
    (tmp_path / "work").mkdir()
    commands.mkdir()
    (commands / "sbatch").write_text(f"#!/bin/sh\necho $1 >> '{tmp_path}/sent'; echo Submitted 7\n")
    (commands / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/bin:/usr/bin")
    asked = ["finetune", "--workspace", str(tmp_path / "work"), "--slurm", profile]
    assert cli.main(asked) == 0
    assert "Nothing is submitted yet" in capsys.readouterr().out
    assert not (tmp_path / "sent").exists()
    assert cli.main([*asked, "--submit"]) == 0
    assert "Submitted 7." in capsys.readouterr().out
    file = tmp_path / "work" / SCRIPT
    assert (tmp_path / "sent").read_text() == f"{file}\n"
    (commands / "sbatch").write_text("#!/bin/sh\necho invalid partition >&2; exit 1\n")
    assert cli.main([*asked, "--submit"]) == 2
    assert "SLURM does not take the job: invalid partition" in capsys.readouterr().err
    assert cli.main(["finetune", "--submit"]) == 2
    assert cli.main(["finetune", "--slurm", ""]) == 2
    assert cli.main([*asked, "--extra", "nonsense.x=1"]) == 2
    assert cli.main([*asked, "--workspace", str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "nowhere").exists()
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main([*asked, "--submit"]) == 2
    assert "This machine has no sbatch" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("sbatch"), reason="this machine has no SLURM")
def test_real_slurm_trains_as_this_machine_does(profile, small: Workspace, tmp_path: Path) -> None:
    if subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("SLURM does not answer")
    import dask

    work = untrained(small, tmp_path / "work")
    settings = SHORT.model_copy(update={"nproc": 2, "nodes": 1, "max_tokens": 128})
    with dask.config.set({"jobqueue.classroom": SECTION}):
        write_job(work, settings, profile, submit=True, force=False)
    until(lambda: (entry := work.record.stages.get("finetune")) and entry.report)
    report = work.record.stages["finetune"].report
    assert report["updates"] == 6 and "by 2 processes" in report["computed"][0]
