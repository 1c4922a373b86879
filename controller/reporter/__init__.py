"""The reporter beside an agent: watches it, carries its questions out and answers in. Standard library only, 25 MiB at most.

`main.py` starts it, `loop.py` is its main thread. What it sees (`watch.py`): `tail.py` and `events.py` (what the agent says),
`streams.py` (what a known CLI says), `processes.py` and `workspace.py` (what it does). What it keeps: `memory.py`.
What it tells, and when: `report.py`, `pace.py`. To whom: `api.py`, `objects.py`, in threads of `link.py`.
What it brings: `mailbox.py`, `scripts/`.
"""
