"""The Kubernetes API: the only importer of `kubernetes`. Objects are plain dicts: typed models cost ten times their JSON."""

import sys
from importlib.util import find_spec, module_from_spec


def _spare_the_synchronous_client() -> None:
    """Let `kubernetes.aio` be imported alone.

    The package itself imports its synchronous half with requests, OAuth and websockets: a tenth of the operator's start and 7 MB,
    for nothing that is used here. Whoever has imported it already keeps it whole.
    """
    spec = find_spec("kubernetes")
    if spec and "kubernetes" not in sys.modules:
        sys.modules["kubernetes"] = module_from_spec(spec)


_spare_the_synchronous_client()
