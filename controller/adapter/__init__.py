"""The adapter runs an advisor's registered command once for each question. No process of a command outlives its answer."""
