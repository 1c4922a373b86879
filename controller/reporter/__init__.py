"""The reporter sidecar of an agent. It reports the agent's activity, its questions and results, and delivers the answers.

It uses the standard library only, and 25 MiB at most. `main.py` starts it, `reporter.py` is its main thread. Input:
`activity_monitor.py` with `file_tail.py`, `events.py` (the agent's own events), `cli_streams.py` (a known CLI's stream),
`cpu_activity.py` and `file_activity.py`. State: `agent_record.py`. Reports: `report_status.py`, scheduled by `report_schedule.py`.
API server: `api.py` and `agent_reports.py`, in the threads of `api_threads.py`. Files for the agent: `shared_files.py`, `scripts/`.
"""
