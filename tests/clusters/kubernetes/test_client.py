"""What of the official client is loaded, in a process of its own."""

import subprocess
import sys

PROGRAM = """
import sys
from clusters.kubernetes.connection import Connection, NotConfiguredError
print(any("models." in name for name in sys.modules if name.startswith("kubernetes.")))
try:
    Connection(kubeconfig="/no/such/file")
except NotConfiguredError as error:
    print(error)
from kubernetes import client, config
print(client.V1Pod(kind="Pod").kind, config.ConfigException.__name__)
"""


def test_without_its_models_it_connects_and_the_whole_of_it_can_still_be_had():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    loaded, told, whole = done.stdout.splitlines()
    assert loaded == "False"
    assert told.startswith("No Kubernetes to speak to: ")
    assert whole == "Pod ConfigException"
