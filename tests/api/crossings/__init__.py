"""Attempts to act on another namespace's Run with knowledge of every name and UID in it: more rows for test_attempts.py, by watched
kind.

All the people here belong to ELSEWHERE. Their namespace has a Run r with a pod and a report, too, so that names collide. `eddy` has
Kubernetes' `edit`, `oda` writes Runs, `rhea` is the responder and `bo` the bridge of the policy there. `spy` is the true token of
the reporter in r's pod there, `drifter` one of its account that is bound to no pod, `ghost` is eddy, who poses as the reporter of
the victim's pod. `$r` is the UID of the victim's Run, `$there` that of theirs.
"""

from tests.api.crossings.inbox import ESCALATIONS, POLICIES
from tests.api.crossings.others import OTHERS
from tests.api.crossings.pods import PODS
from tests.api.crossings.reports import REPORTS
from tests.api.crossings.runs import RUNS

CROSSINGS = RUNS + POLICIES + ESCALATIONS + REPORTS + PODS + OTHERS
