"""What is published: a complete source distribution, and pages whose links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
URL = "https://example.org/someone/a-fork"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
WORKFLOWS = ROOT / ".github" / "workflows"
RELEASE = WORKFLOWS / "release.yml"


def tracked() -> list[str]:
    """The files of the repository, without the links that are for type checkers."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no Git repository")
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def address(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "address"), url, str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with an address."""
    folder = tmp_path_factory.mktemp("project")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    done = address(folder, URL)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_file_is_in_the_source_distribution(copy: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation"]
    command += ["--outdir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert set(tracked()) - packed == set()
    made = {"PKG-INFO", "setup.cfg"}
    assert {n for n in packed - made if ".egg-info/" not in n} - set(tracked()) == set()


def test_links_of_the_published_page_are_absolute(copy: Path) -> None:
    links = LINK.findall((copy / "README.md").read_text())
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    files = [link.removeprefix(f"{URL}/") for link in links if link.startswith(URL)]
    assert len(files) > 30
    for kind, tag, path in (file.split("/", 2) for file in files):
        assert kind == ("raw" if path.endswith(".png") else "blob")
        assert tag == "v0.1.0"
        assert (ROOT / path.split("#")[0]).exists()


def test_commands_of_the_published_page_need_no_files_beside_it(copy: Path) -> None:
    page = (copy / "README.md").read_text()
    (block,) = re.findall(r"```bash\n(git clone .*?)```", page, re.DOTALL)
    assert block.splitlines()[0] == f"git clone --branch v0.1.0 {URL} && cd a-fork"
    assert 'pip install "optuna-ofa[image,dashboard]==0.1.0"\n' in page
    assert not re.search(r"<this repository>|constraints\.txt|pip install.* -e", page)


def test_the_published_project_has_addresses(copy: Path) -> None:
    project = tomllib.loads((copy / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Source"] == URL
    assert set(project["urls"]) == {"Source", "Documentation", "Changelog", "Issues"}
    assert project["authors"]


def test_an_address_is_written_once(copy: Path) -> None:
    done = address(copy, URL)
    assert done.returncode == 1
    assert "has an address already" in done.stderr


@pytest.mark.parametrize("url", ["http://example.org/a/b", "https://example.org", "a"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    done = address(tmp_path, url)
    assert done.returncode == 1
    assert "the address must be https://HOST/OWNER/NAME" in done.stderr


def test_the_built_files_are_tested_with_all_that_tests_import() -> None:
    """Single packages would be forgotten, and the tests of a tag be the first that miss them."""
    steps = yaml.safe_load(RELEASE.read_text())["jobs"]["test"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert any("--group unpacked/pyproject.toml:test" in command for command in commands)


@pytest.mark.parametrize("workflow", ["ci", "release"])
def test_what_a_workflow_runs_is_there(workflow: str) -> None:
    text = (WORKFLOWS / f"{workflow}.yml").read_text()
    tests = re.findall(r"\btests/[\w./]+", text)
    assert len(tests) > 5
    scripts = re.findall(r"\.ci/\w+", text.partition("\njobs:")[2])
    assert scripts
    assert [name for name in tests + scripts if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("workflow", ["ci", "release"])
def test_actions_are_pinned_by_their_digests(workflow: str) -> None:
    jobs = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())["jobs"]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert len(used) >= {"ci": 3, "release": 6}[workflow]
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used)


def test_continuous_integration_may_only_read() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "ci.yml").read_text())
    assert workflow["permissions"] == {}
    assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())


def test_only_the_job_that_publishes_may_identify_itself() -> None:
    workflow = yaml.safe_load(RELEASE.read_text())
    permissions = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert workflow["permissions"] == {}
    assert [name for name, allowed in permissions.items() if "id-token" in allowed] == ["publish"]
    assert workflow["jobs"]["publish"]["needs"] == "test"
