"""The Kubernetes API. Only this package imports `kubernetes`. Objects are plain dicts: typed models cost ten times their JSON."""

import sys
from importlib.util import find_spec, module_from_spec


def _spare_the_synchronous_client() -> None:
    """Make `kubernetes.aio` importable without the rest of the package.

    The package imports its synchronous client with requests, OAuth and websockets. They would cost a tenth of the operator's start
    and 7 MB, and nothing here uses them. If `kubernetes` has been imported already, it stays complete.
    """
    spec = find_spec("kubernetes")
    if spec and "kubernetes" not in sys.modules:
        sys.modules["kubernetes"] = module_from_spec(spec)


_spare_the_synchronous_client()
