#!/usr/bin/env python3
"""The files under docker/ and action.yml: they parse, and say what the program says. What is installed of the tools that
read them, checks them too."""
import os
import re
import shutil
import subprocess
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian has it, whichever python3 comes first
import yaml  # noqa: E402

from support import run_tests

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def options():
    """The environment variables of `serve`."""
    usage = subprocess.run([sys.argv[1], "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"environment: (STABILITYD_\w+)", usage))


def objects():
    return {item["kind"]: item for item in yaml.safe_load_all(read("docker/kubernetes/stabilityd.yaml"))}


def test_known_variables():
    """A variable that the program does not know would do nothing."""
    known = options()
    for path in "docker/compose.yaml", "docker/kubernetes/stabilityd.yaml", "docker/stabilityd.service", "Dockerfile":
        used = set(re.findall(r"STABILITYD_\w+", read(path)))
        assert used and used <= known, (path, used - known)


def test_restricted_profile():
    """Pod Security Standards, restricted: kubernetes.io/docs/concepts/security/pod-security-standards."""
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"] and container["resources"]["limits"]["cpu"]
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim"}, volume


def test_kubernetes_objects_fit():
    kinds = objects()
    deployment = kinds["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    for kind, selector in [("Deployment", deployment["spec"]["selector"]["matchLabels"]),
                           ("Service", kinds["Service"]["spec"]["selector"]),
                           ("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
                           ("NetworkPolicy", kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"])]:
        assert selector.items() <= labels, kind
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    for probe in "startupProbe", "livenessProbe", "readinessProbe":
        assert container[probe]["httpGet"]["path"] in ("/livez", "/readyz"), probe
    environment = {item["name"]: item.get("value") for item in container["env"]}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > float(environment["STABILITYD_GRACE"]) + 5
    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert scaler["metrics"][0]["pods"]["metric"]["name"] == "stabilityd_queue_depth"
    namespaces = {item["metadata"].get("namespace", "stabilityd") for item in kinds.values()}
    assert namespaces == {"stabilityd"}


def test_compose():
    services = yaml.safe_load(read("docker/compose.yaml"))["services"]
    assert set(services) == {"postgresql", "stabilityd", "haproxy"}
    assert services["stabilityd"]["deploy"]["replicas"] == 2 and services["stabilityd"]["read_only"] is True
    assert services["stabilityd"]["environment"]["STABILITYD_STORE"].startswith("postgresql://")
    assert all(port.startswith("127.0.0.1:") for port in services["haproxy"]["ports"])


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_haproxy():
    if shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"):
        result = run(shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), "-c", "-f", f"{ROOT}/docker/haproxy.cfg")
        assert result.returncode == 0, result


def test_systemd():
    unit = read("docker/stabilityd.service")
    for setting in "NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "CapabilityBoundingSet=":
        assert re.search(f"^{setting}$", unit, re.M), setting
    if shutil.which("systemd-analyze"):
        complaints = [line for line in run("systemd-analyze", "verify", f"{ROOT}/docker/stabilityd.service").stderr.splitlines()
                      if "stabilityd.service" in line and "is not executable" not in line]
        assert not complaints, complaints


def test_action():
    action = yaml.safe_load(read("action.yml"))
    assert action["runs"]["using"] == "composite" and action["name"] and action["description"]
    text = read("action.yml")
    for kind in "inputs", "outputs":
        for name, item in action[kind].items():
            assert item["description"], name
    for name in action["inputs"]:
        assert f"inputs.{name}" in text, name
    for step in action["runs"]["steps"]:
        script = step["run"]
        assert "${{" not in script, "what a client writes must not become part of a script"
        assert run("bash", "-n", "-c", script).returncode == 0, script


run_tests(globals())
