"""What installs seamwise elsewhere agrees with `pyproject.toml`, as it cannot be run here."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
OF_CONDA = {  # where conda-forge has another name
    "lightning-fabric": "pytorch-lightning",
    "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
}

pytestmark = pytest.mark.skipif(not PACKAGING.is_dir(), reason="needs a checkout")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_recipe_for_conda_has_the_packages_and_versions_of_the_project(project):
    recipe = yaml.safe_load((PACKAGING / "conda" / "meta.yaml").read_text())
    pairs = (re.fullmatch(r"([\w-]+)(>=[\d.]+)", text) for text in project["dependencies"])
    expected = {f"{OF_CONDA.get(pair[1], pair[1])} {pair[2]}" for pair in pairs}
    expected.add(f"python {project['requires-python']}")
    assert set(recipe["requirements"]["run"]) == expected
    assert recipe["package"] == {"name": project["name"], "version": project["version"]}


def test_the_dockerfile_copies_what_exists_and_ends_with_a_user_without_rights():
    lines = (PACKAGING / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    assert all((ROOT / name).exists() for names in copies for name in names)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["seamwise"]
    assert lines.index("USER seamwise") > max(
        number for number, line in enumerate(lines) if line.startswith("RUN ")
    )


def test_on_kubernetes_only_the_cluster_reaches_scheduler_and_workers():
    text = (PACKAGING / "cluster" / "kubernetes.yaml").read_text()
    documents = list(yaml.safe_load_all(text))
    pods = [each["spec"]["template"] for each in documents if each["kind"] == "Deployment"]
    labels = {"reaches": "seamwise-scheduler"}, {"app": "seamwise-scheduler"}
    policies = {}
    for each in documents:
        if each["kind"] == "NetworkPolicy":
            (rule,) = each["spec"]["ingress"]
            selected = each["spec"]["podSelector"]["matchLabels"]["app"]
            policies[selected] = [of["podSelector"]["matchLabels"] for of in rule["from"]]
    assert set(policies) == {pod["metadata"]["labels"]["app"] for pod in pods}
    assert all(of in labels for sources in policies.values() for of in sources)


def test_the_workflow_pins_each_action_by_commit_and_may_only_read(project):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action) for action in actions)
    assert ".ci/run" in [step.get("run") for step in steps]
    assert all(job["timeout-minutes"] <= 90 for job in jobs)
    (versions,) = [job["strategy"]["matrix"]["python"] for job in jobs if "strategy" in job]
    assert f">={versions[0]}" == project["requires-python"]
