"""The examples of `deploy/`, as far as one machine without Docker and Kubernetes can try them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hotspare_client.follow.script import follow_parser

from controller.alerts.next_action import Urgency
from controller.status.headline import Level
from monitor.config.loader import load
from tests.support.paths import ROOT

DEPLOY = ROOT / "deploy"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["hotspare", "hotspare-follow"])
def test_systemd_accepts_the_unit(tmp_path: Path, name: str) -> None:
    """Without a word, once its program is there; and finds little to harden."""
    unit = tmp_path / f"{name}.service"
    text = (DEPLOY / unit.name).read_text()
    unit.write_text(text.replace(f"/opt/hotspare/bin/{name}", sys.executable))
    verify = ["/usr/bin/env", "systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    security = ["/usr/bin/env", "systemd-analyze", "security", "--offline=yes", "--threshold=25", str(unit)]
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of the Pod, by name."""
    return {container["name"]: container for container in pod["containers"]}


def test_the_kubernetes_example_shares_one_folder_and_nothing_else(tmp_path: Path) -> None:
    """Its configuration is valid; only the folders that are mounted are written to; the reader only reads."""
    config, deployment = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    text = config["data"]["hotspare.yaml"]
    for name in re.findall(r"hotspare/(\w+)}", text):
        (tmp_path / name).write_text("a-key-of-nobody-0123")
    path = tmp_path / "hotspare.yaml"
    path.write_text(text.replace("/run/secrets/hotspare", str(tmp_path)))
    settings = load(path, {})
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for name, container in containers(pod).items():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
    assert "emptyDir" in volumes["routing"]
    mounts = {mount["name"]: mount for mount in containers(pod)["service"]["volumeMounts"]}
    assert settings.routing_file.parent == Path(mounts["routing"]["mountPath"])
    [reader] = containers(pod)["application"]["volumeMounts"]
    assert (reader["mountPath"], reader["readOnly"]) == (str(settings.routing_file.parent), True)


def test_the_examples_of_followers_give_it_what_it_needs() -> None:
    """Arguments that it knows, a folder to write to, a token; the application only reads."""
    pod = yaml.safe_load((DEPLOY / "kubernetes-follow.yaml").read_text())["spec"]
    [follower], [application] = pod["initContainers"], pod["containers"]
    text = (DEPLOY / "hotspare-follow.service").read_text()
    [unit] = re.findall(r"^ExecStart=/opt/hotspare/bin/(.*)$", text, re.MULTILINE)
    for name, *arguments in (follower["command"], unit.split()):
        assert name == "hotspare-follow"
        asked = follow_parser().parse_args(arguments)
        assert all(node.startswith("https://") for node in asked.nodes)
    asked = follow_parser().parse_args(follower["command"][1:])
    mounts = {mount["mountPath"]: mount for mount in follower["volumeMounts"]}
    assert mounts[str(Path(asked.token_file).parent)]["readOnly"]
    assert not mounts[str(Path(asked.file).parent)].get("readOnly")
    [folder] = application["volumeMounts"]
    assert (folder["mountPath"], folder["readOnly"]) == (str(Path(asked.file).parent), True)
    assert follower["startupProbe"]["exec"]["command"][-1] == asked.file
    assert follower["restartPolicy"] == "Always", "so that it goes on beside the application"


def test_the_image_runs_as_nobody_and_writes_one_volume() -> None:
    """Both services of the compose file have a root that is read-only, and the volume that the image declares."""
    image = (DEPLOY / "Dockerfile").read_text()
    [user] = re.findall(r"^USER (\S+)$", image, re.MULTILINE)
    [volume] = re.findall(r"^VOLUME (\S+)$", image, re.MULTILINE)
    assert not user.startswith(("0", "root"))
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["user"] == user
        assert service["cap_drop"] == ["ALL"]
        written = [mount for mount in service["volumes"] if not mount.endswith(":ro")]
        assert written == [f"data:{volume}"]
    named = [source for source in re.findall(r"/source(/\S*)?", image) if source]
    for path in named:
        assert (ROOT / path.strip("/").rstrip(";")).exists(), path


def test_a_figure_of_the_dashboard_shows_what_holds_now() -> None:
    """Its query has one instant: over a range every word that held in it would stand there; a word has its colour."""
    words: dict[str, list[str]] = {"{{level}}": list(Level), "{{urgency}}": list(Urgency)}
    for panel in json.loads((DEPLOY / "grafana/hotspare.json").read_text())["panels"]:
        if panel["type"] != "stat":
            continue
        [target] = panel["targets"]
        assert (target["instant"], target["range"]) == (True, False), panel["title"]
        shown = words.pop(target["legendFormat"], None)
        assert (panel["options"]["textMode"] == "name") is (shown is not None), panel["title"]
        if shown:
            assert [each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]] == shown
    assert not words
